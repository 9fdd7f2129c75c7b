"""Figures of merit with 95 % intervals. Proportions: Wilson. Everything else: a seeded bootstrap over
pictures."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Interval = tuple[float, float]

Z95 = 1.959963984540054
RECALLS = (0.90, 0.95, 0.96, 0.98, 0.99)


def wilson(hits: int, n: int) -> Interval:
    """95 % interval of a proportion; (0, 1) when nothing was seen."""
    if n == 0:
        return 0.0, 1.0
    p = hits / n
    middle = (p + Z95**2 / (2 * n)) / (1 + Z95**2 / n)
    half = Z95 * np.sqrt(p * (1 - p) / n + Z95**2 / (4 * n * n)) / (1 + Z95**2 / n)
    return max(0.0, float(middle - half)), min(1.0, float(middle + half))


def ranks(values: Floats) -> Floats:
    """1-based ranks, ties sharing their mean rank."""
    order = np.argsort(values, kind="stable")
    _, inverse, counts = np.unique(values[order], return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    out = np.empty(len(values))
    out[order] = (last - (counts - 1) / 2)[inverse]
    return out


def auc(labels: Ints, scores: Floats) -> float:
    """Area under the ROC curve: the chance that a positive outranks a negative, ties half. NaN without
    both."""
    positives = int(labels.sum())
    negatives = len(labels) - positives
    if positives == 0 or negatives == 0:
        return float("nan")
    return float(
        (ranks(scores)[labels == 1].sum() - positives * (positives + 1) / 2) / (positives * negatives)
    )


def average_precision(labels: Ints, scores: Floats) -> float:
    """Mean over the positives of the precision at their score (ties taken together), as scikit-learn defines
    it."""
    if labels.sum() == 0:
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(labels[order])
    last_of_tie = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
    recall = hits[last_of_tie] / labels.sum()
    precision = hits[last_of_tie] / (last_of_tie + 1)
    return float(np.sum(np.diff(recall, prepend=0.0) * precision))


def spearman(truth: Floats, predicted: Floats) -> float:
    """Rank correlation; NaN where either side is constant."""
    a, b = ranks(truth), ranks(predicted)
    if a.std() == 0 or b.std() == 0:
        return float("nan")
    return float(np.corrcoef(a, b)[0, 1])


def bootstrap(
    figure: Callable[[Ints, Floats], float], labels: Ints, scores: Floats, draws: int = 1000, seed: int = 1
) -> Interval:
    """Percentile interval of `figure(labels, scores)` over resampled pictures; draws without a value are
    left out."""
    rng = np.random.default_rng(seed)
    values = []
    for _ in range(draws):
        pick = rng.integers(0, len(labels), len(labels))
        values.append(figure(labels[pick], scores[pick]))
    return percentiles(values)


def percentiles(values: Sequence[float]) -> Interval:
    """Where the middle 95 % of the values begin and end; those that are NaN are left out."""
    kept = np.array(values)[~np.isnan(values)]
    if len(kept) == 0:
        return float("nan"), float("nan")
    low, high = np.percentile(kept, [2.5, 97.5])
    return float(low), float(high)


def by_photograph(
    labels: Ints,
    scores: Floats,
    threshold: float,
    photographs: Sequence[str],
    *,
    draws: int = 1000,
    seed: int = 1,
) -> dict[str, object]:
    """Intervals of accuracy and AUC that draw whole photographs: pictures cut from one are right or wrong
    together, so those that draw pictures one by one are too narrow."""
    names = sorted(set(photographs))
    place = {name: k for k, name in enumerate(names)}
    owner = np.array([place[p] for p in photographs])
    members = [np.flatnonzero(owner == k) for k in range(len(names))]
    right = (scores >= threshold) == (labels == 1)
    rng = np.random.default_rng(seed)
    shares, areas = [], []
    for _ in range(draws):
        pick = np.concatenate([members[k] for k in rng.integers(0, len(names), len(names))])
        shares.append(float(right[pick].mean()))
        areas.append(auc(labels[pick], scores[pick]))
    known = [a for a in areas if not math.isnan(a)] or [math.nan]
    return {
        "photographs": len(names),
        "accuracy_ci95": tuple(np.percentile(shares, [2.5, 97.5]).tolist()),
        "auc_ci95": tuple(np.percentile(known, [2.5, 97.5]).tolist()),
    }


@dataclass(frozen=True, slots=True)
class Binary:
    """A yes/no model on labelled pictures. `scores` are 0..255, `threshold` keeps scores >= it."""

    labels: Ints
    scores: Floats
    threshold: float

    def summary(self, draws: int = 1000) -> dict[str, object]:
        said = self.scores >= self.threshold
        yes = self.labels == 1
        tp, fp = int((said & yes).sum()), int((said & ~yes).sum())
        fn, tn = int((~said & yes).sum()), int((~said & ~yes).sum())
        n = len(self.labels)
        return {
            "n": n,
            "positives": tp + fn,
            "threshold": self.threshold,
            "accuracy": ratio(tp + tn, n),
            "accuracy_ci95": wilson(tp + tn, n),
            "auc": auc(self.labels, self.scores),
            "auc_ci95": bootstrap(auc, self.labels, self.scores, draws),
            "precision": ratio(tp, tp + fp),
            "precision_ci95": wilson(tp, tp + fp),
            "recall": ratio(tp, tp + fn),
            "recall_ci95": wilson(tp, tp + fn),
            "average_precision": average_precision(self.labels, self.scores),
            "average_precision_ci95": bootstrap(average_precision, self.labels, self.scores, draws),
            "confusion": {"tp": tp, "fp": fp, "fn": fn, "tn": tn},
            "operating_points": operating_points(self.labels, self.scores),
            "calibration": calibration(self.labels, self.scores / 255),
            "calibration_error": calibration_error(self.labels, self.scores / 255),
        }


def ratio(hits: int, n: int) -> float:
    return hits / n if n else float("nan")


def operating_points(labels: Ints, scores: Floats) -> list[dict[str, float]]:
    """For each wanted recall: the highest threshold that reaches it here, and what it keeps.

    `kept` is the share of all pictures kept, `negatives_kept` the share of the negatives.
    """
    yes = np.sort(scores[labels == 1])[::-1]
    no = scores[labels == 0]
    points = []
    for wanted in RECALLS if len(yes) else ():
        threshold = float(yes[int(np.ceil(wanted * len(yes))) - 1])
        points.append(
            {
                "recall": ratio(int((yes >= threshold).sum()), len(yes)),
                "threshold": threshold,
                "kept": ratio(int((scores >= threshold).sum()), len(scores)),
                "negatives_kept": ratio(int((no >= threshold).sum()), len(no)),
            }
        )
    return points


def calibration(labels: Ints, probabilities: Floats, bins: int = 5) -> list[dict[str, float]]:
    """Per bin of the said probability: how many pictures, what was said on average, what was true."""
    place = np.minimum((probabilities * bins).astype(np.int64), bins - 1)
    return [
        {
            "n": int((place == k).sum()),
            "said": float(probabilities[place == k].mean()),
            "true": float(labels[place == k].mean()),
        }
        for k in range(bins)
        if (place == k).any()
    ]


def calibration_error(labels: Ints, probabilities: Floats, bins: int = 10) -> float:
    """Expected calibration error: mean distance of said from true over the bins, weighted by pictures."""
    table = calibration(labels, probabilities, bins)
    return float(sum(row["n"] * abs(row["said"] - row["true"]) for row in table) / len(labels))


def best_threshold(labels: Ints, scores: Floats) -> float:
    """The whole-number score that maximises accuracy; the middle one of equals."""
    options = np.arange(1, 256)
    right = [int(((scores >= t) == (labels == 1)).sum()) for t in options]
    best = options[np.array(right) == max(right)]
    return float(best[len(best) // 2])


def paired_difference(
    labels: Ints,
    a: Floats,
    b: Floats,
    *,
    thresholds: tuple[float, float],
    draws: int = 1000,
    seed: int = 1,
) -> dict[str, object]:
    """AUC and accuracy of `a` minus those of `b` on the same pictures, resampled together, and the exact
    test of McNemar on the pictures that one of them alone gets right."""
    rng = np.random.default_rng(seed)
    right_a, right_b = ((s >= t) == (labels == 1) for s, t in zip((a, b), thresholds, strict=True))
    areas, shares = [], []
    for _ in range(draws):
        pick = rng.integers(0, len(labels), len(labels))
        areas.append(auc(labels[pick], a[pick]) - auc(labels[pick], b[pick]))
        shares.append(float(right_a[pick].mean() - right_b[pick].mean()))
    low, high = percentiles(areas)
    worst, best = np.percentile(shares, [2.5, 97.5])
    ours, theirs = int((right_a & ~right_b).sum()), int((right_b & ~right_a).sum())
    return {
        "auc_difference": auc(labels, a) - auc(labels, b),
        "auc_difference_ci95": (float(low), float(high)),
        "accuracy_difference": float(right_a.mean() - right_b.mean()),
        "accuracy_difference_ci95": (float(worst), float(best)),
        "only_ours_right": ours,
        "only_theirs_right": theirs,
        "mcnemar_p": mcnemar(ours, theirs),
    }


def mcnemar(one: int, other: int) -> float:
    """Two-sided exact probability of a split at least as uneven, were both equally good."""
    n = one + other
    tail = sum(math.comb(n, k) for k in range(min(one, other) + 1)) / 2**n
    return float(min(1.0, 2 * tail))
