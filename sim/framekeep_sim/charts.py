"""Small charts as inline SVG: text that any browser draws, with no script and no other file."""

from collections.abc import Sequence
from html import escape

WIDE, HIGH = 420, 190
LEFT, RIGHT, TOP, BOTTOM = 50, 8, 10, 28


def bytes_text(count: float) -> str:
    """`count` bytes with three digits or so: 812 B, 51.2 kB, 3.4 MB."""
    for unit in ("B", "kB", "MB", "GB"):
        if abs(count) < 1000 or unit == "GB":
            return f"{count:.0f} {unit}" if unit == "B" or count >= 100 else f"{count:.1f} {unit}"
        count /= 1000
    raise AssertionError


def _frame(inner: str, label: str) -> str:
    return (
        f'<svg viewBox="0 0 {WIDE} {HIGH}" role="img" aria-label="{escape(label)}" '
        f'xmlns="http://www.w3.org/2000/svg">{inner}</svg>'
    )


def _x(share: float) -> float:
    return LEFT + share * (WIDE - LEFT - RIGHT)


def _y(share: float) -> float:
    return HIGH - BOTTOM - share * (HIGH - TOP - BOTTOM)


def _text(x: float, y: float, text: str, anchor: str = "middle") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _axes(low: str, high: str, top: str, below: str) -> str:
    base, end = _y(0), WIDE - RIGHT
    return (
        f'<path class="axis" d="M{LEFT} {TOP}V{base}H{end}"/>'
        + _text(LEFT, HIGH - 8, low)
        + _text(end, HIGH - 8, high, "end")
        + _text((LEFT + end) / 2, HIGH - 8, below)
        + _text(LEFT - 6, TOP + 8, top, "end")
        + _text(LEFT - 6, base, "0", "end")
    )


def histogram(series: Sequence[tuple[str, Sequence[int]]], thresholds: Sequence[int], bins: int = 32) -> str:
    """Scores 0..255 of several groups, stacked, with the thresholds; a group's name is its CSS class."""
    counts = [[0] * bins for _ in series]
    for row, (_, scores) in zip(counts, series, strict=True):
        for score in scores:
            row[score * bins // 256] += 1
    top = max(1, max((sum(column) for column in zip(*counts, strict=True)), default=1))
    parts = [_axes("0", "255", str(top), "score")]
    step = 1 / bins
    for column in range(bins):
        below = 0
        for row, (name, _) in zip(counts, series, strict=True):
            if row[column]:
                y = _y((below + row[column]) / top)
                parts.append(
                    f'<rect class="{name}" x="{_x(column * step) + 1:.1f}" y="{y:.1f}" '
                    f'width="{_x(step) - _x(0) - 2:.1f}" height="{_y(below / top) - y:.1f}"/>'
                )
                below += row[column]
    for threshold in sorted(set(thresholds)):
        x = _x(threshold / 256)
        parts.append(f'<path class="threshold" d="M{x:.1f} {TOP}V{_y(0)}"/>')
        parts.append(_text(x + 4, TOP + 8, f"threshold {threshold}", "start"))
    return _frame("".join(parts), "Histogram of scores")


def area(values: Sequence[int], capacity: int) -> str:
    """Bytes in flash after each frame against what the flash can hold."""
    top = max(capacity, *values, 1)
    count = len(values)
    points = _thin(values, 600)
    path = " ".join(f"L{_x((i + 1) / count):.1f} {_y(v / top):.1f}" for i, v in points)
    end = _x((points[-1][0] + 1) / count)
    parts = [
        _axes("0", str(count), bytes_text(top), "frames taken"),
        f'<path class="fill" d="M{_x(0)} {_y(0)} {path} L{end:.1f} {_y(0)}Z"/>',
        f'<path class="threshold" d="M{_x(0)} {_y(capacity / top):.1f}H{_x(1):.1f}"/>',
    ]
    return _frame("".join(parts), "Bytes in flash over time")


def strip(scores: Sequence[int], classes: Sequence[str], thresholds: Sequence[int]) -> str:
    """Every frame's score in the order taken, coloured by what became of it."""
    count = max(1, len(scores))
    width = min(14.0, max(0.7, (_x(1) - _x(0)) / count - 0.6))
    parts = [_axes("1", str(len(scores)), "255", "frames in the order taken")]
    for index, score in _thin_peaks(scores, 900):
        y = min(_y(score / 255), _y(0) - 3)  # a dropped frame without a score still shows
        x = _x((index + 0.5) / count) - width / 2
        parts.append(
            f'<rect class="{classes[index]}" x="{x:.1f}" y="{y:.1f}" '
            f'width="{width:.1f}" height="{_y(0) - y:.1f}"/>'
        )
    for threshold in sorted(set(thresholds)):
        parts.append(f'<path class="threshold" d="M{_x(0)} {_y(threshold / 255):.1f}H{_x(1):.1f}"/>')
    return _frame("".join(parts), "Scores over time")


def _thin(values: Sequence[int], most: int) -> list[tuple[int, int]]:
    step = max(1, -(-len(values) // most))
    indices = [*range(0, len(values), step)]
    if indices[-1] != len(values) - 1:
        indices.append(len(values) - 1)
    return [(i, values[i]) for i in indices]


def _thin_peaks(values: Sequence[int], most: int) -> list[tuple[int, int]]:
    """At most `most` values: the highest of each stretch, so that no peak is lost."""
    step = max(1, -(-len(values) // most))
    picked = []
    for start in range(0, len(values), step):
        best = max(range(start, min(start + step, len(values))), key=lambda i: values[i])
        picked.append((best, values[best]))
    return picked
