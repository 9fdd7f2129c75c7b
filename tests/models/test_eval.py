"""`fk-models eval` as a user runs it: pictures in, one JSON object or a table out, one line for a mistake."""

import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from framekeep_models.cli import main
from framekeep_models.data_crops import read_rgb
from framekeep_models.evaluate_flight import FlightModel
from PIL import Image

from tests.models.small_nets import Net

PERSON = Path(__file__).resolve().parents[2] / "models/trained/person_96.tflite"
KEYS = {
    *("model", "model_id", "class", "split", "n", "positives", "threshold", "confusion"),
    *("accuracy", "accuracy_ci95", "auc", "auc_ci95", "precision", "precision_ci95"),
    *("recall", "recall_ci95", "average_precision", "average_precision_ci95"),
    *("operating_points", "calibration", "calibration_error"),
}


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """scikit-image's astronaut, whole and cropped, against its cat, cup and rocket."""
    root = tmp_path_factory.mktemp("photographs")
    for label, names in {"person": ("astronaut",), "no_person": ("chelsea", "coffee", "rocket")}.items():
        (root / label).mkdir()
        for name in names:
            whole = Image.fromarray(getattr(skimage.data, name)())
            whole.save(root / label / f"{name}.png")
            whole.crop((0, 0, 400, 300)).resize((200, 150)).save(root / label / f"{name}.jpg")
    return root


def test_json_is_one_object_with_every_figure(photographs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["eval", str(PERSON), "--data", str(photographs), "--json"]) == 0
    out = capsys.readouterr()
    found = json.loads(out.out)
    assert set(found) == KEYS
    assert (found["n"], found["positives"]) == (8, 2)
    assert sum(found["confusion"].values()) == 8
    assert out.err == ""
    low, high = found["accuracy_ci95"]
    assert low <= found["accuracy"] <= high


def test_the_astronaut_outranks_cat_cup_and_rocket(
    photographs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["eval", str(PERSON), "--data", str(photographs), "--json"])
    assert json.loads(capsys.readouterr().out)["auc"] > 0.9


def test_a_model_compared_with_itself_and_a_sheet_of_mistakes(
    photographs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sheet = tmp_path / "mistakes.png"
    arguments = [
        "--data",
        str(photographs),
        "--compare",
        str(PERSON),
        "--threshold",
        "0",
        "--sheet",
        str(sheet),
    ]
    assert main(["eval", str(PERSON), *arguments, "--by", "kind"]) == 0
    out = capsys.readouterr().out
    assert "+0.000 (+0.000 .. +0.000)" in out
    assert "no_person: n 6" in out
    assert Image.open(sheet).size == (1100, 110)  # six false alarms at threshold 0


def test_a_score_at_the_threshold_is_kept_in_the_figures_and_on_the_sheet(
    photographs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = FlightModel(PERSON)
    score = model.score(read_rgb(photographs / "person" / "astronaut.png"))
    words = ["--threshold", str(score), "--sheet", str(tmp_path / "s.png"), "--json"]
    assert main(["eval", str(PERSON), "--data", str(photographs), *words]) == 0
    said = capsys.readouterr()
    wrong = json.loads(said.out)["confusion"]
    assert wrong["tp"] >= 1
    assert f"of {wrong['fp'] + wrong['fn']} mistakes" in said.err


def test_what_cannot_be_measured_is_a_dash(photographs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """At a threshold that nothing reaches no picture is called present, so precision has no value."""
    assert main(["eval", str(PERSON), "--data", str(photographs), "--threshold", "255"]) == 0
    out = capsys.readouterr().out
    assert "  precision          -       95 %: 0.000 .. 1.000" in out
    assert "nan" not in out


def test_pictures_of_one_class_are_measured_as_far_as_they_go(
    photographs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "person").mkdir()
    for picture in sorted((photographs / "person").iterdir()):
        (tmp_path / "person" / picture.name).write_bytes(picture.read_bytes())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert main(["eval", str(PERSON), "--data", str(tmp_path), "--compare", str(PERSON)]) == 0
    out = capsys.readouterr().out
    assert "nan" not in out
    assert "  auc                -       95 %: -\n" in out
    assert "  auc over person_96.tflite: -\n" in out


def test_the_class_that_is_judged_is_the_one_asked_for(
    photographs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ["eval", str(PERSON), "--data", str(photographs), "--positive", "No_Person", "--json"]
    assert main(common) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["class"], found["positives"]) == ("no_person", 6)
    assert found["auc"] > 0.9
    assert main([*common, "--class-index", "1"]) == 0
    assert json.loads(capsys.readouterr().out)["auc"] < 0.1


@pytest.mark.parametrize(("height", "width"), [(64, 4096), (4096, 64)])
def test_a_picture_larger_than_a_frame_is_scored_as_its_pixels_in_twos(height: int, width: int) -> None:
    model = FlightModel(PERSON)
    image = np.asarray(Image.fromarray(skimage.data.astronaut()).resize((width, height)))
    twice = image.repeat(2, axis=0).repeat(2, axis=1)
    assert model.score(twice) == model.score(image)
    assert 0 <= model.score(np.zeros((1, 70_000, 3), np.uint8)) <= 255


def test_a_picture_smaller_than_the_peers_window_shows_it_nothing(tmp_path: Path) -> None:
    """In a process of its own: OpenCV 4's HOG crashes there. Without boxes and alarms F1 has no value."""
    noise = np.random.default_rng(1).integers(0, 256, (96, 96, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.png")
    pictures = [{"id": 1, "file_name": "a.png", "width": 96, "height": 96}]
    categories = [{"id": 1, "name": "person"}]
    data = tmp_path / "a.json"
    data.write_text(json.dumps({"images": pictures, "annotations": [], "categories": categories}))
    command = [sys.executable, "-m", "framekeep_models.cli", "eval", str(PERSON.with_stem("person_grid"))]
    options = ["--data", str(data), "--peer", "hog", "--threshold", "255"]
    done = subprocess.run([*command, *options], capture_output=True, text=True, check=True)
    assert done.stdout.count("  F1 -, 0.00 false alarms a picture\n") == 2
    assert "nan" not in done.stdout


def test_a_model_that_names_no_class_is_judged_by_its_last(tmp_path: Path) -> None:
    for labels in ((), ("", "")):
        model = tmp_path / "unnamed.tflite"
        model.write_bytes(Net().conv(8, stride=4).classifier(2).build(labels=labels))
        for wanted in (None, "", "ship"):
            assert FlightModel(model, wanted=wanted).class_index == 1


def test_a_model_of_many_classes_says_which_one_is_judged(
    photographs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = tmp_path / "three.tflite"
    model.write_bytes(Net().conv(8, stride=4).classifier(3).build(labels=("none", "ship", "cloud")))
    assert main(["eval", str(model), "--data", str(photographs), "--json"]) == 0
    out = capsys.readouterr()
    assert json.loads(out.out)["class"] == "cloud"
    assert out.err == f"{model}: judged by its last class, 2 cloud; --class-index names another\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere.fkm", "--data", "DATA"], "nowhere.fkm: cannot be read"),
        (["MODEL", "--data", "nowhere"], "nowhere: no such file or folder"),
        (["MODEL", "--data", "DATA", "--split", "test"], "no pictures in split 'test'"),
        (["MODEL", "--data", "DATA", "--positive", "dog"], "no picture is labelled 'dog'; say --positive"),
        (["MODEL", "--data", "DATA", "--class-index", "7"], "has classes 0..1"),
        (["DATA/person/astronaut.png", "--data", "DATA"], "not a model image"),
        (["MODEL", "--data", "DATA/person/astronaut.png"], "astronaut.png: not a CSV in UTF-8"),
        (["MODEL", "--data", "DATA", "--limit", "-1"], "--limit -1: allowed are"),
        (["MODEL", "--data", "DATA", "--threshold", "nan"], "--threshold nan: allowed are 0..255"),
        (["MODEL", "--data", "DATA", "--tiles", "-1"], "--tiles -1: allowed are"),
        (["MODEL", "--data", "DATA", "--tiles", "2"], "--tiles: is for a grid"),
        (["MODEL", "--data", "DATA", "--tune-split", "val"], "--tune-split val: has not pictures of both"),
        (["MODEL", "--data", "DATA", "--tune-split", "val", "--threshold", "9"], "leave one of them out"),
        (["MODEL", "--data", "DATA", "--compare", "nowhere.fkm"], "nowhere.fkm: cannot be read"),
    ],
)
def test_bad_input_is_one_line_and_status_2(
    arguments: list[str], said: str, photographs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    filled = [a.replace("DATA", str(photographs)).replace("MODEL", str(PERSON)) for a in arguments]
    assert main(["eval", *filled]) == 2
    out = capsys.readouterr()
    assert said in out.err
    assert out.err.count("\n") == 1
    assert out.out == ""


@pytest.mark.parametrize(
    "text",
    [
        "\udcff",
        '{"images": [{"id": 1, "file_name": "a", "width": 0, "height": 0}],'
        ' "annotations": [{"image_id": 1, "category_id": 1, "bbox": [0, 0, 1, 1]}]}',
        '{"images": [{"id": 1, "file_name": "a", "width": 9, "height": 9}],'
        ' "annotations": [{"image_id": 1, "category_id": 1, "bbox": [0, 0]}]}',
        "[" * 100_000,
    ],
    ids=["no text", "a picture without size", "half a box", "nested too deep"],
)
def test_annotations_that_are_none_are_refused_in_one_line(
    tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "a.json"
    data.write_bytes(text.encode(errors="surrogateescape"))
    assert main(["eval", str(PERSON), "--data", str(data)]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"fk-models: {data}: not COCO annotations")
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("a.png\n", "the row of 'a.png' lacks its file or label"),
        (",person\n", "the row of 'no file' lacks its file or label"),
        ("a.png,,\n", "the row of 'a.png' lacks its file or label"),
        ('a.png,person,"nan,0,1,1"\n', "boxes 'nan,0,1,1': write x,y,width,height"),
        ('a.png,person,"10,20,50,50"\n', "boxes '10,20,50,50': these are pixels; write fractions"),
        ("a.png,person,1;2\n", "boxes '1;2': write x,y,width,height"),
    ],
)
def test_a_row_that_says_too_little_is_refused_in_one_line(
    rows: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "labels.csv"
    data.write_text("file,label,boxes\nb.png,no_person,\n" + rows)
    assert main(["eval", str(PERSON), "--data", str(data)]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_a_picture_whose_name_is_no_text_is_read(photographs: Path, tmp_path: Path) -> None:
    for label in ("person", "no_person"):
        (tmp_path / label).mkdir()
        source = sorted((photographs / label).glob("*.jpg"))[0]
        (tmp_path / label / os.fsdecode(b"n\xff.jpg")).write_bytes(source.read_bytes())
    assert main(["eval", str(PERSON), "--data", str(tmp_path), "--json"]) == 0


@pytest.mark.parametrize("content", [None, b"", b"\xff\xd8\xff\xe0 no picture"])
def test_a_picture_that_cannot_be_read_is_named(
    content: bytes | None, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "labels.csv").write_text("file,label\na.jpg,person\n")
    if content is not None:
        (tmp_path / "a.jpg").write_bytes(content)
    assert main(["eval", str(PERSON), "--data", str(tmp_path), "--json"]) == 2
    assert capfd.readouterr().err == (
        f"fk-models: {tmp_path / 'a.jpg'}: not a picture that can be read; remove its row or mend the file\n"
    )
