"""Figures of merit against scikit-learn, SciPy and values worked out by hand."""

import numpy as np
import pytest
from framekeep_models.evaluate_metrics import (
    Binary,
    auc,
    average_precision,
    best_threshold,
    operating_points,
    paired_difference,
    spearman,
    wilson,
)
from scipy.stats import spearmanr
from sklearn.metrics import average_precision_score, roc_auc_score

RNG = np.random.default_rng(7)


def some_scores(n: int, ties: bool) -> tuple[np.ndarray, np.ndarray]:
    labels = RNG.integers(0, 2, n)
    scores = RNG.normal(labels, 1.0)
    return labels, np.round(scores * 4) if ties else scores


@pytest.mark.parametrize("ties", [False, True])
def test_auc_and_average_precision_equal_scikit_learn(ties: bool) -> None:
    for n in (5, 40, 300):
        labels, scores = some_scores(n, ties)
        if 0 < labels.sum() < n:
            assert auc(labels, scores) == pytest.approx(roc_auc_score(labels, scores))
            assert average_precision(labels, scores) == pytest.approx(average_precision_score(labels, scores))


def test_auc_without_both_classes_has_no_value() -> None:
    assert np.isnan(auc(np.ones(4, np.int64), np.arange(4.0)))


def test_spearman_equals_scipy_with_ties() -> None:
    a = RNG.integers(0, 6, 80).astype(float)
    b = a + RNG.integers(0, 6, 80)
    assert spearman(a, b) == pytest.approx(spearmanr(a, b).statistic)


def test_wilson_interval_of_81_of_263() -> None:
    """Newcombe 1998, table I: 81 of 263 gives 0.2553 .. 0.3662 for the score method without continuity
    correction."""
    low, high = wilson(81, 263)
    assert (round(low, 4), round(high, 4)) == (0.2553, 0.3662)


def test_wilson_interval_of_0_of_20() -> None:
    """Same table: 0 of 20 gives 0.0000 .. 0.1611."""
    low, high = wilson(0, 20)
    assert (round(low, 4), round(high, 4)) == (0.0, 0.1611)


def test_operating_point_is_the_highest_threshold_that_reaches_the_recall() -> None:
    labels = np.array([1] * 10 + [0] * 10)
    scores = np.array([10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 5, 15, 25, 35, 1, 1, 1, 1, 1, 1], float)
    first = operating_points(labels, scores)[0]
    assert first == {"recall": 0.9, "threshold": 20.0, "kept": 11 / 20, "negatives_kept": 2 / 10}


def test_best_threshold_separates_what_can_be_separated() -> None:
    threshold = best_threshold(np.array([0, 0, 1, 1]), np.array([10.0, 99.0, 180.0, 200.0]))
    assert 99 < threshold <= 180


def test_summary_counts_the_confusion() -> None:
    full = Binary(np.array([1, 1, 0, 0, 0]), np.array([200.0, 10, 200, 10, 10]), 128).summary(draws=20)
    assert full["confusion"] == {"tp": 1, "fp": 1, "fn": 1, "tn": 2}
    assert full["accuracy"] == pytest.approx(0.6)
    assert full["precision"] == pytest.approx(0.5)


def test_a_model_compared_with_itself_differs_by_nothing() -> None:
    labels, scores = some_scores(60, False)
    assert paired_difference(labels, scores, scores, thresholds=(0.0, 0.0), draws=50)[
        "auc_difference_ci95"
    ] == (0.0, 0.0)
