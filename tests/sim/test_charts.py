"""Charts: well-formed, with every value in its place, whatever the numbers."""

from xml.etree import ElementTree

import pytest
from framekeep_sim.charts import HIGH, WIDE, area, bytes_text, histogram, strip

SVG = "{http://www.w3.org/2000/svg}"


def bars(chart: str, name: str) -> list[dict[str, float]]:
    root = ElementTree.fromstring(chart)
    rects = [r for r in root.iter(f"{SVG}rect") if r.get("class") == name]
    return [{k: float(r.get(k, "nan")) for k in ("x", "y", "width", "height")} for r in rects]


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (153_600, "154 kB"),
        (13_516_800, "13.5 MB"),
        (5e12, "5000 GB"),
    ],
)
def test_bytes_are_told_in_three_digits(count: float, text: str) -> None:
    assert bytes_text(count) == text


def test_a_histogram_stacks_its_groups() -> None:
    chart = histogram([("wanted", [255, 255, 250]), ("unwanted", [0, 252])], [128])
    (high,) = bars(chart, "wanted")
    low, over = sorted(bars(chart, "unwanted"), key=lambda bar: bar["x"])
    assert over["x"] == high["x"] and low["x"] < high["x"]
    assert over["y"] + over["height"] == pytest.approx(high["y"], abs=0.11)
    assert high["height"] == pytest.approx(3 * over["height"], abs=0.3)


def test_no_peak_is_lost_where_there_are_more_frames_than_pixels() -> None:
    scores = [3] * 5000
    scores[2345] = 255
    classes = ["r-LOW_SCORE"] * 5000
    classes[2345] = "r-KEPT"
    (peak,) = bars(strip(scores, classes, [128]), "r-KEPT")
    assert peak["height"] == max(
        bar["height"] for name in set(classes) for bar in bars(strip(scores, classes, []), name)
    )


@pytest.mark.parametrize("count", [1, 2, 601, 5000])
def test_any_number_of_frames_stays_inside_the_chart(count: int) -> None:
    values = list(range(count))
    for chart in (area(values, 10), strip([v % 256 for v in values], ["r-KEPT"] * count, [])):
        for bar in bars(chart, "r-KEPT"):
            assert 0 <= bar["x"] <= bar["x"] + bar["width"] <= WIDE
            assert 0 <= bar["y"] <= bar["y"] + bar["height"] <= HIGH
        assert len(chart) < 100_000


def test_a_run_in_which_nothing_was_scored_has_charts_too() -> None:
    for chart in (histogram([("unlabelled", [])], []), strip([0], ["r-DARK"], []), area([0], 100)):
        ElementTree.fromstring(chart)
