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
    sizes = {
        "FK_CLEAN_SIZE": formats.StoreClean,
        "FK_CHUNK_HEADER": formats.StoreChunk,
        "FK_COMMIT_FIXED": formats.StoreCommit,
        "FK_EXTENT_SIZE": formats.StoreExtent,
        "FK_MARKS_FIXED": formats.StoreMarks,
        "FK_MARK_SIZE": formats.StoreMark,
        "FK_LOG_FIXED": formats.StoreLog,
    }
    assert {name: getattr(lib, name) for name in sizes} == {n: s.sizeof() for n, s in sizes.items()}
    numbers = {
        "FK_STORE_FORMAT": formats.STORE_VERSION,
        "FK_STORE_MAGIC": formats.STORE_MAGIC,
        "FK_KIND_CLEAN": formats.STORE_KIND_CLEAN,
        "FK_KIND_CHUNK": formats.STORE_KIND_CHUNK,
        "FK_KIND_COMMIT": formats.STORE_KIND_COMMIT,
        "FK_KIND_MARKS": formats.STORE_KIND_MARKS,
        "FK_KIND_LOG": formats.STORE_KIND_LOG,
        "FK_CRC_SIZE": formats.STORE_CRC,
        "FK_RECORD_MIN": formats.STORE_RECORD_MIN,
        "FK_PLACE_MASK": formats.STORE_PLACES_MAX - 1,
        "FK_STORE_CHUNK_MAX": formats.STORE_CHUNK_MAX,
        "FK_STORE_CHUNKS_MAX": formats.STORE_EXTENTS_MAX,
        "FK_MARKS_RECORD": formats.STORE_MARKS_MAX,
        "FK_STORE_LOG_MAX": formats.STORE_LOG_MAX,
        "FK_MARK_SENT": formats.STORE_MARK_SENT,
        "FK_MARK_DELETED": formats.STORE_MARK_DELETED,
        "FK_MARK_RETIRED": formats.STORE_MARK_RETIRED,
        "FK_MARK_IDS": formats.STORE_MARK_IDS,
        "FK_STORE_SEGMENTS_MIN": flash_layout.SEGMENTS_MIN,
    }
    assert {name: getattr(lib, name) for name in numbers} == numbers


def sealed(body: bytes, segment: int) -> bytes:
    return body + zlib.crc32(body, zlib.crc32(segment.to_bytes(2, "big"))).to_bytes(4, "big")


def same(struct: Construct, data: bytes, values: dict[str, Any]) -> None:
    parsed = struct.parse(data)
    assert {name: parsed[name] for name in values} == values
    assert struct.build(parsed) == data[: struct.sizeof()]


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

    [start] = [n for n in range(8) if image[n * 2048 + 24] == formats.STORE_KIND_CHUNK]
    block = image[start * 2048 : start * 2048 + 2048]
    same(
        formats.StoreClean,
        block,
        {
            "magic": 0x464B, "version": 1, "kind": 0x0F, "erase_count": 1, "next_id": 0x01020305,
            "size_log2": 11, "grain_log2": 3, "segment_count": 8,
        },
    )  # fmt: skip
    assert sealed(block[:20], start) == block[:24]
    chunk = block[24:]
    same(
        formats.StoreChunk,
        chunk,
        {
            "kind": 0x33, "number": 0, "length": 200, "frame_id": 0x01020304, "offset": 0,
            "payload_crc32": zlib.crc32(picture),
        },
    )  # fmt: skip
    assert sealed(chunk[:20], start) == chunk[:24]
    assert chunk[24:224] == picture
    commit = block[24 + 224 :]
    same(
        formats.StoreCommit,
        commit,
        {
            "kind": 0x3C, "extent_count": 1, "value": 0x0506, "frame_id": 0x01020304, "size": 200,
            "picture_crc32": zlib.crc32(picture), "time": 0x0708090A0B0C, "class_index": 0x0D,
            "score": 0x0E, "model_id": MODEL_ID, "flags": 0, "tag": 0x0F, "reserved": 0,
        },
    )  # fmt: skip
    box = formats.StoreCommit.parse(commit).box
    assert (box.x, box.y, box.width, box.height) == (0x1011, 0x1213, 0x1415, 0x1617)
    same(formats.StoreExtent, commit[48:], {"segment": start, "place": 3, "lap": 1, "length": 200})
    assert sealed(commit[:56], start) == commit[:60]
    marks = commit[64:]
    assert marks[0] == formats.STORE_KIND_MARKS, "eight segments: marks go where they fit"
    same(formats.StoreMarks, marks, {"kind": 0x55, "count": 1, "reserved": 0})
    generation = formats.StoreCommit.parse(commit).generation
    place = (24 + 224) // 8
    same(
        formats.StoreMark,
        marks[8:],
        {"frame_id": 0x01020304, "generation": generation, "segment": start, "type_place": place},
    )
    assert sealed(marks[:20], start) == marks[:24]
    [ring] = [n for n in range(8) if image[n * 2048 + 24] == formats.STORE_KIND_LOG]
    log = image[ring * 2048 + 24 : ring * 2048 + 24 + 28]
    assert log == sealed(bytes.fromhex("5a080000 00000000 00000000 01020305") + b"decision", ring)
    same(
        formats.StoreLog, log, {"kind": 0x5A, "size": 8, "number": 0, "sent_below": 0, "next_id": 0x01020305}
    )


def example() -> bytes:
    """The worked example: the hex at the start of its indented lines."""
    lines = re.findall(
        r"^    ((?:[0-9a-f]{4} )+) {2,}\S",
        SPEC.split("### A store worked by hand")[1].split("\n## ")[0],
        re.M,
    )
    return bytes.fromhex("".join(lines))


def region() -> bytes:
    """The worked example where the text puts it: segment 1 of eight, all else FF."""
    image = bytearray(b"\xff" * 8192)
    image[1024 : 1024 + len(example())] = example()
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
