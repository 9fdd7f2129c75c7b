"""The emulated boards: they boot, exchange files, keep flash as a chip does, and are counted exactly."""

import os
from pathlib import Path

import pytest
from framekeep_onboard import count, firmware

pytestmark = pytest.mark.qemu

SEGMENT = 1024


@pytest.fixture(params=list(firmware.BOARDS))
def board(request: pytest.FixtureRequest) -> firmware.Board:
    return firmware.BOARDS[request.param]


def selftest(board: firmware.Board, folder: Path, flash: bytes) -> count.Run:
    (folder / "in.bin").write_bytes(os.urandom(10_000))
    (folder / "flash.bin").write_bytes(flash)
    elf = firmware.image(board.name, "selftest")
    return count.run(elf, board, folder, marks=[count.BEGIN, count.END], profile=True, timeout=30)


def test_board_boots_and_moves_files_and_programs_flash(board: firmware.Board, tmp_path: Path) -> None:
    run = selftest(board, tmp_path, b"\xff" * (4 * SEGMENT))
    assert (tmp_path / "out.bin").read_bytes() == (tmp_path / "in.bin").read_bytes()
    expected = b"\xff" * SEGMENT + bytes(range(1, 9)) + b"\xff" * (3 * SEGMENT - 8)
    assert (tmp_path / "flash.bin").read_bytes() == expected
    assert board.machine in run.command


def test_counts_are_exact_to_one_instruction(board: firmware.Board, tmp_path: Path) -> None:
    run = selftest(board, tmp_path, b"\xff" * (4 * SEGMENT))
    nothing, loop = run.between()
    # between two markers: the return from the first and the call of the second
    assert nothing.instructions == 2
    # load 1000, call; copy it; 1000 x (subtract, nop, branch); return
    counted = loop.instructions - nothing.instructions
    assert counted == 1 + 1 + 1 + 3 * 1000 + 1
    assert loop.branch - nothing.branch == 1 + 1000 + 1
    assert loop.not_taken - nothing.not_taken == 1
    # 1 for each but the branches; those 3, the one not taken 1
    assert loop.cycles - nothing.cycles == 2 + 2 * 1000 + 3 * (1 + 999 + 1) + 1
    assert sum(run.profile.values()) == run.total.instructions


def test_flash_file_that_is_absent_ends_the_image_with_its_own_status(
    board: firmware.Board, tmp_path: Path
) -> None:
    elf = firmware.image(board.name, "selftest")
    with pytest.raises(firmware.ToolError, match="status 3"):
        count.run(elf, board, tmp_path, timeout=30)


def test_missing_compiler_is_one_line_that_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(firmware.ToolError, match="apt-get install gcc-arm-none-eabi"):
        firmware.find_tool(firmware.COMPILER)


def test_image_is_the_same_whatever_folder_it_is_built_in(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    first = firmware.image("qemu-m4", "selftest").read_bytes()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    rebuilt = firmware.build.__wrapped__("qemu-m4") / "selftest.elf"
    assert str(rebuilt).startswith(str(tmp_path))
    assert rebuilt.read_bytes() == first
