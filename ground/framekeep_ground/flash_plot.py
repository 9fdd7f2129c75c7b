"""The wear map as a picture: erases of each segment, and what each is good for."""

import math
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from numpy.typing import NDArray

from framekeep_ground.flash_store import STATES, Contents
from framekeep_ground.output import replacing
from framekeep_ground.shell import printable

COLOURS = {
    "live": "#2f6fba",
    "dead": "#c5cad3",
    "clean": "#bfe0b0",
    "ring": "#8d6cc9",
    "blank": "#f4f4f4",
    "lost": "#f0a030",
    "retired": "#c62828",
}
MARKS = {"lost": "?", "retired": "\N{MULTIPLICATION SIGN}"}  # seen without colours too
PALE = 0.75  # of a live segment's colour that is left out when nearly nothing in it is needed
INK = "#333333"
BARS_MAX = 40
DARK_FROM = 10  # erases


def plot(contents: Contents, path: Path, title: str) -> None:
    """Draws the map to a PNG at `path`."""
    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    columns = _columns(len(contents.segments))
    rows = -(-len(contents.segments) // columns)
    map_height = max(1.3, 8.6 * rows / columns)  # inches; a map is 8.6 wide
    with plt.rc_context({"font.size": 9, "axes.edgecolor": "#999999", "axes.titlelocation": "left"}):
        figure, axes = plt.subplots(
            2, 2, figsize=(12.4, 2.0 + 2 * map_height), width_ratios=(8.6, 2.2), layout="constrained"
        )
        headline = printable(_headline(contents, title))
        figure.suptitle(headline, x=0.008, ha="left", fontsize=12, color=INK, parse_math=False)
        _wear_map(figure, axes[0, 0], contents, rows, columns)
        _wear_bars(axes[0, 1], contents)
        _state_map(axes[1, 0], contents, rows, columns)
        _state_key(axes[1, 1], contents)
        with replacing(path, "wb") as file:
            figure.savefig(file, format="png", dpi=120)
        plt.close(figure)


def _columns(count: int) -> int:
    """A power of two, so that addresses are easily told; the map is twice as wide as high or more."""
    return int(2 ** math.ceil(math.log2(math.sqrt(2 * count))))


def _headline(contents: Contents, title: str) -> str:
    sizes = sorted({size for _, size in contents.layout.segments})
    whole = sum(frame.status == "whole" for frame in contents.frames)
    return (
        f"{title}: {len(contents.segments)} segments of {' and '.join(map(str, sizes))} bytes, "
        f"{whole} whole frames, {contents.free() / 1024:,.0f} KiB free"
    )


def _cells(values: list[Any], rows: int, columns: int) -> NDArray[Any]:
    """By row and column; the places behind the last segment are not numbers."""
    first = np.asarray(values, float)
    cells = np.full((rows * columns, *first.shape[1:]), np.nan)
    cells[: len(first)] = first
    return cells.reshape(rows, columns, *first.shape[1:])


def _wear_map(figure: Any, ax: Any, contents: Contents, rows: int, columns: int) -> None:
    known = contents.wear()
    wear = _cells([np.nan if s.wear is None else s.wear for s in contents.segments], rows, columns)
    # from 0, and not dark for a few erases: evenly worn flash has to look even, new flash new
    most = max(DARK_FROM, *known)
    image = ax.imshow(np.ma.masked_invalid(wear), cmap="YlOrBr", vmin=0, vmax=most, aspect="equal")
    bar = figure.colorbar(image, ax=ax, pad=0.01, aspect=15, fraction=0.03)
    bar.locator = matplotlib.ticker.MaxNLocator(integer=True, nbins=5)
    bar.outline.set_visible(False)
    bar.update_ticks()
    unknown = sum(s.wear is None for s in contents.segments)
    ax.set_title("erases of each segment" + (f"; white: not known ({unknown})" if unknown else ""))
    _axes(ax, rows, columns)


def _wear_bars(ax: Any, contents: Contents) -> None:
    known = np.array(contents.wear())
    low, high = int(known.min()), int(known.max())
    step = -(-(high - low + 1) // BARS_MAX)
    counts, edges = np.histogram(known, bins=np.arange(low, high + step + 1, step))
    ax.barh(edges[:-1] + (step - 1) / 2, counts, height=0.9 * step, color="#d9822b")
    mean = float(known.mean())
    ax.axhline(mean, color=INK, linewidth=0.8, linestyle=":")
    span = f"{low} to {high}" if low < high else f"{low}"
    ax.set_title(f"{span} erases\nmean {mean:.1f}, most / mean {high / mean:.2f}")
    ax.set_ylim(max(-0.6, low - 2 * step), high + 2 * step)
    ax.set_xlabel("segments")
    ax.set_ylabel("erases")
    ax.yaxis.set_major_locator(matplotlib.ticker.MaxNLocator(integer=True))
    ax.xaxis.set_major_locator(matplotlib.ticker.MaxNLocator(integer=True, nbins=4))
    ax.spines[["top", "right"]].set_visible(False)


def _state_map(ax: Any, contents: Contents, rows: int, columns: int) -> None:
    from matplotlib.colors import to_rgb

    colours = []
    for s in contents.segments:
        pale = PALE * (1 - min(1.0, s.live / s.size)) if s.state == "live" else 0.0
        colours.append([c + (1 - c) * pale for c in to_rgb(COLOURS[s.state])])
    ax.imshow(np.nan_to_num(_cells(colours, rows, columns), nan=1.0), aspect="equal")
    for s in contents.segments:
        if s.state in MARKS:
            place = (s.number % columns, s.number // columns)
            ax.annotate(MARKS[s.state], place, ha="center", va="center", color="white", fontsize=8)
    ax.set_title("what each segment holds; the paler a live one, the less of it is needed")
    _axes(ax, rows, columns)


def _state_key(ax: Any, contents: Contents) -> None:
    from matplotlib.patches import Patch

    counts = contents.states()
    handles = [
        Patch(facecolor=COLOURS[s], edgecolor="#999999", label=f"{counts[s]} {s} {MARKS.get(s, '')}".strip())
        for s in STATES
        if counts[s]
    ]
    ax.legend(handles=handles, loc="upper left", frameon=False, borderaxespad=0, fontsize=10)
    ax.axis("off")


def _axes(ax: Any, rows: int, columns: int) -> None:
    step = max(1, rows // 16)
    ax.set_yticks(range(0, rows, step), [str(row * columns) for row in range(0, rows, step)])
    ax.set_xticks(range(0, columns, max(1, columns // 16)))
    ax.set_xticklabels([f"+{column}" for column in ax.get_xticks()])
    ax.tick_params(length=0, colors="#666666")
    ax.spines[:].set_visible(False)
    if columns <= 64:
        ax.set_xticks(np.arange(-0.5, columns), minor=True)
        ax.set_yticks(np.arange(-0.5, rows), minor=True)
        ax.grid(which="minor", color="white", linewidth=1.2 if columns <= 32 else 0.7)
        ax.tick_params(which="minor", length=0)
