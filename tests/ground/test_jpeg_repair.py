"""Pictures with holes open, and what they show is in its place or grey."""

import io
import random
import re

import numpy as np
import pytest
from framekeep_ground.jpeg_repair import parse_header, repair
from framekeep_ground.sequence import uncovered
from framekeep_onboard.imaging import Frame, JpegMode, PixelFormat, jpeg
from PIL import Image

from tests.ground.downlinks import HEIGHT, WIDTH, picture

GREY = 128


def pixels(data: bytes) -> np.ndarray:  # type: ignore[type-arg]
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image).astype(int)


def without(data: bytes, spans: list[tuple[int, int]]) -> list[tuple[int, bytes]]:
    """The runs of `data` outside `spans` (start, end)."""
    return [(first, data[first : last + 1]) for first, last in uncovered(spans, len(data))]


def blocks(image: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
    """The 8x8 blocks of a grey picture in the order of the scan."""
    height, width = image.shape
    return image.reshape(height // 8, 8, width // 8, 8).swapaxes(1, 2).reshape(-1, 64)


@pytest.mark.parametrize("restart", [1, 5, 12])
@pytest.mark.parametrize("percent", [2, 10, 25])
def test_every_interval_is_the_original_or_grey(restart: int, percent: int) -> None:
    data = picture(3, restart=restart)
    truth = blocks(pixels(data))
    header = parse_header(data)
    assert header is not None
    rng = random.Random(restart * 100 + percent)
    for _ in range(10):
        starts = [at for at in range(len(header.data), len(data), 40) if rng.randrange(100) < percent]
        known = without(data, [(at, at + 40) for at in starts])
        made = repair(known, len(data))
        assert made is not None
        shown = blocks(pixels(made.data))
        same = (shown == truth).all(axis=1)
        grey = (shown == GREY).all(axis=1)
        assert (same | grey).all()
        assert same.sum() == made.shown
        assert made.total == len(truth)
        assert not made.borrowed
        outside = np.ones((HEIGHT, WIDTH), bool)
        for left, upper, width, height in made.grey:
            assert outside[upper : upper + height, left : left + width].all(), "told twice"
            outside[upper : upper + height, left : left + width] = False
        assert (blocks(outside).all(axis=1) | grey).all() and same[blocks(outside).all(axis=1)].all()
        assert (~outside).sum() == 64 * (made.total - made.shown)


def test_one_lost_chunk_costs_only_the_blocks_that_it_touches() -> None:
    data = picture(3, restart=1)
    header = parse_header(data)
    assert header is not None
    at = len(header.data) + 600
    made = repair(without(data, [(at, at + 40)]), len(data))
    assert made is not None
    lost = data[at - 1 : at + 41].count(b"\xff") + 2  # at most: markers inside, and one at each side
    assert made.total - lost <= made.shown < made.total


def test_of_an_interval_that_was_cut_the_blocks_before_the_cut_are_shown() -> None:
    data = picture(3, restart=48)
    header = parse_header(data)
    assert header is not None
    truth = blocks(pixels(data))
    first_marker = data.index(b"\xff\xd0", len(header.data))
    cut = (len(header.data) + first_marker) // 2
    made = repair(without(data, [(cut, cut + 40)]), len(data))
    assert made is not None
    same = (blocks(pixels(made.data)) == truth).all(axis=1)
    before = int(np.argmin(same))
    assert 48 * 0.3 < before < 48 * 0.7, "about half of the interval's bytes came down"
    assert not same[before:48].any()
    assert same[48:].all()


def test_colour_with_subsampling_keeps_what_is_away_from_the_holes() -> None:
    data = picture(4, colour=True, restart=2)
    header = parse_header(data)
    assert header is not None
    truth = pixels(data)
    at = (len(header.data) + len(data)) // 2
    made = repair(without(data, [(at, at + 60)]), len(data))
    assert made is not None
    shown = pixels(made.data)
    assert shown.shape == truth.shape
    differs = np.argwhere((shown != truth).any(axis=(1, 2))).reshape(-1)
    # 60 bytes lie in two rows of MCUs; a decoder smooths colour one line further
    assert 0 < len(differs) <= 2 * 16 + 2
    assert differs.max() - differs.min() < 2 * 16 + 2


def test_more_than_eight_intervals_lost_at_once_are_placed_from_the_end() -> None:
    data = picture(5, restart=1)
    header = parse_header(data)
    assert header is not None
    truth = blocks(pixels(data))
    made = repair(without(data, [(len(header.data) + 300, len(data) - 300)]), len(data))
    assert made is not None
    shown = blocks(pixels(made.data))
    same, grey = (shown == truth).all(axis=1), (shown == GREY).all(axis=1)
    assert (same | grey).all()
    assert same[0] and same[-1] and grey.sum() > 16


def test_without_restart_markers_the_part_before_the_hole_is_shown() -> None:
    data = picture(6, restart=0)
    truth = blocks(pixels(data))
    made = repair(without(data, [(len(data) * 3 // 4, len(data) * 3 // 4 + 60)]), len(data))
    assert made is not None
    same = (blocks(pixels(made.data)) == truth).all(axis=1)
    assert len(truth) * 0.6 < made.shown < len(truth) * 0.9
    assert same[: made.shown].all()
    assert not same[made.shown :].any()


def test_a_lost_header_is_lent_by_a_picture_that_agrees() -> None:
    data, other, unlike = picture(7), picture(8), picture(8, colour=True)
    headers = [h for h in (parse_header(unlike), parse_header(other)) if h is not None]
    assert len(headers) == 2
    made = repair(without(data, [(0, 60), (120, 180)]), len(data), headers)
    assert made is not None
    assert made.borrowed
    assert (pixels(made.data) == pixels(data)).all()


def test_without_any_header_nothing_is_made_up() -> None:
    data = picture(7)
    assert repair(without(data, [(100, 160)]), len(data)) is None


def test_a_header_alone_gives_grey() -> None:
    data = picture(7)
    header = parse_header(data)
    assert header is not None
    made = repair([(0, header.data)], len(data))
    assert made is not None
    assert (pixels(made.data) == GREY).all()
    assert made.shown == 0


@pytest.mark.parametrize("seed", range(40))
def test_spoilt_pictures_give_a_picture_or_none_never_an_error(seed: int) -> None:
    rng = random.Random(seed)
    data = bytearray(picture(9, restart=rng.choice([0, 1, 6])))
    for _ in range(rng.randrange(1, 30)):
        data[rng.randrange(len(data))] = rng.randrange(256)
    spans = [(at, at + rng.randrange(1, 200)) for at in (rng.randrange(len(data)) for _ in range(3))]
    made = repair(without(bytes(data), spans), len(data))
    assert made is None or made.data.startswith(b"\xff\xd8")


def test_progressive_jpeg_is_left_alone() -> None:
    out = io.BytesIO()
    Image.new("L", (64, 64)).save(out, "JPEG", progressive=True)
    assert parse_header(out.getvalue()) is None


@pytest.mark.parametrize("restart", [0, 1, 4])
def test_pictures_of_the_flight_encoder_are_repaired_too(restart: int) -> None:
    noise = np.random.default_rng(restart).integers(0, 256, (8, 12), np.uint8)
    grey = np.asarray(Image.fromarray(noise).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC))
    frame = Frame(grey.copy(), WIDTH, HEIGHT, PixelFormat.GRAY8)
    data = jpeg(frame, quality=50, mode=JpegMode.GREY, restart_interval=restart)
    truth = blocks(pixels(data))
    header = parse_header(data)
    assert header is not None
    for at in range(len(header.data), len(data), 37):
        made = repair(without(data, [(at, at + 30)]), len(data))
        assert made is not None
        shown = blocks(pixels(made.data))
        same, rest = (shown == truth).all(axis=1), (shown == GREY).all(axis=1)
        assert (same | rest).all()
        assert same.sum() >= made.shown  # a block may be mid-grey by itself
        assert made.shown < made.total


def test_many_short_intervals_in_a_small_hole_are_counted_by_their_markers() -> None:
    """The hole is shorter than one of the intervals before it, yet seven and a marker were lost in it."""
    rough = np.random.default_rng(1).integers(0, 256, (HEIGHT // 2, WIDTH), np.uint8)
    whole = np.concatenate([rough, np.full_like(rough, 200)])
    out = io.BytesIO()
    Image.fromarray(whole).save(out, "JPEG", quality=60, restart_marker_blocks=1)
    data = out.getvalue()
    truth = blocks(pixels(data))
    marks = [m.start() for m in re.finditer(rb"\xff[\xd0-\xd7]", data)]
    first = len(truth) // 2 + 5
    made = repair(without(data, [(marks[first], marks[first + 7]), (len(data) - 3, len(data))]), len(data))
    assert made is not None
    shown = blocks(pixels(made.data))
    same, rest = (shown == truth).all(axis=1), (shown == GREY).all(axis=1)
    assert (same | rest).all()
    assert np.flatnonzero(rest).tolist() == [*range(first + 1, first + 8), len(truth) - 1]
