"""Quotas across resets: what had gone may be back and exceed a ceiling, and nothing acknowledged pays for it.

A ceiling cannot be applied at mount: a frame that comes back may be worth more than one that was acknowledged
since, and which of them is to go only a call that started may decide.
"""

import random
from collections import Counter

import pytest
from framekeep_onboard import FkError
from framekeep_onboard.store import FlashEmulator, FrameMeta, Quota, Store, Tear

from tests.store.model import Model
from tests.store.pictures import picture

QUOTAS = (Quota(0, floor=3000), Quota(1, ceiling=2500), Quota(2, floor=1500, ceiling=4000))


def held(store: Store) -> Counter[int]:
    """Bytes of pictures by class."""
    found = Counter[int]()
    for meta in store.frames():
        found[meta.class_index] += meta.size
    return found


@pytest.mark.parametrize("cuts", [False, True])
@pytest.mark.parametrize("chip", ["tiny", "tiny-ecc", "l4"])
def test_a_ceiling_exceeded_by_a_reset_ends_with_the_next_frame_taken(chip: str, cuts: bool) -> None:
    rnd = random.Random(7)
    flash = FlashEmulator(chip, 24 << 10, seed=7)
    store = Store(flash, slots=64, quotas=list(QUOTAS))
    model = Model()
    settled: set[int] = set()  # classes of which a frame was taken since the last reset
    ended = Counter[bool]()  # resets by whether they left a class above its ceiling
    pushed = 0

    for frame_id in range(1, 900):
        meta = FrameMeta(frame_id, rnd.randrange(32), class_index=rnd.choice((0, 1, 1, 2, 3, 3)))
        data = picture(frame_id, rnd.randint(50, 900))
        before = {m.frame_id: m for m in store.frames()}
        was = held(store)
        model.forgotten[frame_id] = meta, data  # until it is acknowledged it may be there or not
        if cuts and rnd.random() < 0.1:
            flash.cut(rnd.randrange(12), rnd.choice(list(Tear)))
        try:
            taken = store.offer(meta, data) is not None
        except FkError:
            assert not flash.powered
            taken = False
        if not flash.powered:  # frames of less worth may have gone for it already
            for i in [i for i in model.frames if model.frames[i][0].value <= meta.value]:
                model.forgotten[i] = model.frames.pop(i)
        else:
            flash.power_on()  # a cut that did not come is taken back
            after = {m.frame_id for m in store.frames()}
            for i in set(model.frames) - after:
                model.forgotten[i] = model.frames.pop(i)
            new = model.forgotten.pop(frame_id)
            if taken:
                model.frames[frame_id] = new
                settled.add(meta.class_index)
            now = held(store)
            gone = Counter(m.class_index for i, m in before.items() if i not in after)
            for quota in QUOTAS:
                c = quota.class_index
                if quota.ceiling and c in settled:
                    assert now[c] <= quota.ceiling
                if quota.ceiling and was[c] > quota.ceiling and not taken:
                    assert now[c] <= was[c], "above its ceiling it grows no further"
                if c != meta.class_index and gone[c]:
                    assert now[c] >= quota.floor, "pushed below its floor by another class"
                    pushed += 1
        if rnd.random() < 0.04:
            best = store.best() if flash.powered else None
            if best is not None:
                model.delete(store, best.frame_id)
        if not flash.powered or rnd.random() < 0.05:
            flash.power_on()
            store.remount()
            model.check_after_reset(store)
            settled.clear()
            now = held(store)
            ended[any(q.ceiling and now[q.class_index] > q.ceiling for q in QUOTAS)] += 1
    assert ended[True] > 5 and ended[False] > 0 and pushed > 20
