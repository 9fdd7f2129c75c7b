"""The store against a dictionary, on every chip, without power cuts."""

import random

import pytest
from framekeep_onboard import FkError
from framekeep_onboard.store import CHIPS, Bad, FlashEmulator, FrameMeta, Profile, Store

from tests.store.model import Model

SMALL = {"nor": 1 << 18, "nor-page": 1 << 18, "l4": 1 << 17, "u5": 1 << 18, "h7": 2 << 20, "f4": 0}


def life(store: Store, flash: FlashEmulator, model: Model, seed: int, frames: int) -> None:
    rnd = random.Random(seed)
    for i in range(store.next_id, store.next_id + frames):
        data = rnd.randbytes(rnd.randint(1, 9000))
        model.offer(store, FrameMeta(i, rnd.randrange(256), time=i << 16, score=i % 256), data)
        if rnd.random() < 0.2 and model.frames:
            best = store.best()
            assert best is not None
            unsent = [(m.value, -k) for k, (m, _) in model.frames.items() if not m.sent]
            assert (best.value, -best.frame_id) == max(unsent)
            model.delete(store, best.frame_id)
        if rnd.random() < 0.05:
            while store.idle():
                pass
        if rnd.random() < 0.03:
            store.remount()
            model.check_after_reset(store)
    model.check(store)
    assert flash.counters()["refused"] == 0, "an operation that the chip refuses"


@pytest.mark.parametrize("profile", list(Profile))
@pytest.mark.parametrize("chip", CHIPS)
def test_store_equals_a_dictionary(chip: str, profile: Profile) -> None:
    flash = FlashEmulator(chip, SMALL[chip])
    store = Store(flash, slots=600, profile=profile)
    model = Model()
    life(store, flash, model, seed=7, frames=400)
    assert len(model.frames) > 3
    assert store.stats()["damaged"] == 0


def test_meta_is_kept_whole() -> None:
    store = Store(FlashEmulator("nor", 1 << 16), slots=16)
    meta = FrameMeta(
        9, value=65535, time=0x123456789ABC, class_index=3, score=200, tag=7,
        box=(1, 2, 65535, 4), model_id=bytes(range(8)),
    )  # fmt: skip
    store.append(meta, b"x" * 5000)
    store.remount()
    got = store.find(9)
    assert got == FrameMeta(
        9, value=65535, size=5000, time=0x123456789ABC, class_index=3, score=200, tag=7,
        box=(1, 2, 65535, 4), model_id=bytes(range(8)),
    )  # fmt: skip


def test_read_gives_any_range() -> None:
    rnd = random.Random(1)
    store = Store(FlashEmulator("nor", 1 << 18), slots=16)
    data = rnd.randbytes(20000)
    store.append(FrameMeta(1, 5), data)
    for _ in range(200):
        offset, n = rnd.randrange(20001), rnd.randrange(9000)
        assert store.read(1, offset, n) == data[offset : offset + n]


@pytest.mark.parametrize("frame_id, size", [(0, 10), (1, 0), (2, 300000)])
def test_append_refuses_what_cannot_be(frame_id: int, size: int) -> None:
    store = Store(FlashEmulator("nor", 1 << 18), slots=16)
    with pytest.raises(FkError, match="FK_ERR_INVAL"):
        store.append(FrameMeta(frame_id, 5), bytes(size))


@pytest.mark.parametrize("count", [0, 1, 2])
def test_banks_that_leave_segments_out_are_refused(count: int) -> None:
    flash = FlashEmulator("f4")
    assert flash.port.bank_count > 2, "a chip of mixed segments"
    Store(flash, slots=16)
    flash.port.bank_count = count
    assert flash.segment(flash.segment_count - 1)[1] == 0
    with pytest.raises(FkError, match="FK_ERR_INVAL"):
        Store(flash, slots=16)


def test_a_pass_ends_though_no_mark_can_be_written() -> None:
    """A flash that is worn out still sends each of its pictures once; after a reset some come again."""
    flash = FlashEmulator("nor", 1 << 17)
    store = Store(flash, slots=32)
    for frame_id in range(1, 21):
        store.append(FrameMeta(frame_id, frame_id), bytes(1000))
    for segment in range(flash.segment_count):
        flash.set_bad(segment, Bad.PROGRAM)
    sent = []
    while (best := store.best()) is not None and len(sent) < 40:
        sent.append(best.frame_id)
        store.mark_sent(best.frame_id)
    assert sent == list(range(20, 0, -1))
    store.remount()
    assert {meta.frame_id for meta in store.frames()} == set(range(1, 21))


def test_an_id_is_kept_once() -> None:
    store = Store(FlashEmulator("nor", 1 << 18), slots=16)
    store.append(FrameMeta(4, 5), b"first")
    with pytest.raises(FkError, match="FK_ERR_INVAL"):
        store.append(FrameMeta(4, 9), b"second")
    assert store.read(4) == b"first"


def test_a_deletion_lasts_though_the_frame_could_not_be_read() -> None:
    flash = FlashEmulator("nor", 1 << 17)
    store = Store(flash, slots=16)
    store.append(FrameMeta(1, 5), bytes(4000))  # a segment to itself
    store.append(FrameMeta(2, 6), b"stays")
    flash.set_bad(store._slots[0].segment, Bad.READ)
    store.delete(1)
    flash.set_bad(store._slots[0].segment, Bad.NOT)
    store.remount()
    assert 1 not in store
    assert store.read(2) == b"stays"


def test_a_retired_segment_stays_so_after_a_reset() -> None:
    flash = FlashEmulator("nor", 1 << 17)
    store = Store(flash, slots=64)
    flash.set_bad(3, Bad.ERASE)
    for frame_id in range(1, 60):
        store.offer(FrameMeta(frame_id, frame_id), bytes(9000))
    assert store.stats()["retired"] == 1
    flash.set_bad(3, Bad.NOT)
    store.remount()
    assert store.stats()["retired"] == 1
    erased = flash.wear()[3]
    for frame_id in range(60, 120):
        store.offer(FrameMeta(frame_id, frame_id), bytes(9000))
    assert flash.wear()[3] == erased


def test_the_first_append_after_a_mount_erases_only_what_it_needs() -> None:
    """What was erased ahead is not trusted after the next mount: a camera awake
    for one picture would wear its flash for nothing."""
    store = Store(FlashEmulator("nor", 1 << 17), profile=Profile.CHAIN, slots=400)
    rnd = random.Random(6)
    for frame_id in range(1, 100):
        store.append(FrameMeta(frame_id, 9), rnd.randbytes(3900))  # a segment
    store.remount()
    erases = []
    for frame_id in range(100, 103):
        store.append(FrameMeta(frame_id, 9), rnd.randbytes(3900))
        erases.append(store.stats()["erases"] - sum(erases))
    assert erases[0] == 1 < erases[1], "the second wins some ahead"
