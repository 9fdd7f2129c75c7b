"""What a user can get wrong: one clear line, the right exit status, nothing half-written, no traceback."""

import csv
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from framekeep_models.tflite_model import load as load_tflite
from framekeep_sim.cli import main
from PIL import Image

ROOT = Path(__file__).parents[2]
MISSION = ROOT / "missions" / "security.toml"
MODEL = ROOT / "models" / "trained" / "person_96.tflite"


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for level in range(4):
        Image.linear_gradient("L").rotate(90 * level).save(folder / f"good{level}.png")
    return folder


def refused(capfd: pytest.CaptureFixture[str], out: Path, *words: str, status: int = 2) -> str:
    """Run fk-sim; the one line that it answered, after checking that nothing was left behind."""
    before = sorted(out.parent.rglob("*"))
    assert main([*words, "--out", str(out)]) == status
    said = capfd.readouterr()
    assert said.out == ""
    lines = [line for line in said.err.splitlines() if line.startswith("fk-sim: ")]
    assert len(lines) == 1, said.err
    assert "Traceback" not in said.err
    assert sorted(out.parent.rglob("*")) == before
    return lines[0]


def run(pictures: Path, **changed: object) -> list[str]:
    mission = changed.get("mission", MISSION)
    return ["run", str(pictures), "--mission", str(mission), *(str(w) for w in changed.get("more", ()))]


def test_a_mission_that_is_not_there(capfd, pictures, tmp_path) -> None:
    line = refused(capfd, tmp_path / "o", *run(pictures, mission=tmp_path / "gone.toml"))
    assert f"{tmp_path / 'gone.toml'}: cannot be read: No such file" in line
    assert line.rstrip().endswith("name a mission, such as missions/security.toml")


@pytest.mark.parametrize(
    "change",
    [
        ("width = 160 ", "widht = 160", "widht is not a key of a mission; did you mean"),
        ("quality = 60 ", "quality = 600", "codec.quality = 600; allowed are whole numbers 1..100"),
        ("[camera]\n", "[camera\n", "not TOML"),
    ],
)
def test_a_mistake_in_a_mission_is_named_with_its_line(capfd, pictures, tmp_path, change) -> None:
    old, new, says = change
    text = MISSION.read_text("utf-8")
    assert old in text
    mission = tmp_path / "m.toml"
    mission.write_text(text.replace(old, new, 1), "utf-8")
    number = text[: text.index(old)].count("\n") + 1
    line = refused(capfd, tmp_path / "o", *run(pictures, mission=mission))
    assert f"{mission}:{number}: " in line
    assert says in line


def test_a_class_that_the_model_does_not_have(capfd, pictures, tmp_path) -> None:
    mission = tmp_path / "m.toml"
    text = MISSION.read_text("utf-8").replace("classes.person]", "classes.prson]")
    text = text.replace("output = 1", "# output = 1").replace("../models", str(ROOT / "models"))
    mission.write_text(text, "utf-8")
    line = refused(capfd, tmp_path / "o", *run(pictures, mission=mission))
    assert 'prson is no class of the model; did you mean "person"?' in line


def with_line(tmp_path: Path, old: str, new: str) -> Path:
    text = MISSION.read_text("utf-8").replace("../models", str(ROOT / "models"))
    assert old in text
    mission = tmp_path / "m.toml"
    mission.write_text(text.replace(old, new, 1), "utf-8")
    return mission


@pytest.mark.parametrize(
    "change",
    [
        ("width = 160 ", f"width = {'9' * 5000} ", "a number of too many digits"),
        ("width = 160 ", f"width = {'[' * 20_000} ", "nested too deep"),
        ("start = 2026-06-01T21:00:00Z", "start = 0001-01-01T00:00:00+23:59", "the years 2000..2099"),
        ("start = 2026-06-01T21:00:00Z", "start = 9999-12-31T23:59:59-23:59", "the years 2000..2099"),
        ('file = "', 'file = "\\u0000', "name a .fkm or .tflite"),
        ('file = "', 'file = "" # "', 'model.file = ""; name a .fkm or .tflite'),
        ('file = "', 'file = "." # "', "is a directory; name a .fkm or .tflite"),
    ],
)
def test_a_mission_beyond_reason_is_one_line(capfd, pictures, tmp_path, change) -> None:
    old, new, says = change
    line = refused(capfd, tmp_path / "o", *run(pictures, mission=with_line(tmp_path, old, new)))
    assert says in line


def test_a_mission_may_begin_with_a_byte_order_mark(pictures, tmp_path) -> None:
    mission = with_line(tmp_path, 'name = "', '\ufeffname = "')
    text = mission.read_text("utf-8")
    mission.write_text("\ufeff" + text.replace("\ufeff", ""), "utf-8")
    assert main([*run(pictures, mission=mission), "--out", str(tmp_path / "o")]) == 0


def test_names_that_are_no_text_come_through(capfd, pictures, tmp_path) -> None:
    folder = pictures / os.fsdecode(b"labe\xffl")
    folder.mkdir()
    for name in (b"no\xfftext.png", b"two\nlines.png"):
        (pictures / "good0.png").rename(folder / os.fsdecode(name))
        Image.linear_gradient("L").save(pictures / "good0.png")
    (pictures / os.fsdecode(b"bad\xff\n.png")).write_bytes(b"")
    out = tmp_path / os.fsdecode(b"out\xff")
    assert main([*run(pictures), "--out", str(out)]) == 0
    said = capfd.readouterr()
    assert "fk-sim: bad\\udcff\\n.png: the file is empty; skipped" in said.err
    with (out / "decisions.csv").open(encoding="utf-8", newline="") as file:
        names = {row["file"] for row in csv.DictReader(file)}
    assert {"labe\\udcffl/no\\udcfftext.png", "labe\\udcffl/two\\nlines.png"} <= names
    assert (out / "report.html").read_text("utf-8")


def damaged(tmp_path: Path, kind: str) -> Path:
    image = bytearray(MODEL.read_bytes())
    path = tmp_path / f"{kind}.fkm"
    if kind == "truncated":
        del image[len(image) // 2 :]
    elif kind == "corrupted":
        image[3 * len(image) // 4] ^= 0x10
    elif kind == "empty":
        image.clear()
    else:
        image[:] = b"no model" * 999
    path.write_bytes(image)
    return path


@pytest.mark.parametrize("kind", ["truncated", "corrupted", "empty", "foreign"])
def test_a_damaged_model_image(capfd, pictures, tmp_path, kind) -> None:
    model = damaged(tmp_path, kind)
    line = refused(capfd, tmp_path / "o", *run(pictures, more=("--model", model)))
    assert f"{model}: not a usable model image" in line


def test_a_model_that_is_not_there(capfd, pictures, tmp_path) -> None:
    line = refused(capfd, tmp_path / "o", *run(pictures, more=("--model", tmp_path / "gone.fkm")))
    assert "gone.fkm: no such model" in line


def test_a_tflite_that_is_none(capfd, pictures, tmp_path) -> None:
    model = tmp_path / "x.tflite"
    model.write_bytes(b"TFL3" * 100)
    line = refused(capfd, tmp_path / "o", *run(pictures, more=("--model", model)))
    assert str(model) in line


def test_a_model_with_an_unsupported_operator_is_named_with_the_node(capfd, pictures, tmp_path) -> None:
    blob = bytearray((ROOT / "models" / "trained" / "person_96.tflite").read_bytes())
    codes = load_tflite(bytes(blob))
    assert codes  # the file is sound before one operator's code is changed
    model = tmp_path / "odd.tflite"
    model.write_bytes(with_operator(bytes(blob), old=25, new=50))  # SOFTMAX becomes LOG_SOFTMAX
    line = refused(capfd, tmp_path / "o", *run(pictures, more=("--model", model)))
    assert "LOG_SOFTMAX" in line


def with_operator(blob: bytes, old: int, new: int) -> bytes:
    """The model with one builtin operator code exchanged."""
    import flatbuffers.number_types as types
    import tflite

    changed = bytearray(blob)
    model = tflite.Model.GetRootAsModel(changed, 0)
    for i in range(model.OperatorCodesLength()):
        code = model.OperatorCodes(i)
        table = code._tab
        for slot, flags in ((4, types.Int8Flags), (10, types.Int32Flags)):  # deprecated code, code
            at = table.Offset(slot)
            if at and table.Get(flags, table.Pos + at) == old:
                changed[table.Pos + at] = new
    return bytes(changed)


def test_bad_pictures_are_counted_and_skipped(capfd, pictures, tmp_path) -> None:
    (pictures / "empty.jpg").write_bytes(b"")
    (pictures / "text.png").write_text("no picture")
    whole = (pictures / "good0.png").read_bytes()
    (pictures / "half.png").write_bytes(whole[: len(whole) // 2])
    Image.new("F", (64, 48), 0.5).save(pictures / "floats.tif")
    assert main([*run(pictures), "--out", str(tmp_path / "o"), "--json"]) == 0
    said = capfd.readouterr()
    assert '"frames": 4' in said.out and '"skipped": 4' in said.out
    for name in (
        "empty.jpg: the file is empty",
        "floats.tif: its pixels are floats",
        "text.png: not a picture",
        "half.png: ",
    ):
        assert f"fk-sim: {name}" in said.err
    assert "Traceback" not in said.err


def test_only_bad_pictures(capfd, tmp_path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    (folder / "a.jpg").write_bytes(b"")
    assert main([*run(folder), "--out", str(tmp_path / "o")]) == 2
    said = capfd.readouterr().err
    assert "none of its 1 pictures can be read" in said
    assert not (tmp_path / "o").exists()


def test_a_dataset_that_is_not_there(capfd, tmp_path) -> None:
    assert "no such file or folder" in refused(capfd, tmp_path / "o", *run(tmp_path / "gone"))


def test_a_folder_of_something_else_is_not_overwritten(capfd, pictures) -> None:
    line = refused(capfd, pictures, *run(pictures))
    assert "exists and is not an earlier run; choose another --out" in line


def test_a_file_in_the_way_of_the_output(capfd, pictures, tmp_path) -> None:
    (tmp_path / "file").write_text("mine")
    line = refused(capfd, tmp_path / "file" / "o", *run(pictures))
    assert str(tmp_path / "file") in line


@pytest.mark.parametrize("words", [["--limit", "0"], ["--jobs", "-1"], ["--limit", "x"], ["--target", "z80"]])
def test_options_out_of_range_are_usage_errors(capfd, pictures, tmp_path, words) -> None:
    with pytest.raises(SystemExit) as caught:
        main([*run(pictures), "--out", str(tmp_path / "o"), *words])
    assert caught.value.code == 2
    error = capfd.readouterr().err
    assert error.startswith("fk-sim: ")
    assert error.endswith("see fk-sim run --help\n")
    assert error.count("\n") == 1
    assert words[0] in error
    assert "_count" not in error


@pytest.mark.parametrize("limit", [4096, 100_000], ids=["small", "in the flash image"])
def test_a_full_disk_leaves_nothing_half_written(pictures, tmp_path, limit: int) -> None:
    """Tried with a limit on the size of files: to a program that is what a full disk looks like."""
    out = tmp_path / "space" / "run"
    out.parent.mkdir()
    words = [sys.executable, "-m", "framekeep_sim.cli", *run(pictures), "--out", str(out)]

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    done = subprocess.run(words, preexec_fn=limited, capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("fk-sim: ")]
    assert f"{out}: file too large; nothing was written" in line
    assert "Traceback" not in done.stderr
    assert list(out.parent.iterdir()) == []


def test_a_full_disk_keeps_the_earlier_run(pictures, tmp_path) -> None:
    out = tmp_path / "run"
    assert main([*run(pictures), "--out", str(out), "--json"]) == 0
    before = {file.name: file.read_bytes() for file in out.iterdir()}
    words = [sys.executable, "-m", "framekeep_sim.cli", *run(pictures), "--out", str(out)]
    done = subprocess.run(
        words,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (9999, 9999)),
        capture_output=True,
        check=False,
    )
    assert done.returncode == 2
    assert {file.name: file.read_bytes() for file in out.iterdir()} == before


def test_help_explains(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["run", "--help"])
    assert caught.value.code == 0
    out = capsys.readouterr().out
    assert "examples:" in out and "fk-sim run demo" in out
