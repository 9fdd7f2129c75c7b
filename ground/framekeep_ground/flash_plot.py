"""The wear map as a picture: erases of each segment, and what each is good for."""

import math
from pathlib import Path

import matplotlib
import numpy as np

from framekeep_ground.flash_store import STATES, Contents
from framekeep_ground.output import replacing

COLOURS = {
    "live": "#3b7dd8",
    "dead": "#c9ced6",
    "clean": "#eef5e6",
    "ring": "#8d6cc9",
    "blank": "#ffffff",
    "lost": "#f0a030",
    "retired": "#c62828",
}
COLUMNS_MAX = 64


def plot(contents: Contents, path: Path, title: str) -> None:
    """Draws the map to a PNG at `path`."""
    matplotlib.use("Agg")
    from matplotlib import pyplot as plt
    from matplotlib.colors import ListedColormap
    from matplotlib.patches import Patch

    segments = contents.segments
    columns = min(COLUMNS_MAX, math.ceil(math.sqrt(2 * len(segments))))
    rows = -(-len(segments) // columns)
    wear, state = (np.full(rows * columns, np.nan) for _ in range(2))
    wear[: len(segments)] = [np.nan if s.wear is None else s.wear for s in segments]
    state[: len(segments)] = [STATES.index(s.state) for s in segments]

    height = min(20.0, 1.6 + 2 * max(1.2, 8.5 * rows / columns))
    figure, axes = plt.subplots(2, 1, figsize=(10, height), layout="constrained")
    shape = (rows, columns)
    known = contents.wear()
    image = axes[0].imshow(
        np.ma.masked_invalid(wear.reshape(shape)), cmap="viridis", vmin=min(known), vmax=max(known, default=1)
    )
    bar = figure.colorbar(image, ax=axes[0], pad=0.01)
    bar.set_label("erases")
    bar.locator = matplotlib.ticker.MaxNLocator(integer=True)
    bar.update_ticks()
    mean = sum(known) / len(known)
    axes[0].set_title(f"{title}: erases of each segment, {min(known)} to {max(known)}, {mean:.1f} on average")
    axes[1].imshow(
        np.ma.masked_invalid(state.reshape(shape)),
        cmap=ListedColormap([COLOURS[s] for s in STATES]),
        vmin=-0.5,
        vmax=len(STATES) - 0.5,
    )
    whole = sum(frame.status == "whole" for frame in contents.frames)
    axes[1].set_title(f"what each holds: {whole} whole frames, {contents.free() / 1024:,.0f} KiB free")
    counts = contents.states()
    axes[1].legend(
        handles=[
            Patch(facecolor=COLOURS[s], edgecolor="#888888", label=f"{counts[s]} {s}")
            for s in STATES
            if counts[s]
        ],
        loc="upper left",
        bbox_to_anchor=(1.01, 1),
        frameon=False,
    )
    for ax in axes:
        ax.set_xlabel("segment, from the row's first")
        ax.set_yticks(range(0, rows, max(1, rows // 16)))
        ax.set_yticklabels([str(row * columns) for row in range(0, rows, max(1, rows // 16))])
        ax.set_xticks(range(0, columns, max(1, columns // 16)))
        ax.set_xticks(np.arange(-0.5, columns), minor=True)
        ax.set_yticks(np.arange(-0.5, rows), minor=True)
        ax.grid(which="minor", color="white", linewidth=1 if rows <= 40 else 0)
        ax.tick_params(which="minor", length=0)
    with replacing(path, "wb") as file:
        figure.savefig(file, format="png", dpi=110)
    plt.close(figure)
