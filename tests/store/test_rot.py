"""Cells that change by themselves: nothing wrong is ever shown, and nothing is missing but what was hit.

A full store (moved, evicted, deleted and sent frames, waiting ring records) is damaged in one place,
mounted, listed, read to the last byte, healed, damaged in the next. What a place is good for is known from
the ground's own reading of the dump, so that a frame which goes although none of its bytes were hit is a
failure; after every n-th damage the store is written to as well.
"""

import pytest
from framekeep_onboard.store import Profile

from tests.store.rot import PLACE_BYTES, Decay, Kind, Rotten, Use


def survived(decay: Decay) -> Decay:
    assert not decay.failure
    assert decay.lived > 0
    return decay


@pytest.mark.parametrize("profile", list(Profile))
def test_every_bit_of_a_region(profile: Profile) -> None:
    """Headers, commits, marks, ring records, pictures, padding, dead records, blank cells: all of them."""
    rotten = Rotten("tiny", 11 << 10, profile=profile)
    assert rotten.moved > 0
    assert rotten.bits(header=True) > 12_000 and rotten.bits(header=False) > 12_000
    decay = survived(rotten.sweep(Kind.BIT))
    assert decay.damages == 8 * rotten.flash.size
    assert decay.lost > 1000 and decay.revived > 0 and decay.records_lost > 0, "the damage reached something"


@pytest.mark.parametrize("chip", ["tiny-ecc", "l4"])
def test_a_chip_with_ecc_corrects_every_bit(chip: str) -> None:
    rotten = Rotten(chip, 16 << 10)
    decay = survived(rotten.sweep(Kind.BIT, step=7))
    assert decay.harmless == decay.damages
    assert decay.corrected > decay.damages // 4


@pytest.mark.parametrize("kind", [Kind.TWO_BITS, Kind.BYTE, Kind.PAGE])
@pytest.mark.parametrize("chip", ["nor", "nor-page", "l4", "tiny", "tiny-ecc", "tiny-mixed"])
def test_two_bits_bytes_and_pages(chip: str, kind: Kind) -> None:
    rotten = Rotten(chip, {"nor": 1 << 15, "nor-page": 1 << 15, "l4": 1 << 14}.get(chip, 0))
    decay = survived(rotten.sweep(kind, step=61 if kind == Kind.BYTE else 1, live_every=29))
    assert 0 < decay.harmless < decay.damages


def test_a_lost_page_of_marks_crowds_out_no_more_frames_than_it_named() -> None:
    """Where the table has fewer rows than there are frames then, those found last have none."""
    rotten = Rotten("u5", 1 << 17, seed=16, max_picture=2500)
    free, size = 64 - rotten.store.stats()["frames"], PLACE_BYTES[Kind.PAGE]
    named: dict[int, set[int]] = {}
    for s in rotten.spans():
        if s.use == Use.DELETED:  # a record of marks, or the clean one of its segment
            for page in range(s.address // size, (s.address + s.size - 1) // size + 1):
                named.setdefault(page, set()).add(s.id)
    lost = 0
    for page, ids in named.items():
        decay = rotten.sweep(Kind.PAGE, first=page, last=page + 1, live_every=1)
        assert not decay.failure
        assert decay.lost <= len(ids) and (not decay.lost or decay.revived > free)
        lost += decay.lost
    assert free > 0 and lost > 0


@pytest.mark.soak
@pytest.mark.parametrize("profile", list(Profile))
@pytest.mark.parametrize(
    "chip, size", [("tiny", 16 << 10), ("tiny-mixed", 0), ("nor", 1 << 15), ("nor-page", 1 << 15)]
)
def test_every_bit_of_larger_regions(chip: str, size: int, profile: Profile) -> None:
    rotten = Rotten(chip, size, profile=profile, max_picture=1500)
    decay = survived(rotten.sweep(Kind.BIT))
    print(f"{chip}: {rotten.bits(header=True)} bits of records, {rotten.bits(header=False)} of pictures")
    assert decay.damages == 8 * rotten.flash.size


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(2, 6))
@pytest.mark.parametrize("kind", [Kind.TWO_BITS, Kind.BYTE, Kind.PAGE])
@pytest.mark.parametrize("chip", ["nor", "nor-page", "l4", "u5", "tiny-mixed"])
def test_worse_damage_everywhere(chip: str, kind: Kind, seed: int) -> None:
    sizes = {"nor": 1 << 16, "nor-page": 1 << 16, "l4": 1 << 15, "u5": 1 << 17}
    rotten = Rotten(chip, sizes.get(chip, 0), seed=seed, max_picture=2500)
    survived(rotten.sweep(kind, step=5 if kind == Kind.BYTE else 1, live_every=101))
