"""The teacher that puts boxes round persons, against boxes that people drew."""

import numpy as np
import pytest
from framekeep_models.data import Box, read_coco
from framekeep_models.data_crops import read_rgb
from framekeep_models.train_teacher_boxes import PersonBoxes, inside, parted, same

from tests.shared_data import shared


def overlap(a: Box, b: Box) -> float:
    """Intersection over union, on a raster."""
    rasters = np.zeros((2, 200, 200), bool)
    for raster, (x, y, w, h) in zip(rasters, (a, b), strict=True):
        raster[round(y * 200) : round((y + h) * 200), round(x * 200) : round((x + w) * 200)] = True
    return float((rasters[0] & rasters[1]).sum() / (rasters[0] | rasters[1]).sum())


def test_of_boxes_of_one_person_the_best_stays() -> None:
    tall, shifted, head, beside = (
        (0.1, 0.1, 0.2, 0.6),
        (0.12, 0.1, 0.2, 0.6),
        (0.15, 0.1, 0.1, 0.1),
        (0.4, 0.1, 0.2, 0.6),
    )
    found = [(0.4, shifted), (0.9, tall), (0.3, head), (0.5, beside)]
    assert parted(found) == [(0.9, tall), (0.5, beside)]
    assert not same(tall, (0.22, 0.1, 0.2, 0.6))  # a quarter of both together: two persons


def test_a_box_ends_where_the_picture_ends() -> None:
    assert inside((-0.1, 0.5, 0.4, 0.75)) == pytest.approx((0.0, 0.5, 0.3, 0.5))


def test_it_draws_boxes_as_people_do() -> None:
    """Frames of one person, of a tenth of the frame or more: most get a sure box, nearly as it was drawn."""
    pytest.importorskip("ai_edge_litert")
    teacher = PersonBoxes(shared("tflite/mcunet_person_boxes.tflite").parent)
    frames = read_coco(shared("person_frames/annotations_train.json"))
    alone = [p for p in frames if p.boxes and len(p.boxes) == 1 and (p.largest or 0) > 0.1][:40]
    overlaps = []
    for picture in alone:
        sure, _ = teacher(read_rgb(picture.path))
        assert picture.boxes
        overlaps.append(max((overlap(box, picture.boxes[0]) for box in sure), default=0.0))
    assert len(overlaps) == 40
    assert np.mean(np.array(overlaps) > 0.5) > 0.6
    assert np.median(overlaps) > 0.6
