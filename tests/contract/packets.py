"""Packets made by the flight code, for the tests of everything that reads them."""

import zlib
from dataclasses import dataclass, field
from typing import Any

from framekeep_onboard import check
from framekeep_onboard._fk import ffi, lib

KINDS = {
    lib.FK_DECISION_RECORD_SIZE: lib.FK_RECORD_DECISION,
    lib.FK_THUMBNAIL_RECORD_SIZE: lib.FK_RECORD_THUMBNAIL,
    lib.FK_REPORT_RECORD_SIZE: lib.FK_RECORD_REPORT,
}
MODEL_ID = bytes.fromhex("0123456789abcdef")
TIME = (848_664_000 << 16) | 0x8000  # 2026-11-22T12:00:00.5Z


def head(apid: int = lib.FK_APID_RECORDS, sequence: int = 0, message: int = 0, destination: int = 0) -> Any:
    return ffi.new("fk_packet_head *", [apid, sequence, message, destination])


def decision(frame_id: int, **values: Any) -> Any:
    c = ffi.new("fk_decision *", {"frame_id": frame_id, "time": TIME, "model_id": MODEL_ID})
    for name, value in values.items():
        setattr(c, name, value)
    return c


def record(c_decision: Any) -> bytes:
    out = ffi.new("uint8_t[]", lib.FK_DECISION_RECORD_SIZE)
    lib.fk_decision_pack(out, c_decision)
    return bytes(out)


def thumbnail(frame_id: int, pixels: bytes) -> bytes:
    """A thumbnail's record."""
    out = ffi.new("uint8_t[]", lib.FK_THUMBNAIL_RECORD_SIZE)
    ffi.memmove(lib.fk_thumbnail_pack(out, TIME, frame_id), pixels, 192)
    return bytes(out)


def report(sequence: int, subtype: int, error: int = 0) -> bytes:
    """The record of what became of a telecommand to APID 100."""
    out = ffi.new("uint8_t[]", lib.FK_REPORT_RECORD_SIZE)
    fields = {"time": TIME, "frame_id": 6, "packet_id": 0x1864, "sequence": 0xC000 | sequence}
    lib.fk_report_pack(out, ffi.new("fk_report *", fields | {"subtype": subtype, "error": error}))
    return bytes(out)


def decision_packet(c_head: Any, c_decision: Any) -> bytes:
    out = ffi.new("uint8_t[]", 80)
    return bytes(
        out[
            0 : check(
                lib.fk_packet_record_encode(out, 80, c_head, lib.FK_RECORD_DECISION, record(c_decision))
            )
        ]
    )


def frame_packet(c_head: Any, frame: dict[str, Any], chunk_size: int) -> bytes:
    out = ffi.new("uint8_t[]", 80)
    c = ffi.new("fk_downlink_frame *", frame)
    return bytes(out[0 : check(lib.fk_packet_frame_encode(out, 80, c_head, c, chunk_size))])


def chunk_packet(c_head: Any, chunk: dict[str, Any], data: bytes) -> bytes:
    cap = lib.FK_CHUNK_PACKET_REST + len(data)
    out = ffi.new("uint8_t[]", cap)
    c = ffi.new("fk_packet_chunk *", chunk)
    return bytes(out[0 : check(lib.fk_packet_chunk_encode(out, cap, c_head, c, data, len(data)))])


@dataclass
class Source:
    """A fake store: records and frames in memory, given out as the flight code asks."""

    records: list[bytes] = field(default_factory=list)
    frames: list[dict[str, Any]] = field(default_factory=list)  # fk_downlink_frame, best first
    pictures: dict[int, bytes] = field(default_factory=dict)
    sent: list[int] = field(default_factory=list)
    fail: dict[str, int] = field(default_factory=dict)  # function name -> the error it returns
    calls: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        def guard(name: str, work: Any) -> Any:
            def call(_ctx: Any, *args: Any) -> int:
                self.calls.append(name)
                return self.fail[name] if name in self.fail else int(work(*args))

            return call

        def give_record(out: Any) -> int:
            if self.records:
                ffi.memmove(out, self.records[0], len(self.records[0]))
            return KINDS[len(self.records[0])] if self.records else 0

        def record_sent() -> int:
            del self.records[0]
            return 0

        def give_frame(out: Any) -> int:
            waiting = [f for f in self.frames if f["frame_id"] not in self.sent]
            if waiting:
                ffi.memmove(out, ffi.new("fk_downlink_frame *", waiting[0]), ffi.sizeof("fk_downlink_frame"))
            return bool(waiting)

        def find(frame_id: int, out: Any) -> int:
            known = [f for f in self.frames if f["frame_id"] == frame_id and frame_id in self.pictures]
            if not known:
                return int(lib.FK_ERR_NOENT)
            ffi.memmove(out, ffi.new("fk_downlink_frame *", known[0]), ffi.sizeof("fk_downlink_frame"))
            return 0

        def read(frame_id: int, offset: int, out: Any, size: int) -> int:
            if frame_id not in self.pictures:
                return lib.FK_ERR_NOENT
            data = self.pictures[frame_id][offset : offset + size]
            ffi.memmove(out, data, len(data))
            return len(data)

        def frame_sent(frame_id: int) -> int:
            self.sent.append(frame_id)
            return 0 if frame_id in self.pictures else lib.FK_ERR_NOENT

        work = [give_record, record_sent, give_frame, find, read, frame_sent]
        names = ["record", "record_sent", "frame", "find", "read", "frame_sent"]
        types = [
            "int(void*, uint8_t*)",
            "int(void*)",
            "int(void*, fk_downlink_frame*)",
            "int(void*, uint32_t, fk_downlink_frame*)",
            "int(void*, uint32_t, uint32_t, uint8_t*, uint32_t)",
            "int(void*, uint32_t)",
        ]
        self.callbacks = [
            ffi.callback(t, guard(n, w)) for t, n, w in zip(types, names, work, strict=True)
        ]  # kept: cffi frees a callback that nobody holds
        self.c = ffi.new("fk_downlink_source *", [ffi.NULL, *self.callbacks])

    def add(self, frame_id: int, picture: bytes, **values: Any) -> None:
        """A frame of interest that waits to be sent."""
        self.pictures[frame_id] = picture
        frame = {
            "frame_id": frame_id,
            "time": TIME,
            "model_id": MODEL_ID,
            "size": len(picture),
            "crc32": zlib.crc32(picture),
        }
        self.frames.append(
            frame | {"part": [0, 0, 160, 120], "frame_width": 160, "frame_height": 120} | values
        )


class Downlink:
    """The flight code's downlink over a Source."""

    def __init__(
        self, source: Source, chunk_size: int = 200, counters: Any = ffi.NULL, **config: int
    ) -> None:
        values = {"apid_records": 100, "apid_images": 101, "chunk_size": chunk_size} | config
        self.source, self.config = source, ffi.new("fk_downlink_config *", values)
        self.q = ffi.new("fk_downlink *")
        check(lib.fk_downlink_init(self.q, source.c, self.config, counters))
        self.cap = lib.fk_downlink_packet_max(self.config)
        self.packet = ffi.new("uint8_t[]", self.cap)

    def next(self) -> bytes:
        """The next packet, empty when none waits; raises FkError."""
        return bytes(self.packet[0 : check(lib.fk_downlink_next(self.q, self.packet, self.cap))])

    def resend(self, frame_id: int, first: int, last: int) -> int:
        return int(lib.fk_downlink_resend(self.q, frame_id, first, last))

    def all(self) -> list[bytes]:
        """Every packet that waits."""
        return list(iter(self.next, b""))
