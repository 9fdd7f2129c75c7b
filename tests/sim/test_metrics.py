"""Intervals against published values; labels of every kind of dataset."""

import pytest
from framekeep_sim.metrics import confusion, is_wanted, speak_of_mission, wilson

WANTED = ("person",)


# Newcombe, Statistics in Medicine 17 (1998), table I, method 3 (score interval)
@pytest.mark.parametrize(
    ("hits", "of", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_equals_the_published_intervals(hits: int, of: int, low: float, high: float) -> None:
    assert wilson(hits, of) == pytest.approx((low, high), abs=5e-5)


def test_nothing_tried_says_nothing() -> None:
    assert wilson(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("labels", "truth"),
    [
        (None, None),
        (frozenset({"person"}), True),
        (frozenset({"person", "dog"}), True),
        (frozenset({"no_person"}), False),
        (frozenset(), False),  # annotated, and nothing is there
        (frozenset({"1"}), True),
        (frozenset({"0"}), False),
        (frozenset({"Yes"}), True),
    ],
)
def test_what_a_label_says(labels: frozenset[str] | None, truth: bool | None) -> None:
    assert is_wanted(labels, WANTED) is truth


def test_labels_of_another_subject_are_not_held_against_a_mission() -> None:
    assert not speak_of_mission(frozenset({"images"}), WANTED)
    assert not speak_of_mission(frozenset(), WANTED)
    assert speak_of_mission(frozenset({"person", "cat"}), WANTED)
    assert speak_of_mission(frozenset({"0", "1"}), WANTED)
    assert speak_of_mission(frozenset({"0"}), WANTED)  # nothing wanted in any: what is kept is a mistake


def test_confusion_counts_each_labelled_frame_once() -> None:
    person, cat = frozenset({"person"}), frozenset({"cat"})
    rows = [(person, True)] * 3 + [(person, False)] * 2 + [(cat, True)] + [(cat, False)] * 4 + [(None, True)]
    counted = confusion(rows, WANTED)
    assert (counted.found, counted.missed, counted.false, counted.left) == (3, 2, 1, 4)
    assert counted.precision == 3 / 4
    assert counted.recall == 3 / 5
    assert counted.by_label == {"cat": (1, 5), "person": (3, 5)}


def test_nothing_accepted_has_no_precision() -> None:
    counted = confusion([(frozenset({"person"}), False)], WANTED)
    assert counted.precision is None
    assert counted.recall == 0
