"""Grids: targets of known boxes, decoding, and a toy detector trained to the end."""

import json
from pathlib import Path

import numpy as np
import pytest
from framekeep_models.data import DataError, Picture
from framekeep_models.data_crops import Draw
from framekeep_models.data_grid import (
    Cutting,
    GridCrops,
    GridShape,
    centre_target,
    cover_target,
    fitting,
    peaks,
    unjudged,
)
from framekeep_models.data_moored import boats_of, moor
from framekeep_models.evaluate_grid import (
    Scene,
    at_threshold,
    average_precision,
    by_size,
    match,
    threshold_for_alarms,
)
from framekeep_models.evaluate_scenes import (
    Look,
    Looking,
    covered,
    look,
    mosaic,
    parts_along,
    raised,
    summary,
)
from framekeep_models.evaluate_sheet import scene_sheet
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


def test_nobody_is_judged_where_a_box_is_in_doubt_unless_an_object_is_known_there() -> None:
    """A box in doubt over the right half; the one that is known has its centre in row 2, column 6."""
    target, weight = centre_target([(0.7, 0.2, 0.16, 0.16)], WHOLE, (8, 8))
    weight = unjudged(target, weight, [(0.5, 0.0, 0.5, 1.0)], WHOLE)
    assert weight[:, :4].min() == 1
    assert np.argwhere(weight[:, 4:] == 1).tolist() == [[2, 2]]


def test_cover_is_the_covered_share_of_each_cell() -> None:
    target, _ = cover_target([(0.25, 0.0, 0.5, 0.5)], WHOLE, (2, 2))
    assert target.tolist() == [[0.5, 0.5], [0, 0]]
    assert target.mean() == pytest.approx(0.25)


def cells_of(grid: np.ndarray, lowest: float = 10) -> list[tuple[float, int, int]]:
    """Peaks as (score, row, column)."""
    rows, columns = grid.shape
    return [(s, round(y * rows - 0.5), round(x * columns - 0.5)) for s, x, y in peaks(grid, lowest)]


def test_ripples_along_a_hull_are_one_peak() -> None:
    """A ridge of 200, 185, 190: its saddle is above 0.95 of the lower summit."""
    grid = np.zeros((6, 9))
    grid[2, 1:8] = 150, 200, 190, 185, 188, 190, 150
    assert cells_of(grid) == [(200, 2, 2)]


def test_a_deep_saddle_parts_two_peaks_however_close() -> None:
    grid = np.zeros((6, 9))
    grid[2, 1:6] = 90, 200, 100, 180, 60
    assert cells_of(grid) == [(200, 2, 2), (180, 2, 4)]


def test_a_plateau_is_one_peak_and_low_cells_are_none() -> None:
    grid = np.zeros((6, 6))
    grid[4, 4] = grid[4, 5] = 90
    grid[0, 0] = 5
    assert cells_of(grid) == [(90, 4, 4)]


def test_peaks_agree_with_a_flood_at_every_level() -> None:
    """Random landscapes against the definition: the peaks whose component, cut at the saddle, stands alone.

    Every summit of the toy has a height of its own, so at each level the dry components can be named by their
    highest cells; a summit is lost at the first level where a higher one shares its component.
    """
    rng = np.random.default_rng(3)
    for _ in range(20):
        grid = rng.permutation(64).reshape(8, 8) * 3.0 + 1
        saddle: dict[tuple[int, int], float] = {}
        for level in sorted(grid.ravel(), reverse=True):
            for part in components(grid >= level):
                top = max(part, key=lambda cell: grid[cell])
                for cell in part:
                    if cell != top:
                        saddle.setdefault(cell, level)
        wanted = {c for c in np.ndindex(8, 8) if saddle.get(c, 0.0) <= 0.95 * grid[c] and grid[c] >= 20}
        wanted = {c for c in wanted if saddle.get(c, 0.0) < grid[c]}
        assert {(r, c) for _, r, c in cells_of(grid, 20)} == wanted


def components(mask: np.ndarray) -> list[list[tuple[int, int]]]:
    """Connected cells (8 neighbours), by flooding."""
    left = {tuple(cell) for cell in np.argwhere(mask).tolist()}
    found = []
    while left:
        queue, part = [left.pop()], []
        while queue:
            row, column = queue.pop()
            part.append((row, column))
            near = {(row + r, column + c) for r in (-1, 0, 1) for c in (-1, 0, 1)} & left
            left -= near
            queue += near
        found.append(part)
    return found


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

    for tiles in (1, 2, 3):  # a cell is a tenth of a tile: the point is within half of it
        seen = look(grid, image, tiles=tiles)
        assert len(seen.found) == 1
        assert seen.found[0][1:] == (pytest.approx(0.3, abs=0.0501), pytest.approx(0.8, abs=0.0501))


def test_joined_tiles_are_the_map_of_the_whole() -> None:
    """A map that copies its pixels: joined, it is the picture, each cell from the tile nearest to it."""
    image = np.random.default_rng(1).integers(0, 255, (56, 56, 3), dtype=np.uint8)  # 2 tiles of 32, 8 shared

    whole = mosaic(lambda part: part[..., 0].astype(float), image, 2, 2)
    assert (whole == image[..., 0]).all()


def test_parts_are_about_as_large_as_wanted() -> None:
    """3 parts that share quarters with the next cover 2.5 of their size; 512 / 205 is 2.5."""
    assert [parts_along(size, 205) for size in (100, 205, 359, 512, 2825)] == [1, 1, 2, 3, 18]


def test_maps_of_several_scales_are_averaged() -> None:
    """Parts of 32 of a picture of 56 copy its pixels; the whole says 100 everywhere."""
    image = np.random.default_rng(2).integers(0, 255, (56, 56, 3), dtype=np.uint8)

    def grid(part: np.ndarray) -> np.ndarray:
        return part[..., 0].astype(float) if len(part) == 32 else np.full((8, 8), 100.0)

    seen = look(grid, image, Looking((32, 60)))
    assert seen.cover * 255 == pytest.approx((image[..., 0].mean() + 100) / 2)


def test_the_large_parts_may_say_more_than_the_mean() -> None:
    """Small parts see nothing, the whole an object at 200: 90 % of that counts, not the mean of 100."""
    image = np.zeros((56, 56, 3), np.uint8)

    def grid(part: np.ndarray) -> np.ndarray:
        cells = np.zeros((8, 8))
        if len(part) == 56:
            cells[2, 5] = 200
        return cells

    (mean, x, y), *_ = look(grid, image, Looking((32, 56))).found
    (lifted, u, v), *others = look(grid, image, Looking((32, 56), large=(56,))).found
    assert (mean, lifted) == (pytest.approx(100, abs=15), pytest.approx(180))
    assert (u, v) == (x, y)
    assert not others


def test_raised_lifts_the_best_point_nearby_and_adds_what_stands_alone() -> None:
    found = [(90.0, 0.50, 0.5), (80.0, 0.52, 0.5), (70.0, 0.2, 0.2)]
    large = [(120.0, 0.51, 0.51), (60.0, 0.21, 0.2), (50.0, 0.8, 0.8)]
    assert raised(found, large) == [(120, 0.5, 0.5), (80, 0.52, 0.5), (70, 0.2, 0.2), (50, 0.8, 0.8)]


def test_a_way_of_looking_is_read_from_facts() -> None:
    assert Looking.of({}) == Looking()
    said = Looking.of({"parts": [75, 512], "large_parts": [512], "large_share": 0.8, "dip": 0.98})
    assert said == Looking((75.0, 512.0), (512.0,), 0.8, 0.98)


def test_threshold_counts_equal_scores_together() -> None:
    """Two scenes; the two alarms at 50 come together or not at all."""
    boxes = ((0.1, 0.1, 0.1, 0.1), (0.5, 0.5, 0.1, 0.1))
    found = ((90.0, 0.15, 0.15), (70.0, 0.9, 0.9), (60.0, 0.55, 0.55), (50.0, 0.8, 0.8), (50.0, 0.3, 0.8))
    matched = match([Scene(boxes, found), Scene((), ())])
    assert threshold_for_alarms(matched, 0.5) == 60
    assert threshold_for_alarms(matched, 1.0) == 60
    assert threshold_for_alarms(matched, 1.5) == 50


def test_covered_counts_overlaps_once() -> None:
    boxes = ((0.0, 0.0, 0.5, 0.5), (0.25, 0.0, 0.5, 0.5))
    assert covered([Picture(Path("x"), 1, boxes=boxes)]).tolist() == [0.375]


def test_summary_of_perfect_looks() -> None:
    pictures = [Picture(Path(str(k)), 1, boxes=((0.1, 0.1, 0.1 * k, 0.2),)) for k in (1, 2, 3)]
    looks = [Look(((200.0, 0.1 + 0.05 * k, 0.2),), 0.02 * k) for k in (1, 2, 3)]
    found = summary(pictures, looks, 128)
    assert (found["recall"], found["precision"], found["spearman"]) == (1, 1, pytest.approx(1))
    assert found["average_precision"] == 1


def dots(root: Path, count: int, seed: int = 5) -> list[Picture]:
    """Dark noise with one to three bright squares, boxed."""
    rng = np.random.default_rng(seed)
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
    from framekeep_models.evaluate_flight import FlightModel
    from framekeep_models.evaluate_scenes import looks_of, threshold_from
    from framekeep_models.train_export import save_grid
    from framekeep_models.train_grid import GridFit, fit_grid, grids
    from framekeep_models.train_grid_net import GridNet, GridWidths
    from framekeep_models.train_loop import seed_all

    seed_all(1)
    shape = GridShape(64, 64, 4)
    draws = [Draw(p, 1, 0.6) for p in dots(tmp_path / "train", 60)]
    crops = GridCrops(draws, shape, "centres", Cutting(near=0.3, mosaic=0.2, turns=True), seed=1)
    losses: list[float] = []
    fit = GridFit(steps=120, rate=1e-2, average=0.95, looks=5)
    kept = fit_grid(
        GridNet(GridWidths(8, 8, 16, 16, 16, 16), 4),
        crops,
        "centres",
        fit,
        report=lambda _s, loss, _n: losses.append(loss),
    )
    assert losses[-1] < losses[0] / 3
    pool = crops.batch(100)
    save_grid(kept, pool.images[:100], tmp_path / "dots.tflite", ["dot"])
    flight = FlightModel(tmp_path / "dots.tflite")
    held = dots(tmp_path / "held", 30, seed=6)
    looks = looks_of(flight.grid, held)
    assert summary(held, looks, threshold_from(held, looks, None))["f1"] > 0.8
    image = pool.images[0]
    assert np.abs(flight.grid(image) / 256 - grids(kept, image[None])[0]).max() < 0.15  # quantisation's share


def test_a_toy_task_is_trained_to_the_end(tmp_path: Path) -> None:
    """One call: the model that flies, its threshold, facts, card and the sheet of its mistakes."""
    pytest.importorskip("torch", reason="training is an extra: pip install 'framekeep[train]'")
    from framekeep_models.evaluate_flight import FlightModel
    from framekeep_models.train_grid import GridFit
    from framekeep_models.train_grid_net import GridWidths
    from framekeep_models.train_grid_tasks import GridRecipe, train_grid
    from framekeep_models.train_options import Options

    pictures = {split: dots(tmp_path / split, 20, seed) for split, seed in (("val", 6), ("test", 7))}
    learned = [Draw(p, 1, 0.6) for p in dots(tmp_path / "train", 60)]
    recipe = GridRecipe(
        name="dots",
        about="where are the dots?",
        labels=("dot",),
        shape=GridShape(64, 64, 4),
        kind="centres",
        draws=lambda _: learned,
        cutting=Cutting(near=0.3, mosaic=0.2, turns=True),
        fit=GridFit(steps=120, rate=1e-2, average=0.95, looks=1),
        held=lambda _, split: pictures[split],
        widths=GridWidths(8, 8, 16, 16, 16, 16),
        limits="Dots only.",
    )
    out, said = tmp_path / "out", []
    train_grid(recipe, Options(data=tmp_path), out, "fk-models train dots", said.append)
    assert {p.name for p in out.iterdir()} == {f"dots.{s}" for s in ("tflite", "fkm", "json", "md", "png")}
    facts = json.loads((out / "dots.json").read_text())
    assert facts["tests"]["test"]["f1"] > 0.8
    assert FlightModel(out / "dots.fkm").threshold == facts["threshold"]
    card = (out / "dots.md").read_text()
    assert f"| test | 20 | {facts['tests']['test']['average_precision']:.3f} (" in card
    assert "Dots only." in card
    assert Image.open(out / "dots.png").width == 4 * 324
    assert said[-1].endswith(facts["summary"])


def test_training_goes_on_where_it_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped after its seventh step of twelve, when six were kept, it ends at the same weights."""
    torch = pytest.importorskip("torch", reason="training is an extra: pip install 'framekeep[train]'")
    from framekeep_models import train_grid
    from framekeep_models.train_grid_net import GridNet, GridWidths
    from framekeep_models.train_loop import seed_all

    monkeypatch.setattr(train_grid, "SAVED_EVERY", 3)
    draws = [Draw(p, 1, 0.6) for p in dots(tmp_path / "train", 8)]

    def weights(stop: int | None, saved: Path | None) -> list[torch.Tensor]:
        seed_all(1)
        crops = GridCrops(draws, GridShape(64, 64, 4), "centres", Cutting(mosaic=0.2), seed=1)
        net = GridNet(GridWidths(8, 8, 16, 16, 16, 16), 4)

        def report(step: int, _loss: float, _kept: object) -> None:
            if step == stop:
                raise InterruptedError

        fit = train_grid.GridFit(steps=12, batch=4, looks=12)
        return list(
            train_grid.fit_grid(net, crops, "centres", fit, report=report, saved=saved).state_dict().values()
        )

    with pytest.raises(InterruptedError):
        weights(7, tmp_path / "state")
    assert torch.load(tmp_path / "state", weights_only=True)["step"] == 6
    pairs = zip(weights(None, tmp_path / "state"), weights(None, None), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("left", ["another", "damaged", "empty"])
def test_what_another_training_left_is_not_gone_on_with(tmp_path: Path, left: str) -> None:
    pytest.importorskip("torch", reason="training is an extra: pip install 'framekeep[train]'")
    from framekeep_models.train_grid import GridFit, fit_grid
    from framekeep_models.train_grid_net import GridNet, GridWidths

    saved = tmp_path / "dots.training"
    draws = [Draw(p, 1, 0.6) for p in dots(tmp_path / "train", 4)]

    def train(steps: int) -> None:
        crops = GridCrops(draws, GridShape(64, 64, 4), "centres", Cutting(), seed=1)
        fit = GridFit(steps=steps, batch=2, looks=1)
        net = GridNet(GridWidths(8, 8, 16, 16, 16, 16), 4)
        fit_grid(net, crops, "centres", fit, report=lambda *_: None, saved=saved)

    train(2)
    if left != "another":
        saved.write_bytes(saved.read_bytes()[:1000] if left == "damaged" else b"")
    before = saved.read_bytes()
    with pytest.raises(DataError, match=r"dots\.training: not left by this training; remove it"):
        train(3 if left == "another" else 2)
    assert saved.read_bytes() == before


def test_windows_show_objects_at_the_sizes_asked_for() -> None:
    """A box of a tenth of the picture, input 200 pixels: 20 pixels if the whole is seen."""
    rng = np.random.default_rng(1)
    shares = np.array([fitting(rng, 20.0, (10, 80), (0.3, 0.9))[0] for _ in range(4000)])
    assert (shares.min(), shares.max()) == (0.3, 0.9)  # 20/80 and 20/10 are out of reach
    sides = 20 / shares[(shares > 0.3) & (shares < 0.9)]
    low = 20 / 0.9
    assert np.mean(sides < (low * 20 / 0.3) ** 0.5) == pytest.approx(0.5, abs=0.03)  # evenly over octaves


def test_pasted_boats_lie_in_their_boxes() -> None:
    """Red boats on black: all red is in boxes, and every box within the picture has some."""
    rng = np.random.default_rng(2)
    boats = [np.full((*size, 3), (255, 0, 0), np.uint8) for size in ((40, 14), (24, 8))]
    seen = 0
    for _ in range(60):
        image, boxes = moor(np.zeros((96, 128, 3), np.uint8), boats, rng)
        left = image[..., 0].astype(int) - image[..., 1] > 60
        found = np.zeros_like(left)
        for x, y, w, h in boxes:
            rows = slice(max(0, int(y * 96 - 1)), max(0, int((y + h) * 96 + 2)))
            columns = slice(max(0, int(x * 128 - 1)), max(0, int((x + w) * 128 + 2)))
            if x >= 0 and y >= 0 and x + w <= 1 and y + h <= 1:
                assert left[rows, columns].any()
                seen += 1
            found[rows, columns] = True
        assert not (left & ~found).any()
    assert seen > 100


def test_boats_are_the_long_and_narrow_boxes() -> None:
    image = np.arange(100 * 100 * 3, dtype=np.uint32).reshape(100, 100, 3).astype(np.uint8)
    boxes = [(0.1, 0.1, 0.4, 0.1), (0.6, 0.2, 0.2, 0.2), (0.9, 0.5, 0.1, 0.4), (0.2, 0.5, 0.05, 0.2)]
    found = boats_of(image, boxes)  # the second is square, the third reaches the picture's edge
    assert [boat.shape for boat in found] == [(40, 10, 3), (20, 5, 3)]
    assert (found[0] == np.rot90(image[10:20, 10:50])).all()
    assert (found[1] == image[50:70, 20:25]).all()


def test_a_seed_gives_the_same_crops_again(tmp_path: Path) -> None:
    draws = [Draw(p, 1 + k % 2, 0.5) for k, p in enumerate(dots(tmp_path / "train", 6))]
    cutting = Cutting(mosaic=0.5, turns=True, spoiled=0.5, choice=2)
    one, two, other = (
        GridCrops(draws, GridShape(64, 64, 8), "cover", cutting, seed).batch(12) for seed in (4, 4, 5)
    )
    assert (one.images == two.images).all()
    assert (one.target == two.target).all()
    assert (one.images != other.images).any()


def test_targets_turn_with_their_crops(tmp_path: Path) -> None:
    """Where the target says a dot is, the crop is bright; where it says none, it is dark."""
    draws = [Draw(p, 1, 0.5) for p in dots(tmp_path / "train", 6)]
    pool = GridCrops(
        draws, GridShape(64, 64, 4), "cover", Cutting(mosaic=0.5, turns=True, spoiled=0), 2
    ).batch(40)
    light = pool.images.mean(3).reshape(40, 16, 4, 16, 4).mean((2, 4)) / 255
    full, empty = light[pool.target > 0.95], light[pool.target == 0]
    assert len(full) > 40
    assert full.mean() > empty.mean() + 0.4
    assert np.corrcoef(light.ravel(), pool.target.ravel())[0, 1] > 0.9


def test_crops_of_a_picture_all_in_doubt_judge_only_what_is_known(tmp_path: Path) -> None:
    pictures = dots(tmp_path / "train", 4)
    pools = [
        GridCrops(
            [Draw(p, 1, 0.6, doubt) for p in pictures],
            GridShape(64, 64, 4),
            "centres",
            Cutting(mosaic=0.5, turns=True),
            seed=1,
        ).batch(20)
        for doubt in ((), ((0.0, 0.0, 1.0, 1.0),))
    ]
    sure, unsure = pools
    assert (sure.images == unsure.images).all()
    assert (sure.target == unsure.target).all()
    assert (unsure.weight == np.where(sure.target > 0.5, sure.weight, 0)).all()
    assert unsure.weight.max() == 1


def test_sheet_shows_the_worst_first_and_counts_them(tmp_path: Path) -> None:
    pictures = dots(tmp_path / "some", 5)
    perfect = [
        Look(tuple((200.0, x + w / 2, y + h / 2) for x, y, w, h in p.boxes or ()), 0.0) for p in pictures
    ]
    looks = [*perfect[:3], Look((), 0.0), Look((*perfect[4].found, (250.0, 0.001, 0.001)), 0.0)]
    wrong = scene_sheet(tmp_path / "sheet.png", pictures, looks, 100)
    assert wrong == 2  # the one where nothing was found, and the one with a false alarm
    with Image.open(tmp_path / "sheet.png") as sheet:
        colours = {colour for _, colour in sheet.getcolors(1 << 20) or []}
    assert {(255, 0, 0), (0, 255, 0), (0, 191, 255)} <= colours
