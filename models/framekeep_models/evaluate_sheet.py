"""A contact sheet of what a grid model gets wrong: boxes and peaks drawn over the pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from framekeep_ground.output import replacing
from PIL import Image, ImageDraw

from framekeep_models.data import Picture
from framekeep_models.data_crops import read_rgb
from framekeep_models.evaluate_grid import Scene, assign
from framekeep_models.evaluate_scenes import SLACK, Look

SIDE, GAP, COLUMNS = 320, 4, 4
FOUND, MISSED, ALARM = "lime", "red", "deepskyblue"


def scene_sheet(
    path: Path, pictures: Sequence[Picture], looks: Sequence[Look], threshold: float, count: int = 16
) -> int:
    """Draws the pictures with most mistakes, worst first, and returns how many there are.

    Boxes found are green, missed ones red; false alarms are blue rings with their score.
    """
    drawn = [draw_scene(p, view, threshold) for p, view in zip(pictures, looks, strict=True)]
    wrong = sorted((item for item in drawn if item[0]), key=lambda item: -item[0])[:count]
    step = SIDE + GAP
    sheet = Image.new("RGB", (COLUMNS * step, max(1, -(-len(wrong) // COLUMNS)) * step), "white")
    for place, (_, image) in enumerate(wrong):
        sheet.paste(image, (place % COLUMNS * step, place // COLUMNS * step))
    with replacing(path, "wb") as file:
        sheet.save(file, "PNG")
    return len(wrong)


def draw_scene(picture: Picture, view: Look, threshold: float) -> tuple[int, Image.Image]:
    """Mistakes in this picture, and the picture with boxes and peaks."""
    boxes = picture.boxes or ()
    said = tuple(d for d in view.found if d[0] >= threshold)
    judged = assign(Scene(boxes, said), SLACK)
    taken = {k for _, k in judged}
    image = Image.fromarray(read_rgb(picture.path))
    scale = SIDE / max(image.size)
    image = image.resize((max(1, round(image.width * scale)), max(1, round(image.height * scale))))
    pen = ImageDraw.Draw(image)
    for k, (x, y, w, h) in enumerate(boxes):
        corners = (x * image.width, y * image.height, (x + w) * image.width, (y + h) * image.height)
        pen.rectangle(corners, outline=FOUND if k in taken else MISSED)
    alarms = [d for d, k in judged if k is None]
    for (score, x, y), box in judged:
        at = x * image.width, y * image.height
        radius = 5.0 if box is None else 1.5
        pen.ellipse(
            (at[0] - radius, at[1] - radius, at[0] + radius, at[1] + radius),
            outline=ALARM if box is None else FOUND,
        )
        if box is None:
            pen.text((at[0] + 6, at[1] - 6), f"{score:.0f}", fill=ALARM)
    return len(alarms) + sum(k not in taken for k in range(len(boxes))), image
