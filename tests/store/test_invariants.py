"""What the store promises, a test for each promise. The promises are tried harder elsewhere in this folder
(`test_cuts.py` a million times, `test_rot.py` bit by bit); here each stands alone, by its name."""

import contextlib
import itertools
import random
import struct
import zlib
from collections import Counter
from typing import Any

import pytest
from framekeep_ground.flash_layout import Layout, grain_of
from framekeep_ground.flash_records import records
from framekeep_ground.formats import STORE_KIND_COMMIT, StoreClean
from framekeep_onboard import FkError
from framekeep_onboard._fk import ffi, lib
from framekeep_onboard.store import CHIPS, FlashEmulator, FrameMeta, Profile, Quota, Store, Tear

from tests.store.model import Model
from tests.store.moments import Life
from tests.store.rot import Kind, Rotten
from tests.store.trial import walk

SMALL = ["tiny", "tiny-ecc", "tiny-mixed"]
SIZES = {"nor": 1 << 16, "nor-page": 1 << 16, "l4": 1 << 15, "u5": 1 << 17, "h7": 1 << 20}


def rank(meta: FrameMeta) -> tuple[bool, int, int]:
    """The least goes first."""
    return (not meta.sent, meta.value, meta.frame_id)


# ---- power


def commits(flash: FlashEmulator) -> Counter[int]:
    """Commit records on flash by frame id, whether they count or not."""
    segments = tuple(flash.segment(i) for i in range(flash.segment_count))
    grain = grain_of(int(flash.port.program_unit), max(size for _, size in segments))
    layout, image = Layout(segments, len(segments), grain), flash.image()
    found: Counter[int] = Counter()
    for number in range(len(segments)):
        for record in records(layout.block(image, number), number, grain):
            if record.kind == STORE_KIND_COMMIT:
                found[record.head.frame_id] += 1
    return found


@pytest.mark.parametrize("profile", list(Profile))
@pytest.mark.parametrize("chip", SMALL)
def test_acknowledged_frames_are_bit_exact_after_any_cut_until_evicted_by_a_call_that_started(
    chip: str, profile: Profile
) -> None:
    life = Life(chip, profile=profile)
    life.live(60)
    life.reset()
    cuts = 0
    for value in (0, 32, 63, 63):
        new, data = life.frame(value)
        for store, _ in life.cut_everywhere(lambda s, new=new, data=data: s.offer(new, data)):  # type: ignore[misc]
            found = life.shows_whole_frames(store)
            for i, (meta, _) in life.model.frames.items():
                if i not in found:
                    assert rank(meta) < rank(new), "only a lesser frame may go for the one in progress"
            cuts += 1
        life.model.offer(life.store, new, data)
    for call in (Store.sync, Store.idle, lambda s: s.log_append(b"x" * 30)):
        uncut = life.mount(life.flash.copy())
        call(uncut)  # a ring record may have to evict where nothing is left to move to
        may_go = sorted(life.model.frames, key=life.model.key)[: uncut.stats()["evicted"]]
        for store, _ in life.cut_everywhere(call):
            assert set(life.model.frames) - life.shows_whole_frames(store) <= set(may_go)
            cuts += 1
    assert cuts > 100


@pytest.mark.parametrize("chip", SMALL)
def test_never_half_a_frame(chip: str) -> None:
    """The frame in flight and what follows it, cut after each byte of each program: all of it, or none."""
    life = Life(chip, max_picture=700)
    life.live(40)
    life.reset()
    new, data = life.frame(value=64)
    whole = none = 0
    for store, _ in life.cut_everywhere(lambda s: (s.append(new, data), s.idle()), byte_of=256):
        if new.frame_id in store:
            assert store.read(new.frame_id) == data
            assert store.find(new.frame_id).size == len(data)
            whole += 1
        else:
            assert new.frame_id not in {m.frame_id for m in store.frames()}
            with pytest.raises(FkError, match="FK_ERR_NOENT"):
                store.read(new.frame_id, 0, 1)
            none += 1
    assert whole > 0 and none > 256


@pytest.mark.parametrize("chip", SMALL)
def test_never_half_a_frame_of_those_whose_erase_was_cut(chip: str) -> None:
    """An erase cut short may leave a commit and a part of what it lists. It takes thousands of cuts for one
    to be found, so the walker makes them, and reads whatever is listed after each."""
    cuts = 0
    for seed in range(1, 6):
        verdict = walk(
            chip,
            seed=seed,
            steps=4000,
            cut_percent=80,
            max_picture=2500 if seed % 2 and chip != "tiny-mixed" else 900,
        )
        assert not verdict.failure
        cuts += verdict.cuts
    assert cuts > 4000


@pytest.mark.parametrize("profile", list(Profile))
@pytest.mark.parametrize("chip", SMALL)
def test_old_or_new_during_a_move_never_both_never_neither(chip: str, profile: Profile) -> None:
    life = Life(chip, 24 << 10, profile=profile, seed=2, max_picture=300)
    cuts = doubled = 0
    for _ in range(900):
        life.live(4)
        life.reset()
        new, data = life.frame(value=64)
        probe = life.mount(life.flash.copy())
        probe.offer(new, data)
        if probe.stats()["moved"] == 0 or probe.stats()["evicted"] > 0:
            continue
        for store, flash in life.cut_everywhere(lambda s, new=new, data=data: s.append(new, data)):  # type: ignore[misc]
            cuts += 1
            listed = [m.frame_id for m in store.frames()]
            assert set(life.model.frames) <= set(listed), "neither"
            assert len(listed) == store.stats()["frames"] == len(set(listed)), "both"
            physical = commits(flash)
            for i in [i for i in listed if physical[i] > 1][:1]:
                doubled += 1
                store.delete(i)
                for k in range(3 * (doubled % 4)):  # until the mark may have gone, and the other copy not
                    store.append(FrameMeta(new.frame_id + 1 + k, 65), bytes(200))
                    if k % 3 == 2:
                        store.remount()
                store.remount()
                assert i not in store, "the other copy stands in for a deleted frame"
        if cuts > 150 and doubled > 20:
            return
    pytest.fail(f"{cuts} cuts within a move, {doubled} with both copies on flash: too few to say")


def test_deleted_frames_stay_deleted_after_any_cut() -> None:
    life = Life("tiny", seed=3)
    life.live(60)
    life.reset()
    gone = list(life.model.frames)[:2]
    for frame_id in gone:
        life.model.delete(life.store, frame_id)
    for call in (Store.idle, lambda s: s.offer(*life.frame(64)), Store.sync):
        for store, _ in life.cut_everywhere(call):
            assert not life.model.deleted & {m.frame_id for m in store.frames()}


@pytest.mark.parametrize("profile", list(Profile))
def test_what_is_marked_sent_stays_so_when_it_is_moved(profile: Profile) -> None:
    """Its mark names the old commit and goes with it: the new one has to say so itself."""
    rnd = random.Random(3)
    store = Store(FlashEmulator("tiny"), slots=200, profile=profile, wear_spread=2)
    ids = itertools.count(1)

    def another() -> int:
        meta = FrameMeta(next(ids), 9)
        store.append(meta, rnd.randbytes(rnd.randint(1, 300)))
        return meta.frame_id

    others = []
    while store.stats()["bytes"] < store.stats()["capacity"] * 2 // 3:
        others.append(another())
    sent = set(others[::3])
    others = [i for i in others if i not in sent]
    for i in sent:
        store.mark_sent(i)
    store.sync()
    for _ in range(10):
        for _ in range(40):
            store.delete(others.pop(rnd.randrange(len(others))))
            others.append(another())
        assert store.stats()["moved"] > 0 == store.stats()["evicted"]
        store.remount()
        assert {m.frame_id for m in store.frames() if m.sent} == sent


@pytest.mark.parametrize("profile", list(Profile))
@pytest.mark.parametrize("chip", ["tiny", "tiny-ecc"])
def test_the_highest_id_is_never_given_out_again(chip: str, profile: Profile) -> None:
    """Its frame goes first, for the next one after a mount, whose erases are cut."""
    life = Life(chip, profile=profile, max_picture=500, log_segments=0)
    for _ in range(30):
        life.store.offer(*life.frame())
    highest, cuts = 1 << 20, 0
    for _ in range(24):
        highest += 1
        life.offered[highest] = b"highest"
        while life.store.offer(FrameMeta(highest, 0), life.offered[highest]) is None:
            life.store.delete(next(life.store.frames()).frame_id)
            life.store.sync()
        new, data = life.frame(64)
        for store, _ in life.cut_everywhere(lambda s, new=new, data=data: s.offer(new, data)):  # type: ignore[misc]
            assert store.next_id > highest
            cuts += 1
        for _ in range(6):
            life.store.offer(*life.frame(64))
        life.store.remount()
    assert cuts > 500


@pytest.mark.parametrize("chip", ["tiny", "tiny-ecc"])
def test_the_highest_id_is_never_given_out_again_where_all_was_made_ready(chip: str) -> None:
    """No erase was needed since its frame came: the first is that of the frame's own segment."""
    highest, cuts = 1000, 0
    for seed in range(4):
        for operation in range(40):
            rnd = random.Random(seed)
            flash = FlashEmulator(chip, seed=seed)
            store = Store(flash, slots=64, profile=Profile.CHAIN)
            for i in range(1, 60):
                store.offer(FrameMeta(i, rnd.randrange(1, 64)), rnd.randbytes(rnd.randint(1, 500)))
            while store.idle():
                pass
            store.append(FrameMeta(highest, 0), b"x")
            flash.cut(operation, Tear.PARTLY, rnd.randrange(256))
            with contextlib.suppress(FkError):
                for i in range(60, 64):
                    store.offer(FrameMeta(i, 64), bytes(700))
            if flash.powered:
                break
            flash.power_on()
            store.remount()
            assert store.next_id > highest
            cuts += 1
    assert cuts > 50


@pytest.mark.parametrize("chip", [*SMALL, *CHIPS])
def test_no_unit_is_programmed_twice(chip: str) -> None:
    """The emulator refuses a second program of a unit, whatever was cut before, and it counts."""
    life = Life(chip, SIZES.get(chip, 0), max_picture=900 if chip in SMALL else 6000)
    unit = int(life.flash.port.program_unit)
    for _ in range(60 if chip in SMALL else 20):
        life.flash.cut(life.rnd.randrange(30), life.rnd.choice(list(Tear)))
        try:
            for _ in range(8):
                life.store.offer(*life.frame())
                life.store.log_append(b"a record of the ring")
                life.store.idle()
        except FkError:
            assert not life.flash.powered
        life.flash.power_on()
        life.store.remount()
    assert life.flash.counters()["refused"] == 0
    programmed = next(a for a in range(0, life.flash.size, unit) if life.flash._c.units[a // unit] == 1)
    with pytest.raises(FkError):
        life.flash.program(programmed, b"\0" * unit)
    assert life.flash.counters()["refused"] == 1


# ---- mount


def snapshot(store: Store) -> tuple[Any, ...]:
    """All that can be seen of a store."""
    seen = tuple(store.frames()), store.best(), store.next_id, tuple(store.stats().items())
    store.log_rewind()
    ring = []
    while (record := store.log_next()) is not None:
        ring.append(record)
    return (*seen, tuple(ring))


@pytest.mark.parametrize("chip", [*SMALL, *CHIPS])
def test_mount_never_writes_and_is_idempotent(chip: str) -> None:
    life = Life(chip, SIZES.get(chip, 0), max_picture=900 if chip in SMALL else 6000)
    for tear in [t for t in Tear if t != Tear.PARTLY or chip not in SMALL] * 4:
        life.flash.cut(life.rnd.randrange(25), tear)
        for _ in range(10):
            try:
                life.store.offer(*life.frame())
                life.store.log_append(b"a record of the ring")
            except FkError:
                break
        life.flash.power_on()
        operations, image = life.flash.operations, life.flash.image()
        first = snapshot(life.mount(life.flash))
        assert life.flash.operations == operations and life.flash.image() == image
        if 2 not in [life.flash._c.unsettled[i] for i in range(life.flash.segment_count)]:
            assert snapshot(life.mount(life.flash)) == first  # else its cells read differently each time
        life.store.remount()


@pytest.mark.parametrize("profile", list(Profile))
@pytest.mark.parametrize("chip", SMALL)
def test_mount_in_steps_equals_mount(chip: str, profile: Profile) -> None:
    life = Life(chip, profile=profile)
    life.live(70)
    whole = snapshot(life.mount(life.flash))
    for step in (1, 2, 5, 1000):
        life.store.mount_begin()
        for _ in itertools.count():
            before = life.flash.counters()
            more = life.store.mount_step(step)
            spent = life.flash.counters()
            assert spent["programs"] == before["programs"] and spent["erases"] == before["erases"]
            if not more:
                break
        assert snapshot(life.store) == whole


# ---- damage


@pytest.mark.parametrize("chip", ["tiny", "tiny-ecc"])
def test_any_single_flipped_bit_is_detected_or_corrected(chip: str) -> None:
    decay = Rotten(chip, 12 << 10, seed=5).sweep(Kind.BIT, step=13)
    assert not decay.failure
    assert decay.corrected > 0 if chip == "tiny-ecc" else decay.lost > 0
    assert decay.lost == 0 or chip == "tiny"


@pytest.mark.parametrize("chip", ["nor", "nor-page", "tiny-mixed"])
def test_no_wrong_payload_is_ever_returned_as_good(chip: str) -> None:
    """One flipped bit in each byte of one picture: no read hands out a wrong byte, in whatever pieces."""
    flash = FlashEmulator(chip, SIZES.get(chip, 0))
    store = Store(flash, slots=8)
    data = random.Random(4).randbytes(700)
    store.append(FrameMeta(1, 5), data)
    at = flash.image().index(data[:64])
    rnd = random.Random(5)
    for byte in range(len(data)):
        flash.flip(at + byte, byte % 8)
        store.remount()
        with pytest.raises(FkError):
            store.read(1, rnd.randrange(700), rnd.randrange(1, 700))
        assert store.stats()["damaged"] == 1
        flash.flip(at + byte, byte % 8)
        store.remount()
        assert store.read(1) == data
        flash.flip(at + byte, byte % 8)  # behind the back of a store that has read it once
        out = ffi.new("uint8_t[700]")
        assert lib.fk_store_read(store._c, 1, 0, out, 700) == lib.FK_ERR_CORRUPT and not any(out)
        with pytest.raises(FkError, match="NOENT"):
            store.read(1)  # asks first what is known of the frame, which lies in the same chunk
        flash.flip(at + byte, byte % 8)


# ---- value


@pytest.mark.parametrize("profile", list(Profile))
@pytest.mark.parametrize("chip", ["nor", "l4", "tiny", "tiny-mixed"])
def test_eviction_never_removes_a_higher_value_while_a_lower_evictable_one_remains(
    chip: str, profile: Profile
) -> None:
    """`Model.offer` compares after each call, sent frames and refused ones included."""
    life = Life(chip, SIZES.get(chip, 0), profile=profile, max_picture=900 if chip in SMALL else 6000)
    for i in range(300):
        life.model.offer(life.store, *life.frame())
        if i % 5 == 0 and (best := life.store.best()) is not None:
            life.store.mark_sent(best.frame_id)
            meta, data = life.model.frames[best.frame_id]
            life.model.frames[best.frame_id] = life.store.find(meta.frame_id), data
    assert life.store.stats()["evicted"] > 30 and life.store.stats()["refused"] > 0


def test_of_equal_value_the_older_goes_first() -> None:
    life = Life("tiny", max_picture=500)
    for _ in range(100):
        life.store.append(*life.frame(value=7))
    kept = [m.frame_id for m in life.store.frames()]
    assert kept == list(range(101 - len(kept), 101))
    assert life.store.best() == life.store.find(kept[0]), "and is sent first"


@pytest.mark.parametrize("seed", range(3))
def test_floors_and_ceilings_hold_under_pressure(seed: int) -> None:
    rnd = random.Random(seed)
    quotas = [Quota(0, floor=3000), Quota(1, ceiling=2500), Quota(2, floor=1500, ceiling=4000)]
    flash = FlashEmulator("tiny", 24 << 10)
    store = Store(flash, slots=64, quotas=quotas)
    sizes: dict[int, int] = {}
    held = Counter[int]()
    full = 0
    settled: set[int] = set()  # a reset brings forgotten frames back: the next of their class sends them off
    for frame_id in range(1, 400):
        meta = FrameMeta(frame_id, rnd.randrange(32), class_index=rnd.choice((0, 1, 1, 2, 3, 3, 3)))
        sizes[frame_id] = rnd.randint(50, 900)
        before = {m.frame_id: m for m in store.frames()}
        if store.offer(meta, rnd.randbytes(sizes[frame_id])) is not None:
            settled.add(meta.class_index)
        after = {m.frame_id: m for m in store.frames()}
        gone = [m for i, m in before.items() if i not in after]
        held = Counter()
        for m in after.values():
            held[m.class_index] += m.size
        for quota in quotas:
            if quota.ceiling and quota.class_index in settled:
                assert held[quota.class_index] <= quota.ceiling
        was = Counter[int]()
        for m in before.values():
            was[m.class_index] += m.size
        for quota in quotas:
            c = quota.class_index
            if c != meta.class_index and any(m.class_index == c for m in gone):
                assert held[c] >= quota.floor, "pushed below its floor by another class"
        lost = [m for m in gone if m.class_index != meta.class_index]
        for m in lost:
            for stays in after.values():
                floor = next((q.floor for q in quotas if q.class_index == stays.class_index), 0)
                guarded = (
                    stays.class_index != meta.class_index and held[stays.class_index] - stays.size < floor
                )
                assert rank(stays) > rank(m) or guarded or stays.frame_id == frame_id
        full += bool(gone)
        if frame_id % 50 == 0:
            store.remount()
            settled.clear()
    assert full > 60 and held[0] > 0


# ---- wear and bounds


@pytest.mark.parametrize("profile", list(Profile))
@pytest.mark.parametrize(
    "chip, size, spread, slack", [("tiny", 32 << 10, 8, 4), ("tiny-ecc", 16 << 10, 4, 4)]
)
def test_erase_counts_stay_within_the_stated_spread(
    chip: str, size: int, spread: int, slack: int, profile: Profile
) -> None:
    """Half of the flash holds frames that never go, the other half is written over and over. One erase in
    eight is for levelling, so that where many segments fall behind at once the last has to wait a little."""
    life = Life(
        chip,
        size,
        profile=profile,
        wear_spread=spread,
        slots=300,
        max_picture=500 if chip == "tiny" else 4000,
    )
    for _ in range(size // life.max_picture // 2):
        life.store.append(*life.frame(value=65535))
    for _ in range(6):
        for _ in range(500):
            life.store.append(*life.frame(value=7))
        wear = life.flash.wear()
        assert max(wear) - min(wear) <= spread + slack, sorted(wear)
    assert min(wear) > spread, "the cold half has moved"
    report = life.store.stats()
    assert (report["wear_min"], report["wear_max"]) == (min(wear), max(wear))


@pytest.mark.parametrize("levelling", [0, 1])
def test_what_has_lain_still_goes_to_the_most_worn_what_is_new_to_the_least(levelling: int) -> None:
    life = Life("tiny", profile=Profile.CHAIN, wear_spread=1000)
    life.live(300)
    while life.store.idle():
        pass
    store, wear, head = life.store._c, life.flash.wear(), ffi.new("fk_store_head *")
    clean = [i for i in range(len(wear)) if store.segments[i].live == lib.FK_STATE_CLEAN]
    assert len({wear[i] for i in clean}) > 1
    store.levelling = levelling
    assert lib.fk_store_open(store, head) == 0
    assert wear[head.segment] == (max if levelling else min)(wear[i] for i in clean)


# ---- counters


def clean_region(flash: FlashEmulator, erases: int, next_id: int) -> bytes:
    """An empty store whose counters have come far: clean records, made by the ground's format."""
    image = bytearray(b"\xff" * flash.size)
    grain = grain_of(
        int(flash.port.program_unit), max(flash.segment(i)[1] for i in range(flash.segment_count))
    )
    for number in range(flash.segment_count):
        address, size = flash.segment(number)
        body = StoreClean.build(
            dict(
                magic=0x464B, version=1, kind=0x0F, erase_count=(erases + number) & 0xFFFFFFFF, reserved=0,
                next_id=next_id, size_log2=size.bit_length() - 1, grain_log2=grain.bit_length() - 1,
                segment_count=flash.segment_count,
            )
        )  # fmt: skip
        crc = zlib.crc32(body, zlib.crc32(struct.pack(">H", number)))
        image[address + size - len(body) - 4 : address + size] = struct.pack(">I", crc) + body
    return bytes(image)


@pytest.mark.parametrize("chip", SMALL)
def test_counters_preset_near_the_end_of_32_bits(chip: str) -> None:
    """Erase counts pass 2^32, ids end at 2^32 - 1, and nothing is lost on the way."""
    life = Life(chip, max_picture=600)
    last = (1 << 32) - 1
    life.flash.load(clean_region(life.flash, erases=last - 10, next_id=last - 400))
    life.store.remount()
    assert life.store.next_id == last - 400
    life.next_id = life.store.next_id
    for turn in range(20):
        life.live(20)
        if turn % 3 == 0:
            life.reset()
        life.flash.cut(life.rnd.randrange(6), life.rnd.choice(list(Tear)))
        new, data = life.frame(value=64)
        evictable = dict(life.model.frames)
        try:
            life.store.append(new, data)
        except FkError:
            assert not life.flash.powered
        life.flash.power_on()
        life.store.remount()
        found = {m.frame_id for m in life.store.frames()}
        life.model.forgotten[new.frame_id] = new, data
        for i in set(evictable) - found:
            life.model.forgotten[i] = life.model.frames.pop(i)
        life.model.check_after_reset(life.store)
        if life.next_id > last - 30:
            break
    assert max(life.flash.wear()) > 12, "erase counts have wrapped"
    life.store.append(FrameMeta(last, 65535), b"the last there is")
    assert life.store.next_id == 0
    life.store.remount()
    assert life.store.next_id == 0 and life.store.read(last) == b"the last there is"


def test_the_numbers_of_ring_records_pass_2_to_the_32() -> None:
    flash = FlashEmulator("tiny", 16 << 10)
    store = Store(flash, log_segments=3)
    first = (1 << 32) - 75
    store._c.log_next = store._c.log_sent = store._c.log_given = first
    for number in range(90):
        store.log_append(bytes([number]) * 40)
        if number % 30 == 29:
            store.remount()
    assert store._c.log_next == 15, "the numbers have passed it"
    got = []
    while (record := store.log_next()) is not None:
        got.append(record[0])
    assert got == list(range(90 - len(got), 90)) and 20 < len(got) < 90


def test_of_ring_records_each_is_waiting_or_lost_or_sent() -> None:
    store = Store(FlashEmulator("tiny"), log_segments=2)
    sent = 0
    for number in range(1, 400):
        store.log_append(bytes(40))
        if number % 90 == 0:
            sent += store.log_next() is not None
        if number % 45 == 0:  # every other time, what was given out last is long dropped
            store.log_sent()
        report = store.stats()
        assert report["log_waiting"] + report["log_lost"] + sent == number
    assert report["log_lost"] > 200


# ---- RAM


class Guarded:
    """A store whose memory lies between bytes that nobody may touch."""

    GUARD = 64

    def __init__(self, flash: FlashEmulator, slots: int) -> None:
        self.parts = []
        cfg = ffi.new("fk_store_config *")
        cfg.flash, cfg.slot_count, cfg.log_segments = flash.port, slots, 2
        cfg.segments = self._room("fk_store_segment", flash.segment_count)
        cfg.slots = self._room("fk_store_slot", slots)
        self.cfg, self.c = cfg, self._room("fk_store", 1)

    def _room(self, kind: str, count: int) -> Any:
        size = count * int(ffi.sizeof(kind))
        memory = ffi.new("uint8_t[]", b"\xa5" * (size + 2 * self.GUARD))
        self.parts.append((memory, size))
        return ffi.cast(f"{kind} *", memory + self.GUARD)

    def intact(self) -> bool:
        guard = b"\xa5" * self.GUARD
        return all(
            bytes(ffi.buffer(m, self.GUARD)) == guard == bytes(ffi.buffer(m + self.GUARD + n, self.GUARD))
            for m, n in self.parts
        )


@pytest.mark.parametrize("slots", [1, 2, 40])
def test_ram_is_constant(slots: int) -> None:
    """The caller's arrays are all there is: full tables and full flash write nothing beside them, nor
    beside what is read. (That there is no heap is seen in the objects: tests/onboard/check_builds.py.)"""
    flash = FlashEmulator("tiny")
    g = Guarded(flash, slots)
    assert lib.fk_store_mount(g.c, g.cfg) == 0
    rnd = random.Random(6)
    out = ffi.new("uint8_t[]", 1100)
    for frame_id in range(1, 400):
        data = rnd.randbytes(rnd.randint(1, 900))
        meta = ffi.new("fk_frame_meta *", dict(frame_id=frame_id, value=rnd.randrange(99)))
        code = lib.fk_store_append(g.c, meta, data, len(data))
        assert code >= 0 or code == -4
        if code >= 0:
            ffi.memmove(out, b"\x5a" * 1100, 1100)
            n = rnd.randint(0, 1000)
            assert lib.fk_store_read(g.c, frame_id, 0, out, n) == min(n, len(data))
            assert bytes(ffi.buffer(out, min(n, len(data)))) == data[:n]
            assert set(bytes(ffi.buffer(out + n, 1100 - n))) == {0x5A}
        lib.fk_store_log_append(g.c, data[:240], len(data[:240]))
        if frame_id % 7 == 0:
            lib.fk_store_delete(g.c, frame_id)
        if frame_id % 11 == 0:
            lib.fk_store_mark_sent(g.c, frame_id - 1)
            assert lib.fk_store_mount(g.c, g.cfg) == 0
        assert g.intact()


def test_the_model_itself_notices() -> None:
    """The dictionary is no rubber stamp: a store that forgets a frame by itself fails it."""
    life = Life("tiny")
    life.live(20)
    life.store.delete(next(iter(life.model.frames)))
    with pytest.raises(AssertionError):
        life.model.check(life.store)
    assert isinstance(life.model, Model)
