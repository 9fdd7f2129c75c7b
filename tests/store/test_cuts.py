"""Power cuts: what was acknowledged is there afterwards, whatever a torn operation left behind.

The trial in C checks after every mount: acknowledged frames are bit-exact until a call that started
evicts them; no frame is half there; a moved frame is there once, in its old or its new place; deleted
frames stay deleted; mount writes nothing and finds the same twice; the chip never refuses an operation
(so no unit is programmed twice); eviction takes the least; the ring has no gap; ids are not given again.
"""

import pytest
from framekeep_onboard.store import Bad, Profile

from tests.store.trial import exhaust, walk

# Seeds and steps in the gate: some 70,000 cuts, most of them where a second of computing holds most.
WALKS = {
    "tiny": (8, 4000), "tiny-ecc": (8, 4000), "tiny-mixed": (4, 4000), "l4": (5, 4000), "nor": (2, 4000),
    "nor-page": (2, 4000), "u5": (1, 4000), "h7": (1, 2000), "f4": (1, 800),
}  # fmt: skip


@pytest.mark.parametrize("profile", list(Profile))
@pytest.mark.parametrize("chip", WALKS)
def test_random_cuts_break_no_promise(chip: str, profile: Profile) -> None:
    seeds, steps = WALKS[chip]
    cuts = 0
    for seed in range(1, seeds + 1):
        verdict = walk(
            chip, profile=profile, seed=seed, steps=steps, cut_percent=70,
            max_picture=900 if chip.startswith("tiny") else 3000,
        )  # fmt: skip
        assert not verdict.failure
        cuts += verdict.cuts
    assert cuts > seeds * steps // 5


@pytest.mark.parametrize(
    ("chip", "profile", "seed"),
    [("l4", Profile.CHAIN, 1), ("tiny-ecc", Profile.PACKED, 2), ("tiny", Profile.PACKED, 4)],
)
def test_random_cuts_without_a_ring_to_show_ids(chip: str, profile: Profile, seed: int) -> None:
    size = {"tiny": 900, "tiny-ecc": 2500}.get(chip, 3000)
    verdict = walk(
        chip, profile=profile, seed=seed, steps=4000, cut_percent=70, max_picture=size, log_segments=0
    )
    assert not verdict.failure
    assert verdict.cuts > 1000


@pytest.mark.parametrize("chip", ["l4", "nor", "nor-page"])
def test_every_operation_cut_in_every_way(chip: str) -> None:
    size = {"l4": 1 << 14, "nor": 1 << 15, "nor-page": 1 << 16}[chip]
    verdict = exhaust(chip, size=size, steps=50, depth=1, max_picture=2500, slots=24, log_segments=2)
    assert not verdict.failure
    assert verdict.cuts > 500


def test_every_recovery_cut_again() -> None:
    """Every operation of a script, and every one of the recovery from that: no gap, each way to tear."""
    verdict = exhaust("l4", size=1 << 14, steps=24, depth=2, max_picture=2500, slots=24, log_segments=2)
    assert not verdict.failure
    assert verdict.cuts > 10_000


def test_a_third_cut_somewhere() -> None:
    """As above on less, and once more where the recovery from the recovery happens to be."""
    verdict = exhaust("tiny-ecc", size=12 << 10, steps=16, depth=3, max_picture=900, slots=24, log_segments=2)
    assert not verdict.failure
    assert verdict.cuts > 10_000


@pytest.mark.parametrize("seed", range(4))
def test_cut_after_cut_after_cut(seed: int) -> None:
    """Recovery itself is cut, again and again: sampled to any depth."""
    verdict = walk("l4", seed=50 + seed, steps=2000, cut_percent=100, max_picture=3000)
    assert not verdict.failure
    assert verdict.cuts > 300


def test_every_byte_of_one_cycle() -> None:
    """Store, evict, move: cut after each byte of each program."""
    verdict = exhaust(
        "nor", size=1 << 15, steps=60, depth=1, bytes=1, max_picture=3000, slots=24, log_segments=2,
        **{"from": 170, "to": 195},
    )  # fmt: skip
    assert not verdict.failure
    assert verdict.cuts > 26 * 256


def test_counters_near_the_end_of_32_bits() -> None:
    verdict = walk("nor", seed=9, steps=3000, cut_percent=40, first_generation=(1 << 32) - 300)
    assert not verdict.failure
    verdict = walk("nor", seed=9, steps=600, cut_percent=30, first_id=(1 << 32) - 9000)
    assert not verdict.failure
    assert verdict.appended > 100


@pytest.mark.parametrize("how", [bad for bad in Bad if bad != Bad.NOT])
def test_wear_out_to_the_last_segment(how: Bad) -> None:
    """Segments fail one after the other; the store grows smaller and breaks no promise."""
    verdict = walk("l4", seed=3, steps=6000, endurance=12, worn_as=how, max_picture=1500, log_segments=2)
    assert not verdict.failure
    assert verdict.failed >= 8


@pytest.mark.soak
def test_a_million_torn_cuts() -> None:
    cuts = seed = 0
    while cuts < 1_000_000:
        seed += 1
        for chip in (
            "tiny",
            "tiny-ecc",
            "tiny-mixed",
            "l4",
            "nor",
            "nor-page",
            "tiny",
            "tiny-ecc",
            "l4",
            "u5",
        ):
            for profile in Profile:
                small = chip.startswith("tiny")
                verdict = walk(
                    chip, seed=seed, profile=profile, steps=4000, cut_percent=70,
                    max_picture=((300, 900, 2500) if small else (1500, 3000, 6000))[seed % 3],
                    log_segments=(0, 2, 3)[seed // 3 % 3],
                )  # fmt: skip
                assert not verdict.failure
                cuts += verdict.cuts
    print(f"{cuts} cuts")


@pytest.mark.soak
@pytest.mark.parametrize("chip", ["l4", "nor", "tiny", "tiny-ecc", "tiny-mixed"])
def test_depth_two_without_gaps(chip: str) -> None:
    small = chip.startswith("tiny")
    verdict = exhaust(
        chip, size={"l4": 1 << 14, "nor": 1 << 15}.get(chip, 0), steps=60, depth=2,
        max_picture=900 if small else 2500, slots=24, log_segments=2,
    )  # fmt: skip
    assert not verdict.failure
    print(f"{chip}: {verdict.cuts} cuts")


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(1, 9))
def test_depth_three_sampled(seed: int) -> None:
    verdict = exhaust(
        "tiny-ecc", size=12 << 10, steps=30, depth=3, max_picture=900, slots=24, log_segments=2, seed=seed
    )
    assert not verdict.failure
    print(f"{verdict.cuts} cuts")


@pytest.mark.soak
@pytest.mark.parametrize("chip", ["tiny", "l4", "nor"])
def test_a_million_frames(chip: str) -> None:
    """A long life with few cuts: promises, wear and counters after 10^6 frames in all."""
    frames = seed = 0
    while frames < 340_000:
        seed += 1
        verdict = walk(
            chip, seed=seed, profile=seed % 2, steps=1 << 20, cut_percent=2,
            max_picture=900 if chip == "tiny" else 3000,
        )  # fmt: skip
        assert not verdict.failure
        frames += verdict.appended + verdict.refused
    print(f"{chip}: {frames} frames")
