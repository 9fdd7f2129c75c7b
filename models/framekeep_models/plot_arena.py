"""The arena over time as a picture: one box per tensor, from its first to its last operator."""

from pathlib import Path

import matplotlib
from framekeep_ground.output import replacing

from framekeep_models.image_reader import ImageInfo, alive


def plot_arena(info: ImageInfo, path: Path) -> None:
    matplotlib.use("Agg")
    from matplotlib import pyplot as plt
    from matplotlib.patches import Rectangle

    live = alive(info)
    figure, axes = plt.subplots(figsize=(11, 5), layout="constrained")
    colours = plt.get_cmap("tab20")
    for number, place in enumerate(info.tensors):
        steps = [i for i, tensors in enumerate(live) if number in tensors]
        if not steps:
            continue
        width = steps[-1] - steps[0] + 1
        box = Rectangle(
            (steps[0], place.offset),
            width,
            place.size,
            facecolor=colours(number % 20),
            alpha=0.75,
            edgecolor="black",
        )
        axes.add_patch(box)
        if place.size * 25 > info.header["arena_size"]:
            label = "x".join(map(str, place.shape[1:]))
            axes.text(
                steps[0] + width / 2, place.offset + place.size / 2, label, ha="center", va="center", size=6
            )
    axes.set_xlim(0, len(live))
    axes.set_ylim(0, info.header["arena_size"] * 1.02)
    axes.set_xlabel("operator")
    axes.set_ylabel("byte of the arena")
    axes.set_title(f"model {info.header['model_id'].hex()}: {info.header['arena_size']:,} bytes of tensors")
    with replacing(path, "wb") as file:
        figure.savefig(file, dpi=120, format="png")
    plt.close(figure)
