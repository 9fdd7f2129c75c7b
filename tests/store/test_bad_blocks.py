"""Segments that fail in the five ways that littlefs's suite tries, each segment in turn.

What is kept elsewhere is untouched, what cannot be read is reported and never shown wrong, writing goes on:
the trial holds the store to all its promises before and after the segment fails, with power cuts between.
"""

import pytest
from framekeep_onboard.store import Bad

from tests.store.trial import REGIONS, walk

WAYS = [how for how in Bad if how != Bad.NOT]
SEGMENTS = {"tiny": 16, "tiny-ecc": 16, "tiny-mixed": 12, "l4": 16, "nor": 16, "nor-page": 32, "u5": 16}


def sweep(chip: str, how: Bad, seeds: int, **settings: int) -> int:
    """Frames that lay in a segment when reads of it began to fail."""
    doomed = 0
    for segment in range(SEGMENTS[chip]):
        for bad_from in (0, 120):
            for seed in range(seeds):
                verdict = walk(
                    chip, seed=segment + 100 * seed + 1, bad_segment=segment, bad_as=how, bad_from=bad_from,
                    slots=300, **settings,
                )  # fmt: skip
                assert not verdict.failure
                assert verdict.failed == 1
                assert verdict.appended > 20
                doomed += verdict.doomed
    return doomed


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("chip, cut_percent", [("tiny", 0), ("tiny-ecc", 20)])
def test_each_segment_fails_in_each_way(chip: str, cut_percent: int, how: Bad) -> None:
    doomed = sweep(chip, how, 1, steps=240, cut_percent=cut_percent, max_picture=900)
    assert (doomed > 0) == (how == Bad.READ), "only what cannot be read may be missing"


@pytest.mark.soak
@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("chip", SEGMENTS)
def test_each_segment_of_each_chip_fails_in_each_way(chip: str, how: Bad) -> None:
    assert REGIONS[chip] >= 0
    for cut_percent in (0, 30):
        sweep(chip, how, 3, steps=600, cut_percent=cut_percent, max_picture=900)
