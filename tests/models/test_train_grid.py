"""Grids: targets of known boxes, decoding, and a toy detector trained to the end."""

from pathlib import Path

import numpy as np
import pytest
from framekeep_models.data import Picture
from framekeep_models.data_crops import Draw
from framekeep_models.data_grid import GridShape, centre_target, cover_target, make_grid_pool, peaks
from framekeep_models.evaluate_grid import Scene, at_threshold, average_precision, by_size, match
from framekeep_models.evaluate_scenes import Look, covered, look, summary
from PIL import Image, ImageDraw

WHOLE = (0.0, 0.0, 1.0, 1.0)


def test_centre_lies_in_its_cell() -> None:
    target, weight = centre_target([(0.5, 0.25, 0.1, 0.1)], WHOLE, (8, 8))
    assert np.unravel_index(target.argmax(), target.shape) == (2, 4)  # centre at x 0.55, y 0.30
    assert target.max() == 1
    assert weight.min() == 1


def test_a_box_cut_off_by_the_window_is_not_judged() -> None:
    """Window: left half. A quarter of the box is inside it: its cells weigh nothing, and there is no bump."""
    target, weight = centre_target([(0.45, 0.4, 0.2, 0.2)], (0.0, 0.0, 0.5, 1.0), (10, 10))
    assert target.max() == 0
    assert (weight == 0).sum() == 1 * 2
    assert weight[4:6, 9].tolist() == [0, 0]


def test_cover_is_the_covered_share_of_each_cell() -> None:
    target, _ = cover_target([(0.25, 0.0, 0.5, 0.5)], WHOLE, (2, 2))
    assert target.tolist() == [[0.5, 0.5], [0, 0]]
    assert target.mean() == pytest.approx(0.25)


def test_peaks_are_apart_and_sorted() -> None:
    grid = np.zeros((6, 6))
    grid[1, 1], grid[1, 2], grid[4, 4], grid[4, 5] = 0.9, 0.8, 0.5, 0.5
    assert [(s, round(x * 6 - 0.5), round(y * 6 - 0.5)) for s, x, y in peaks(grid, 0.1)] == [
        (0.9, 1, 1),
        (0.5, 4, 4),  # the plateau counts once
    ]


def test_match_by_hand() -> None:
    """Two boxes, four points: a hit, a second point in the same box, a point in nothing, a weak hit."""
    boxes = ((0.1, 0.1, 0.2, 0.2), (0.6, 0.6, 0.2, 0.2))
    found = ((0.9, 0.2, 0.2), (0.8, 0.25, 0.2), (0.7, 0.5, 0.1), (0.6, 0.7, 0.7))
    result = match([Scene(boxes, found)])
    assert result.right.tolist() == [True, False, False, True]
    assert average_precision(result) == pytest.approx((1 / 1 + 2 / 4) / 2)
    at = at_threshold(result, 0.65)
    assert (at["recall"], at["precision"], at["false_alarms_per_scene"]) == (0.5, 1 / 3, 2)
    assert at["f1"] == pytest.approx(2 * 0.5 * (1 / 3) / (0.5 + 1 / 3))
    assert by_size(result, 0.65)["area 4%..15%"] == {
        "boxes": 2,
        "recall": 0.5,
        "recall_ci95": pytest.approx((0.0945, 0.9055), abs=1e-4),
    }


def test_tiles_put_points_back_where_they_are() -> None:
    """A grid that fires where the picture is white: a dot at (0.3, 0.8)."""
    image = np.zeros((200, 200, 3), np.uint8)
    image[158:163, 58:63] = 255

    def grid(part: np.ndarray) -> np.ndarray:
        size = part.shape[0] // 10 * 10
        return part[:size, :size, 0].reshape(10, size // 10, 10, size // 10).max((1, 3)).astype(float)

    seen = look(grid, image, tiles=2)
    assert len(seen.found) == 1
    assert seen.found[0][1:] == (pytest.approx(0.3, abs=0.04), pytest.approx(0.8, abs=0.04))


def test_covered_counts_overlaps_once() -> None:
    boxes = ((0.0, 0.0, 0.5, 0.5), (0.25, 0.0, 0.5, 0.5))
    assert covered([Picture(Path("x"), 1, boxes=boxes)]).tolist() == [0.375]


def test_summary_of_perfect_looks() -> None:
    pictures = [Picture(Path(str(k)), 1, boxes=((0.1, 0.1, 0.1 * k, 0.2),)) for k in (1, 2, 3)]
    looks = [Look(((200.0, 0.1 + 0.05 * k, 0.2),), 0.02 * k) for k in (1, 2, 3)]
    found = summary(pictures, looks, 128)
    assert (found["recall"], found["precision"], found["spearman"]) == (1, 1, pytest.approx(1))
    assert found["average_precision"] == 1


def dots(root: Path, count: int) -> list[Picture]:
    """Dark noise with one to three bright squares, boxed."""
    rng = np.random.default_rng(5)
    root.mkdir()
    pictures = []
    for k in range(count):
        image = Image.fromarray(rng.integers(0, 80, (64, 64, 3), dtype=np.uint8))
        boxes = []
        for _ in range(rng.integers(1, 4)):
            x, y = (int(v) for v in rng.integers(2, 52, 2))
            ImageDraw.Draw(image).rectangle((x, y, x + 9, y + 9), fill=(250, 240, 230))
            boxes.append((x / 64, y / 64, 10 / 64, 10 / 64))
        image.save(root / f"{k}.png")
        pictures.append(Picture(root / f"{k}.png", 1, boxes=tuple(boxes)))
    return pictures


def test_a_toy_detector_learns_and_flies(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="training is an extra: pip install 'framekeep[train]'")
    from framekeep_models import nets
    from framekeep_models.evaluate_flight import FlightModel
    from framekeep_models.evaluate_scenes import looks_of, threshold_from
    from framekeep_models.train_export import save_grid
    from framekeep_models.train_grid import fit_grid, grids
    from framekeep_models.train_loop import seed_all
    from framekeep_models.train_options import FitConfig

    seed_all(1)
    pictures = dots(tmp_path / "train", 60)
    shape = GridShape(64, 64, 8)
    pool = make_grid_pool(
        [Draw(p, 6, 0.8) for p in pictures], shape, "centres", np.random.default_rng(1), spoiled=0
    )
    layers = list(nets.chain(nets.ChainConfig(side=64, first=8, blocks=((16, 2), (24, 2)))))[:-3]
    losses: list[float] = []
    config = FitConfig(epochs=24, batch=32, rate=1e-2)
    head = nets.grid_head(24, (32, 32))
    kept = fit_grid(
        layers, head, pool, "centres", config=config, report=lambda _e, loss, _n: losses.append(loss)
    )
    assert losses[-1] < losses[0] / 3
    save_grid(kept, pool.images[:100], tmp_path / "dots.tflite", ["dot"])
    flight = FlightModel(tmp_path / "dots.tflite")
    held = dots(tmp_path / "held", 30)[:30]
    looks = looks_of(flight.grid, held)
    assert summary(held, looks, threshold_from(held, looks, None))["f1"] > 0.8
    image = pool.images[0]
    assert np.abs(flight.grid(image) / 256 - grids(kept, image[None])[0]).max() < 0.15  # quantisation's share
