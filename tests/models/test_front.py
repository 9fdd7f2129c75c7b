"""Accuracy against cost: runs of one network become one point, and the front is what nothing beats."""

import json
import shutil
from pathlib import Path

import pytest
import skimage.data
from framekeep_models.evaluate_front import Point, main, on_front, shape_of, together
from PIL import Image

TRAINED = Path(__file__).resolve().parents[2] / "models/trained"


def point(name: str, instructions: int, auc: float) -> Point:
    return Point(name, instructions, 100, 50, 0.9, (0.8, 0.95), auc, (auc - 0.02, auc + 0.01))


def test_a_number_before_the_ending_is_a_seed() -> None:
    named = {shape_of(Path(name)) for name in ("wider.1.tflite", "out/wider.12.tflite", "wider.tflite")}
    assert named == {"wider"}
    assert shape_of(Path("person.v2.tflite")) == "person.v2"
    assert shape_of(Path("7.tflite")) == "7"


def test_runs_of_one_network_are_one_point_at_their_mean() -> None:
    small, large = together([point("small", 10, 0.90), point("large", 30, 0.99), point("small", 12, 0.94)])
    assert (small.name, small.instructions, large.name) == ("small", 11, "large")
    assert small.auc == pytest.approx(0.92)
    assert small.auc_ci95 == pytest.approx((0.90, 0.93))
    assert large.auc_ci95 == pytest.approx((0.97, 1.0))


def test_the_front_is_what_nothing_cheaper_ranks_as_well_as() -> None:
    points = [point("a", 10, 0.90), point("b", 20, 0.89), point("c", 30, 0.95), point("d", 30, 0.94)]
    assert [p.name for p in points if on_front(p, points)] == ["a", "c"]


@pytest.mark.qemu
def test_two_files_of_one_model_are_one_row_and_one_dot(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for label, name in (("person", "astronaut"), ("no_person", "coffee")):
        (tmp_path / "pictures" / label).mkdir(parents=True)
        Image.fromarray(getattr(skimage.data, name)()).save(tmp_path / "pictures" / label / f"{name}.png")
    runs = [tmp_path / f"person_96.{seed}.tflite" for seed in (1, 2)]
    for run in runs:
        shutil.copy(TRAINED / "person_96.tflite", run)
    plot = tmp_path / "front.png"
    data = ["--data", str(tmp_path / "pictures")]
    assert main([*map(str, runs), *data, "--json", "-o", str(plot)]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert found["name"] == "person_96"
    assert found["auc"] == 1.0
    assert 1e6 < found["instructions"] < 2e7
    assert Image.open(plot).width > 500
