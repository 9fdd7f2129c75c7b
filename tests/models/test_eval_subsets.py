"""Figures of parts of the pictures, against values worked out by hand."""

from pathlib import Path

import numpy as np
import pytest
from framekeep_models.data import Picture, read_csv
from framekeep_models.evaluate_metrics import by_photograph, calibration_error, mcnemar, paired_difference
from framekeep_models.evaluate_subsets import by_group, clustered, light_of, size_of
from PIL import Image
from scipy.stats import binomtest


@pytest.mark.parametrize(
    ("largest", "said"),
    [
        (0.049, "under 5 % of the picture"),
        (0.05, "5 to 20 % of the picture"),
        (0.2, "20 to 50 % of the picture"),
        (1.0, "over 50 % of the picture"),
        (None, "size not known"),
    ],
)
def test_sizes_have_names(largest: float | None, said: str) -> None:
    assert size_of(Picture(Path("a"), 1, largest=largest)) == said
    assert size_of(Picture(Path("a"), 0, largest=largest)) == ""


def test_the_largest_object_comes_from_its_column_or_from_the_boxes(tmp_path: Path) -> None:
    table = tmp_path / "labels.csv"
    table.write_text(
        "file,label,largest_person_area_fraction,boxes\n"
        'a.jpg,1,0.25,\nb.jpg,1,,"0,0,0.5,0.5;0,0,0.1,0.1"\nc.jpg,0,0,\n'
    )
    assert [p.largest for p in read_csv(table)] == [0.25, 0.25, None]


@pytest.mark.parametrize(
    ("luma", "said"), [(69, "dark"), (70, "middling"), (149, "middling"), (150, "bright")]
)
def test_light_is_the_mean_luma(tmp_path: Path, luma: int, said: str) -> None:
    Image.new("L", (8, 8), luma).save(tmp_path / "a.png")
    assert light_of(Picture(tmp_path / "a.png", 1)).startswith(said)


def test_a_part_of_one_label_is_ranked_against_all_of_the_other() -> None:
    """Statues score 9 and 3, roads 1 and 2, persons 8 and 4: of four pairs statue-person the person wins
    two, of four pairs road-person all."""
    kinds = ["person", "person", "statue", "statue", "road", "road"]
    pictures = [Picture(Path(str(k)), int(kind == "person"), kind=kind) for k, kind in enumerate(kinds)]
    labels = np.array([p.label for p in pictures])
    groups = by_group(pictures, labels, np.array([8.0, 4, 9, 3, 1, 2]), 4.0, "kind")
    assert {k: (g["n"], g["auc"]) for k, g in groups.items()} == {
        "person": (2, 0.75),
        "road": (2, 1.0),
        "statue": (2, 0.5),
    }
    assert groups["statue"]["accuracy"] == groups["statue"]["false_alarms"] == 0.5
    assert (groups["road"]["accuracy"], groups["person"]["recall"]) == (1.0, 1.0)


@pytest.mark.parametrize(("one", "other"), [(0, 0), (3, 9), (20, 20), (700, 650)])
def test_mcnemar_is_the_exact_binomial_test(one: int, other: int) -> None:
    wanted = binomtest(one, one + other).pvalue if one + other else 1.0
    assert mcnemar(one, other) == pytest.approx(wanted)


def test_paired_accuracy_counts_who_alone_is_right() -> None:
    labels = np.array([1, 1, 0, 0])
    found = paired_difference(
        labels, np.array([9.0, 9, 0, 0]), np.array([9.0, 1, 0, 9]), thresholds=(5.0, 5.0), draws=50
    )
    assert (found["accuracy_difference"], found["only_ours_right"], found["only_theirs_right"]) == (0.5, 2, 0)


def test_calibration_error_by_hand() -> None:
    """Half say 0.05 and 1 in 4 is true, half say 0.95 and all are: 0.5 x 0.2 + 0.5 x 0.05."""
    labels = np.array([1, 0, 0, 0, 1, 1, 1, 1])
    said = np.array([0.05] * 4 + [0.95] * 4)
    assert calibration_error(labels, said) == pytest.approx(0.125)


def test_copies_of_one_photograph_do_not_narrow_the_interval() -> None:
    """20 photographs, of which 10 are right, each ten times over: pictures drawn one by one would be 200
    draws; drawn as photographs, the interval is that of the 20 alone."""
    labels, scores = np.tile([1, 0], 10), np.repeat([9.0, 1.0, 1.0, 9.0], 5)
    names = [str(k) for k in range(20)]
    once = by_photograph(labels, scores, 5.0, names)
    copied = by_photograph(np.repeat(labels, 10), np.repeat(scores, 10), 5.0, np.repeat(names, 10).tolist())
    assert (once["photographs"], copied["photographs"]) == (20, 20)
    assert copied["accuracy_ci95"] == pytest.approx(once["accuracy_ci95"])
    low, high = once["accuracy_ci95"]
    assert (low, high) == (pytest.approx(0.275, abs=0.05), pytest.approx(0.725, abs=0.05))  # binomial of 20


def test_pictures_that_stand_alone_have_no_interval_by_photograph() -> None:
    pictures = [Picture(Path(str(k)), k % 2) for k in range(4)]
    labels, scores = np.array([0, 1, 0, 1]), np.arange(4.0)
    assert clustered(pictures, labels, scores, 2.0) == {}
    two = [Picture(Path(str(k)), k % 2, photograph="a" if k < 2 else "b") for k in range(4)]
    assert "by_photograph" in clustered(two, labels, scores, 2.0)
