"""What stands behind the first line of defence, each held to account where the first line gives way."""

import random
import struct
import zlib

import pytest
from framekeep_ground.flash_layout import Layout, clean_record, grain_of
from framekeep_ground.flash_records import Record, records
from framekeep_ground.formats import STORE_KIND_COMMIT, STORE_KIND_MARKS, StoreMark, StoreMarks
from framekeep_onboard._fk import ffi, lib
from framekeep_onboard.store import Bad, FlashEmulator, FrameMeta, Store

from tests.store.moments import Life


def layout_of(flash: FlashEmulator) -> Layout:
    segments = tuple(flash.segment(i) for i in range(flash.segment_count))
    return Layout(
        segments, len(segments), grain_of(int(flash.port.program_unit), max(size for _, size in segments))
    )


def found(flash: FlashEmulator, frame_id: int) -> Record:
    """The commit of a frame."""
    layout, image = layout_of(flash), flash.image()
    for number in range(flash.segment_count):
        for record in records(layout.block(image, number), number, layout.grain):
            if record.kind == STORE_KIND_COMMIT and record.head.frame_id == frame_id:
                return record
    raise LookupError(frame_id)


def sealed_mark(segment: int, frame_id: int, lap: int) -> bytes:
    """A whole record that is valid in that segment and says that a frame was deleted."""
    mark = StoreMark.build(dict(frame_id=frame_id, segment=segment, lap=lap))
    nothing = {f"reserved{i}": 0 for i in ("", 2, 3, 4)}
    head = StoreMarks.build(dict(next_id=9, size=len(mark), kind=STORE_KIND_MARKS, **nothing))
    crc = zlib.crc32(head, zlib.crc32(mark, zlib.crc32(struct.pack(">H", segment))))
    return struct.pack(">I", crc) + mark + head


@pytest.mark.parametrize("chip", ["nor", "l4"])
def test_a_picture_that_looks_like_records_is_not_taken_for_them(chip: str) -> None:
    """Beyond a damaged record the next is looked for at every place, but not in known pictures."""

    def three_frames(middle: bytes) -> tuple[FlashEmulator, Store]:
        flash = FlashEmulator(chip, 1 << 15)
        store = Store(flash, slots=8)
        for frame_id, data in enumerate((b"first" * 40, middle, b"last" * 40), 1):
            store.append(FrameMeta(frame_id, 5), data)
        return flash, store

    plain = bytes(i % 251 for i in range(600))
    flash, _ = three_frames(plain)
    first, middle, last = (found(flash, i) for i in (1, 2, 3))
    assert first.segment == middle.segment == last.segment
    grain, (base, size) = layout_of(flash).grain, flash.segment(first.segment)
    block = layout_of(flash).block(flash.image(), first.segment)
    lap = clean_record(block, first.segment, size, grain).erase_count  # type: ignore[union-attr]
    lie = sealed_mark(first.segment, 1, lap & 0xFFFF)
    assert len(lie) % grain == 0
    start = flash.image().index(plain) - base
    lead = -start % grain  # records end where a grain does
    forged = (bytes(lead) + lie * (600 // len(lie))).ljust(600, b"\0")[:600]

    flash, store = three_frames(forged)
    assert [r.place for r in (found(flash, i) for i in (1, 2, 3))] == [r.place for r in (first, middle, last)]
    store.remount()
    assert len(list(store.frames())) == 3
    for bit in (0, 1):  # of the last frame's commit; with an ECC, which corrects one, two
        flash.flip(base + last.place * grain - 12, bit)
    store.remount()
    assert [m.frame_id for m in store.frames()] == [1, 2]
    assert store.read(1) == b"first" * 40 and store.read(2) == forged


@pytest.mark.parametrize("chip", ["tiny", "tiny-ecc", "l4"])
def test_nothing_is_programmed_over_what_an_erase_left(chip: str) -> None:
    """An erase that says it went well is believed only when all of the segment reads as erased."""
    life = Life(chip, 1 << 15 if chip == "l4" else 0)
    life.live(40)
    port = life.flash.port
    chip_programs = port.program
    over: list[int] = []

    @ffi.callback("int(void *, uint32_t, const uint8_t *, uint32_t)")  # type: ignore[untyped-decorator]
    def program(ctx: object, address: int, data: object, size: int) -> int:
        if life.flash.image()[address : address + size] != b"\xff" * size:
            over.append(address)
        return int(chip_programs(ctx, address, data, size))

    for segment in range(0, life.flash.segment_count, 3):
        life.flash.set_bad(segment, Bad.ERASE_LIE)
    port.program = program
    try:
        life.live(60)
    finally:
        port.program = chip_programs
    assert life.store.stats()["retired"] >= 3, "the lies were found out"
    assert not over


def test_forgotten_frames_are_marked_before_they_fill_the_table() -> None:
    """Mount notes marks in the rows that are free: were there none, it would have to read them twice."""
    rnd = random.Random(4)
    slots = 150
    store = Store(FlashEmulator("nor", 1 << 17), slots=slots)
    laid = 0
    for frame_id in range(1, 3000):
        before, evicted = store._c.ghosts, store.stats()["evicted"]
        used = store._c.frames + before
        taken = store.offer(FrameMeta(frame_id, rnd.randrange(64)), rnd.randbytes(rnd.randint(1, 2000)))
        if taken is not None and before >= lib.FK_GHOSTS and used + lib.FK_GHOSTS >= slots > used:
            assert store._c.ghosts <= before - lib.FK_GHOSTS + store.stats()["evicted"] - evicted
            laid += 1
    assert laid


def test_with_the_fewest_spare_segments_hardly_a_frame_goes_before_flash_is_full() -> None:
    """Two segments are won for moves before anything is moved: one that fills up is no dead end."""
    rnd = random.Random(1)
    store = Store(FlashEmulator("tiny-ecc"), slots=400, spare_segments=2)
    early = late = 0
    for frame_id in range(1, 600):
        before, data = store.stats(), rnd.randbytes(rnd.randint(1, 300))
        store.offer(FrameMeta(frame_id, rnd.randrange(64)), data)
        after = store.stats()
        if after["evicted"] + after["refused"] > before["evicted"] + before["refused"]:
            roomy = before["capacity"] - before["bytes"] > 2 * len(data) + 200
            early, late = early + roomy, late + (not roomy)
        if frame_id % 5 == 0:
            store.delete(store.best().frame_id)  # type: ignore[union-attr]
        if frame_id % 50 == 0:
            store.remount()
    assert early * 5 < late and late > 100
