"""What ends a command is one line that every terminal takes, and a status."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from framekeep_ground import scripts
from framekeep_ground.errors import UserError
from framekeep_ground.shell import STOPPED, TROUBLE, guarded, printable


def raising(error: BaseException):
    def call() -> int:
        raise error

    return call


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a b.png", "a b.png"),
        ("grün.png", "grün.png"),
        ("two\nlines", "two\\nlines"),
        ("\x1b[31mred", "\\x1b[31mred"),
        (os.fsdecode(b"no\xfftext"), "no\\udcfftext"),
        ("nul\0", "nul\\x00"),
    ],
)
def test_printable_keeps_what_can_be_read_and_shows_the_rest(text: str, shown: str) -> None:
    assert printable(text) == shown
    assert shown.encode("utf-8")


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (UserError("x\ny: wrong"), TROUBLE, "x\\ny: wrong"),
        (OSError(28, "No space left on device", "out"), TROUBLE, "out: No space left on device"),
        (OSError(28, "No space left on device", b"o\xff"), TROUBLE, "o\\udcff: No space left on device"),
        (OSError("without a number"), TROUBLE, "without a number"),
        (MemoryError(), TROUBLE, "the memory does not suffice"),
        (KeyboardInterrupt(), STOPPED, "stopped"),
    ],
)
def test_what_a_user_can_put_right_is_one_line(
    error: BaseException, status: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert guarded("fk-x", raising(error)) == status
    out, line = capsys.readouterr()
    assert out == ""
    assert line.startswith(f"fk-x: {said}")
    assert line.count("\n") == 1


def test_a_defect_is_no_users_error() -> None:
    with pytest.raises(ZeroDivisionError):
        guarded("fk-x", raising(ZeroDivisionError()))


def test_a_name_that_is_no_text_can_be_printed() -> None:
    script = (
        "import os; from framekeep_ground.shell import guarded;"
        "raise SystemExit(guarded('fk-x', lambda: print(os.fsdecode(b'\\xff')) or 0))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"\\udcff\n", b"")


@pytest.mark.parametrize(
    ("words", "status"), [("export icd", 0), ("command ping -o -", 0), ("flash none.bin", 2)]
)
def test_a_closed_output_is_no_traceback_and_no_error_goes_to_the_other(words: str, status: int) -> None:
    for closed in (">&-", "2>&-", "<&- >&- 2>&-"):
        command = f"{sys.executable} -m framekeep_ground.cli {words} {closed}"
        done = subprocess.run(["bash", "-c", command], capture_output=True, check=False)
        assert done.returncode == status
        assert b"Traceback" not in done.stderr
        assert b"fk-ground: " not in done.stdout, "an error among the output"


def test_a_stop_while_a_command_loads_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stopped(_: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(scripts, "import_module", stopped)
    for start in (scripts.fk_ground, scripts.fk_sim, scripts.fk_models):
        assert start() == STOPPED
        assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("module", ["framekeep_ground.cli", "framekeep_sim.cli", "framekeep_models.cli"])
def test_every_command_refuses_nonsense_in_one_line(module: str, tmp_path: Path) -> None:
    words = [sys.executable, "-m", module, os.fsdecode(b"fl\xff\ny")]
    done = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == TROUBLE
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("fk-")
    assert "invalid choice" in done.stderr
