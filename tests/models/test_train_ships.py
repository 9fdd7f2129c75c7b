"""New views of ships: where they are cut from, and what is laid where."""

from collections.abc import Iterator

import cv2
import numpy as np
import pytest
from framekeep_models.data_ships import (
    Scene,
    any_view,
    coarse,
    cut_free,
    empty_view,
    half_plane,
    moored,
    sampled,
    ship_view,
    shored,
    view,
)

SEA, HULL, LAND = (20, 60, 70), (230, 230, 225), (150, 130, 90)


@pytest.fixture(scope="module")
def scene() -> Scene:
    """A white ship of 80 x 20 pixels, turned by 30 degrees, on rough dark water."""
    rng = np.random.default_rng(1)
    image = np.clip(np.array(SEA) + rng.normal(0, 4, (300, 400, 1)), 0, 255).astype(np.uint8)
    corners = cv2.boxPoints(((250, 150), (80, 20), 30))
    cv2.fillPoly(image, [corners.astype(np.int32)], HULL)
    low, high = corners.min(0), corners.max(0)
    return Scene(image, np.array([[*low, *(high - low)]]))


def views(count: int) -> Iterator[np.random.Generator]:
    return (np.random.default_rng(k) for k in range(count))


def white(image: np.ndarray) -> int:
    return int((image.min(2) > 180).sum())


def test_an_upright_view_of_its_own_size_is_the_picture(scene: Scene) -> None:
    assert np.array_equal(view(scene.image, (150, 150), 80, 0, 80), scene.image[110:190, 110:190])


def test_a_quarter_turn_turns_the_picture(scene: Scene) -> None:
    upright, turned = (view(scene.image, (250, 150), 101, angle, 101).astype(int) for angle in (0, 90))
    assert np.abs(turned[2:-2, 2:-2] - np.rot90(upright)[2:-2, 2:-2]).mean() < 6
    assert np.abs(turned - upright).mean() > 20


def test_every_ship_view_shows_the_ship_and_no_empty_view_does(scene: Scene) -> None:
    for rng in views(30):
        assert white(ship_view(scene, scene.boxes[0], 80, rng)) > 60
        empty = empty_view(scene, 80, rng)
        assert empty is None or white(empty) == 0


def test_views_of_any_place_show_the_ship_in_some(scene: Scene) -> None:
    shown = [white(any_view(scene, 80, rng)) for rng in views(60)]
    assert 5 < sum(found > 0 for found in shown) < 55


def test_a_coarse_view_keeps_its_light_and_loses_its_edges(scene: Scene) -> None:
    fine = scene.image[110:190, 210:290]
    for rng in views(5):
        seen = coarse(fine, rng)
        assert seen.shape == fine.shape
        assert abs(float(seen.mean()) - float(fine.mean())) < 1
        assert (
            np.abs(np.diff(seen.astype(int), axis=1)).max() < np.abs(np.diff(fine.astype(int), axis=1)).max()
        )


def test_a_ship_cut_free_has_its_own_length_beam_and_heading(scene: Scene) -> None:
    ship = cut_free(scene, scene.boxes[0])
    assert ship is not None
    assert (ship.length, ship.beam) == (pytest.approx(80, abs=3), pytest.approx(20, abs=3))
    assert ship.angle % 180 == pytest.approx(30, abs=2)
    assert ship.image[ship.mask > 0.95].min() > 180


def test_water_alone_is_no_ship(scene: Scene) -> None:
    assert cut_free(Scene(scene.image[:, :150], np.empty((0, 4))), np.array([30.0, 30, 60, 40])) is None


def test_a_moored_ship_lies_along_its_quay(scene: Scene) -> None:
    """All of the ship is there, all land is on one side of its keel, and the edge runs as the keel does."""
    ship = cut_free(scene, scene.boxes[0])
    assert ship is not None
    water, land = (np.full((80, 80, 3), colour, np.uint8) for colour in (SEA, LAND))
    for rng in views(20):
        image = moored(ship, water, land, True, rng).astype(int)
        hull = np.abs(image - HULL).sum(2) < 30
        quay = np.abs(image - LAND).sum(2) < 6
        assert hull.sum() > 100
        if quay.sum() < 300:
            continue  # the quay lies beyond the rim
        y, x = np.nonzero(hull)
        keel = np.linalg.svd(np.column_stack([x, y]) - (x.mean(), y.mean()), full_matrices=False)[2][0]
        qy, qx = np.nonzero(quay)
        across = (qx - x.mean()) * -keel[1] + (qy - y.mean()) * keel[0]
        assert max((across > 0).mean(), (across < 0).mean()) > 0.97


def test_shores_hold_both_and_half_planes_halve() -> None:
    water, land = (np.full((80, 80, 3), colour, np.uint8) for colour in (SEA, LAND))
    shares = [(shored(water, land, rng) == LAND).all(2).mean() for rng in views(40)]
    assert 0 <= min(shares) < 0.1
    assert max(shares) > 0.5
    assert half_plane(80, (39.5, 39.5), 17.0, 0.0).mean() == pytest.approx(0.5, abs=0.01)


def test_the_same_seed_draws_the_same_views(scene: Scene) -> None:
    first, second = (sampled([scene], 40, 10, np.random.default_rng(4)) for _ in range(2))
    assert np.array_equal(first, second)
