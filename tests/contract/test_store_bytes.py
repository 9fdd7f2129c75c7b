"""The store's records: what the flight code writes, what is declared, what the document shows."""

import re
import zlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from construct import Construct
from framekeep_ground import flash_layout, formats
from framekeep_ground.flash_store import read
from framekeep_onboard._fk import ffi, lib
from framekeep_onboard.store import CHIPS, FlashEmulator, FrameMeta, Store

SPEC = (Path(__file__).resolve().parents[2] / "docs/SPEC.md").read_text(encoding="utf-8")
MODEL_ID = bytes.fromhex("0123456789abcdef")
TIME = 0x329595C08000  # 2026-11-22T12:00:00.5Z


def test_the_flight_codes_numbers_are_the_declared_ones() -> None:
    """Those that a header or a type needs; all others come from the generated wire.h."""
    numbers = {
        "FK_END": formats.StoreChunk.sizeof(),
        "FK_RECORD": formats.STORE_RECORD_MIN,
        "FK_EXTENT": formats.StoreExtent.sizeof(),
        "FK_MARK": formats.StoreMark.sizeof(),
        "FK_MARKS": formats.STORE_LOG_MAX // formats.StoreMark.sizeof(),
        "FK_META": formats.StoreMeta.sizeof(),
        "FK_STORE_CHUNK_MAX": formats.STORE_CHUNK_MAX,
        "FK_STORE_CHUNKS_MAX": formats.STORE_EXTENTS_MAX,
        "FK_STORE_LOG_MAX": formats.STORE_LOG_MAX,
        "FK_STORE_SEGMENTS_MIN": flash_layout.SEGMENTS_MIN,
    }
    assert {name: getattr(lib, name) for name in numbers} == numbers


def sealed(body: bytes, segment: int) -> bytes:
    """A record that ends with `body`, from its CRC on."""
    return zlib.crc32(body, zlib.crc32(segment.to_bytes(2, "big"))).to_bytes(4, "big") + body


def same(struct: Construct, data: bytes, values: dict[str, Any]) -> None:
    parsed = struct.parse(data)
    assert {name: parsed[name] for name in values} == values
    assert struct.build(parsed) == data[: struct.sizeof()]


SEGMENT = 2048


def last_kind(image: bytes, segment: int) -> int:
    """The kind of the first record below the clean record."""
    return image[segment * SEGMENT + SEGMENT - 24 - 1]


def test_every_record_of_the_flight_code_is_as_declared() -> None:
    flash = FlashEmulator("l4", 1 << 14)  # eight segments of 2048 bytes, grain 8
    store = Store(flash, slots=16, log_segments=2)
    picture = bytes(range(200))
    meta = FrameMeta(
        0x01020304, 0x0506, time=0x0708090A0B0C, class_index=0x0D, score=0x0E, tag=0x0F,
        box=(0x1011, 0x1213, 0x1415, 0x1617), model_id=MODEL_ID,
    )  # fmt: skip
    store.append(meta, picture)
    store.mark_sent(meta.frame_id)
    store.sync()
    store.log_append(b"decision")
    image = flash.image()

    [start] = [n for n in range(8) if last_kind(image, n) == formats.STORE_KIND_COMMIT]
    block = image[start * SEGMENT : (start + 1) * SEGMENT]
    same(
        formats.StoreClean,
        block[-20:],
        {
            "erase_count": 1, "reserved": 0, "next_id": 0x01020305, "size_log2": 11, "grain_log2": 3,
            "segment_count": 8, "magic": 0x464B, "version": 1, "kind": 0x0F,
        },
    )  # fmt: skip
    assert sealed(block[-20:], start) == block[-24:]
    stream = block[: 34 + 200]
    same(
        formats.StoreMeta,
        stream,
        {
            "time": 0x0708090A0B0C, "picture_crc32": zlib.crc32(picture), "value": 0x0506,
            "class_index": 0x0D, "score": 0x0E, "tag": 0x0F, "reserved": 0, "model_id": MODEL_ID,
        },
    )  # fmt: skip
    box = formats.StoreMeta.parse(stream).box
    assert (box.x, box.y, box.width, box.height) == (0x1011, 0x1213, 0x1415, 0x1617)
    assert stream[34:] == picture
    commit = block[-48:-24]
    same(
        formats.StoreChunk,
        commit[4:],
        {
            "frame_id": 0x01020304, "place": 0, "value": 0x0506, "class_index": 0x0D, "flags": 0,
            "copy_number": 0, "payload_crc32": zlib.crc32(stream), "length": 234, "number": 0, "kind": 0x3C,
        },
    )  # fmt: skip
    assert sealed(commit[4:], start) == commit
    assert set(block[240:-48]) == {0xFF}

    [marked] = [n for n in range(8) if last_kind(image, n) == formats.STORE_KIND_MARKS]
    marks = image[marked * SEGMENT : (marked + 1) * SEGMENT][-24 - 32 : -24]
    same(formats.StoreMark, marks[4:], {"frame_id": 0x01020304, "segment": 0x8000 | start, "lap": 1})
    same(formats.StoreMarks, marks[12:], {"next_id": 0x01020305, "size": 8, "kind": 0x55})
    assert sealed(marks[4:], marked) == marks
    [ring] = [n for n in range(8) if last_kind(image, n) == formats.STORE_KIND_LOG]
    log = image[ring * SEGMENT : (ring + 1) * SEGMENT][-24 - 32 : -24]
    end = bytes.fromhex("00000000 00000000 01020305 00000000 0008 00 5a")
    assert log == sealed(b"decision" + end, ring)
    same(
        formats.StoreLog,
        log[12:],
        {"number": 0, "sent_below": 0, "next_id": 0x01020305, "size": 8, "kind": 0x5A},
    )


def test_a_frame_of_many_chunks_lists_them() -> None:
    flash = FlashEmulator("l4", 1 << 15)
    store = Store(flash, slots=16)
    picture = bytes(i * 7 & 0xFF for i in range(5000))
    store.append(FrameMeta(9, 1), picture)
    image = flash.image()
    full = [n for n in range(16) if last_kind(image, n) == formats.STORE_KIND_FULL]
    [tail] = [n for n in range(16) if last_kind(image, n) == formats.STORE_KIND_COMMIT]
    room = SEGMENT - 24 - 24  # beside the clean record and the chunk's own
    assert len(full) == 2
    record = image[(tail + 1) * SEGMENT - 24 - 24 - 16 : (tail + 1) * SEGMENT - 24]
    assert sealed(record[4:], tail) == record
    commit = formats.StoreChunk.parse(record[-20:])
    assert (commit.number, commit.length) == (2, 34 + 5000 - 2 * room)
    stream = b""
    for number in range(2):
        extent = formats.StoreExtent.parse(record[4 + 8 * number :])
        assert (extent.place, extent.lap, extent.length) == ((SEGMENT - 24) // 8, 1, room)
        chunk = formats.StoreChunk.parse(image[(extent.segment + 1) * SEGMENT - 24 - 20 :])
        assert (chunk.frame_id, chunk.number, chunk.length, chunk.kind) == (9, number, room, 0x66)
        piece = image[extent.segment * SEGMENT : extent.segment * SEGMENT + room]
        assert zlib.crc32(piece) == chunk.payload_crc32
        stream += piece
    stream += image[tail * SEGMENT : tail * SEGMENT + commit.length]
    assert stream[34:] == picture


def example() -> tuple[bytes, bytes]:
    """The worked example: the hex at the start of its indented lines, from the start and at the end."""
    text = SPEC.split("### A store worked by hand")[1].split("\n## ")[0]
    start, end = (
        bytes.fromhex("".join(re.findall(r"^    ((?:[0-9a-f]{4} ?)+) {2,}\S", part, re.M)))
        for part in text.split("and at its end")
    )
    return start, end


def region() -> bytes:
    """The worked example where the text puts it: segment 1 of eight, all else FF."""
    image = bytearray(b"\xff" * 8192)
    start, end = example()
    image[1024 : 1024 + len(start)] = start
    image[2048 - len(end) : 2048] = end
    return bytes(image)


def test_the_worked_example_is_what_its_text_says() -> None:
    layout = flash_layout.find(region())
    assert layout is not None
    assert (layout.count, layout.grain, layout.segments[1]) == (8, 8, (1024, 1024))
    contents = read(region(), layout)
    [frame] = contents.frames
    assert (frame.frame_id, frame.status, frame.value) == (7, "whole", 51400)
    assert (frame.class_index, frame.score, frame.sent) == (1, 200, False)
    assert (
        frame.time
        == (datetime(2026, 11, 22, 12, 0, 0, 500_000, tzinfo=UTC).timestamp() - 946_684_800) * 65536
    )
    assert (frame.box, frame.model_id) == ((16384, 8192, 32768, 24576), MODEL_ID)
    assert frame.picture.hex() == "ffd8ffd9"
    assert [s.state for s in contents.segments] == ["blank", "live", *["blank"] * 6]
    assert contents.segments[1].wear == 1


def test_the_flight_code_mounts_the_worked_example() -> None:
    flash = ffi.new("fk_flash *")
    image = region()

    @ffi.callback("int(void *, uint32_t, uint8_t *, uint32_t)")
    def from_image(_: Any, address: int, out: Any, size: int) -> int:
        ffi.memmove(out, image[address : address + size], size)
        return 0

    flash.segment_size, flash.segment_count, flash.program_unit, flash.read = 1024, 8, 8, from_image
    segments, slots = ffi.new("fk_store_segment[8]"), ffi.new("fk_store_slot[4]")
    config = ffi.new("fk_store_config *")
    config.flash, config.segments, config.slots, config.slot_count = flash, segments, slots, 4
    store, meta = ffi.new("fk_store *"), ffi.new("fk_frame_meta *")
    assert lib.fk_store_mount(store, config) == 0
    assert lib.fk_store_list(store, 0, meta) == 1
    assert (meta.frame_id, meta.value, meta.score, meta.time) == (7, 51400, 200, TIME)
    out = ffi.new("uint8_t[4]")
    assert lib.fk_store_read(store, 7, 0, out, 4) == 4
    assert bytes(out) == bytes.fromhex("ffd8ffd9")


@pytest.mark.parametrize("chip", CHIPS)
def test_the_grounds_chips_are_the_emulators(chip: str) -> None:
    flash = FlashEmulator(chip)
    banks, unit = flash_layout.CHIPS[chip]
    sizes = [flash.segment(n)[1] for n in range(flash.segment_count)]
    count = flash.segment_count
    assert sizes == [size for size, number in banks for _ in range(number or count)][: len(sizes)]
    assert flash.port.program_unit == unit
    assert set(flash_layout.CHIPS) == set(CHIPS)
