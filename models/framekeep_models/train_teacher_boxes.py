"""A public person detector as a teacher: boxes for pictures that show a person, nobody said where."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from framekeep_models.data import Box, DataError
from framekeep_models.data_crops import U8
from framekeep_models.evaluate_metrics import Floats

ANCHORS = (  # width and height in pixels of the input 160x128, of 4x5, 8x10 and 16x20 cells
    ((116, 90), (156, 198), (373, 326)),
    ((30, 61), (62, 45), (59, 119)),
    ((10, 13), (16, 30), (33, 23)),
)
SURE, HEARD = 0.5, 0.15  # a box scored as the first is believed; from the second on it is not denied


class PersonBoxes:
    """MCUNet's person detector (MIT): boxes for pictures that have none.

    Its three outputs are YOLO cells of three anchors, each x, y, width, height, an object's and a person's
    logit. The anchors are those of YOLOv3: boxes of the training frames, divided by what it says of them,
    have medians of 113x91, 145x197, 31x61, 62x45, 59x117, 11x14, 17x31 and 32x28.
    """

    def __init__(self, folder: Path) -> None:
        from ai_edge_litert.interpreter import Interpreter

        file = folder / "mcunet_person_boxes.tflite"
        if not file.is_file():
            raise DataError(f"{file}: teacher not found; name its folder with --teachers")
        self.net = Interpreter(str(file), num_threads=1)
        self.net.allocate_tensors()
        self.input = self.net.get_input_details()[0]["index"]
        self.outputs = [part["index"] for part in self.net.get_output_details()]

    def __call__(self, image: U8) -> tuple[list[Box], list[Box]]:
        """Boxes that it is sure of, in an RGB picture or its mirror image, and those in doubt."""
        mirrored = [(s, (1 - x - w, y, w, h)) for s, (x, y, w, h) in self.said(image[:, ::-1])]
        found = parted([*self.said(image), *mirrored])
        return (
            [inside(box) for score, box in found if score >= SURE],
            [inside(box) for score, box in found if score < SURE],
        )

    def said(self, image: U8) -> list[tuple[float, Box]]:
        """Score and box of every cell and anchor that is worth hearing."""
        small = cv2.resize(np.ascontiguousarray(image), (160, 128), interpolation=cv2.INTER_AREA)
        self.net.set_tensor(self.input, small[None].astype(np.float32) / 128 - 1)
        self.net.invoke()
        found = []
        for output, anchors in zip(self.outputs, ANCHORS, strict=True):
            cells = self.net.get_tensor(output)[0].astype(np.float64)
            rows, columns = cells.shape[:2]
            cells = cells.reshape(rows, columns, 3, 6)
            chance = logistic(cells[..., 4]) * logistic(cells[..., 5])
            for row, column, k in np.argwhere(chance >= HEARD):
                across, down, wide, high = cells[row, column, k, :4]
                x, y = (column + logistic(across)) / columns, (row + logistic(down)) / rows
                w, h = anchors[k][0] * np.exp(wide) / 160, anchors[k][1] * np.exp(high) / 128
                box = float(x - w / 2), float(y - h / 2), float(w), float(h)
                found.append((float(chance[row, column, k]), box))
        return found


def logistic(x: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-x)), np.float64)


def parted(found: list[tuple[float, Box]]) -> list[tuple[float, Box]]:
    """Of boxes that share much, the one of the highest score."""
    kept: list[tuple[float, Box]] = []
    for score, box in sorted(found, reverse=True):
        if not any(same(box, other) for _, other in kept):
            kept.append((score, box))
    return kept


def same(a: Box, b: Box) -> bool:
    """Whether they share 45 % of what they cover, or one lies in the other by four fifths."""
    across = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    down = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    if across <= 0 or down <= 0:
        return False
    shared, one, other = across * down, a[2] * a[3], b[2] * b[3]
    return shared > 0.45 * (one + other - shared) or shared > 0.8 * min(one, other)


def inside(box: Box) -> Box:
    """What of it lies in the picture."""
    x0, y0 = max(0.0, box[0]), max(0.0, box[1])
    x1, y1 = min(1.0, box[0] + box[2]), min(1.0, box[1] + box[3])
    return x0, y0, x1 - x0, y1 - y0
