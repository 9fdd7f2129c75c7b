"""Each packet: C, construct, hex worked by hand, and other people's packet libraries agree."""

import io

import ccsdspy
import pytest
from framekeep_ground import command, formats, layout
from framekeep_onboard._fk import ffi, lib
from spacepackets.ecss.tc import PusTc
from spacepackets.ecss.tm import PusTm

from tests.contract.agree import agree, crc_by_stdlib
from tests.contract.packets import (
    MODEL_ID,
    TIME,
    chunk_packet,
    decision,
    decision_packet,
    frame_packet,
    head,
    report,
    thumbnail,
)

# The standards say. CCSDS 133.0-B-2, 4.1.3: version 000, type 0, secondary header 1, APID 11 bits;
# sequence flags 11 = 0xC000 | count; length = bytes after the primary header - 1.
# ECSS-E-ST-70-41C, 7.4.3.1: PUS version 2, time status 0; service; subtype; counter; destination; time.
# CCSDS 301.0-B-4, 3.2.2: P-field 0 010 11 10 = agency epoch, 4 + 2 octets = 0x2E.
# 848,664,000 s = 0x329595C0; a half = 0x8000.

DECISION_FIELDS = {
    "frame_id": 7,
    "size": 4242,
    "value": 51400,
    "reason": 0,
    "class_index": 1,
    "score": 200,
    "mean": 112,
    "contrast": 131,
    "error": -3,
    "box": {"x": 16384, "y": 8192, "width": 32768, "height": 24576},
    "model_id": MODEL_ID,
}
DECISION_HEX = """
    0864 c005 002f  20 80 01 0009 0002  2e 329595c0 8000
    00000007 00001092 c8c8 00 01 c8 70 83 fd  4000 2000 8000 6000  0123456789abcdef
"""

FRAME_FIELDS = {
    "frame_id": 7,
    "size": 4242,
    "crc32": 0xCBF43926,
    "width": 160,
    "height": 120,
    "left": 1000,
    "top": 700,
    "frame_width": 1280,
    "frame_height": 820,
    "value": 51400,
    "class_index": 1,
    "score": 200,
    "box": {"x": 16384, "y": 8192, "width": 32768, "height": 24576},
    "model_id": MODEL_ID,
    "chunk_size": 200,
    "chunk_count": 22,
}
FRAME_HEX = """
    0865 ffff 0041  20 80 02 ffff 0000  2e 329595c0 8000
    00000007 00001092 cbf43926 00a0 0078
    03e8 02bc 0500 0334 c8c8 01 c8  4000 2000 8000 6000  0123456789abcdef 00c8 00000016
"""

THUMBNAIL_HEX = f"""
    0864 c003 00d3  20 80 04 0001 0000  2e 329595c0 8000
    00000007 {bytes(range(192)).hex()}
"""

REPORT_HEX = """
    0864 c006 0019  20 80 05 0002 0000  2e 329595c0 8000
    00000006 1864 c007 41 fb
"""

CHUNK_HEX = """
    0865 c000 0020  20 80 03 0000 0000  2e 329595c0 8000
    00000007 00001090 00001092  ffd9313233
"""


def header(  # noqa: PLR0917
    apid: int, sequence: int, length: int, subtype: int, message: int, destination: int
) -> dict[str, int]:
    return {
        "packet_id": 0x0800 | apid,
        "sequence": 0xC000 | sequence,
        "length": length,
        "pus": 0x20,
        "service": 128,
        "subtype": subtype,
        "message": message,
        "destination": destination,
        "p_field": 0x2E,
        "time": TIME,
    }


def crc_of(packet: bytes) -> dict[str, int]:
    return {"crc16": int.from_bytes(packet[-2:], "big")}


def test_a_count_beyond_14_bits_does_not_reach_the_flags() -> None:
    within = decision_packet(head(sequence=5), decision(**DECISION_FIELDS))
    assert decision_packet(head(sequence=16384 + 5), decision(**DECISION_FIELDS)) == within
    assert decision_packet(head(sequence=0xFFFF), decision(**DECISION_FIELDS))[2:4] == b"\xff\xff"


def test_decision_packet() -> None:
    expected = crc_by_stdlib(DECISION_HEX)
    agree(
        formats.DecisionPacket,
        decision_packet(head(100, 5, 9, 2), decision(**DECISION_FIELDS)),
        {"header": header(100, 5, 47, 1, 9, 2), "data": DECISION_FIELDS, "trailer": crc_of(expected)},
        expected,
    )


def test_frame_packet() -> None:
    expected = crc_by_stdlib(FRAME_HEX)
    place = ("left", "top", "width", "height")
    described = {k: v for k, v in FRAME_FIELDS.items() if not k.startswith("chunk") and k not in place}
    described |= {"time": TIME, "part": [1000, 700, 160, 120]}
    agree(
        formats.FramePacket,
        frame_packet(head(101, 0x3FFF, 0xFFFF), described, 200),
        {"header": header(101, 0x3FFF, 65, 2, 0xFFFF, 0), "data": FRAME_FIELDS, "trailer": crc_of(expected)},
        expected,
    )


def test_thumbnail_packet() -> None:
    expected = crc_by_stdlib(THUMBNAIL_HEX)
    out = ffi.new("uint8_t[]", lib.FK_THUMBNAIL_PACKET_SIZE)
    record = thumbnail(7, bytes(range(192)))
    size = lib.fk_packet_record_encode(out, len(out), head(100, 3, 1), lib.FK_RECORD_THUMBNAIL, record)
    agree(
        formats.ThumbnailPacket,
        bytes(out[0:size]),
        {
            "header": header(100, 3, 211, 4, 1, 0),
            "data": {"frame_id": 7, "pixels": bytes(range(192))},
            "trailer": crc_of(expected),
        },
        expected,
    )


def test_chunk_packet() -> None:
    expected = crc_by_stdlib(CHUNK_HEX)
    chunk = {"frame_id": 7, "offset": 4240, "size": 4242}
    agree(
        formats.ChunkPacket,
        chunk_packet(head(101), chunk | {"time": TIME}, b"\xff\xd9123"),
        {
            "header": header(101, 0, 32, 3, 0, 0),
            "data": chunk,
            "bytes": b"\xff\xd9123",
            "trailer": crc_of(expected),
        },
        expected,
    )


def test_report_packet() -> None:
    expected = crc_by_stdlib(REPORT_HEX)
    out = ffi.new("uint8_t[]", lib.FK_REPORT_PACKET_SIZE)
    size = lib.fk_packet_record_encode(
        out, len(out), head(100, 6, 2), lib.FK_RECORD_REPORT, report(7, 65, error=-5)
    )
    command = {"command_id": 0x1864, "command_sequence": 0xC007, "command_subtype": 65}
    agree(
        formats.ReportPacket,
        bytes(out[0:size]),
        {
            "header": header(100, 6, 25, 5, 2, 0),
            "data": {"frame_id": 6} | command | {"error": -5},
            "trailer": crc_of(expected),
        },
        expected,
    )


@pytest.mark.parametrize(
    ("wanted", "subtype", "data_hex"),
    [
        (command.ping(), 64, ""),
        (command.resend(7, 400, 799), 65, "00000007 00000190 0000031f"),
        (command.resend(7), 65, "00000007 00000000 ffffffff"),
        (command.delete(258), 66, "00000102"),
        (command.policy(b"FKPO"), 67, "464b504f"),
    ],
)
def test_spacepackets_writes_the_same_commands(
    wanted: command.Telecommand, subtype: int, data_hex: str
) -> None:
    theirs = PusTc(128, subtype, apid=100, seq_count=9, app_data=bytes.fromhex(data_hex), ack_flags=0)
    assert wanted.packet(100, 9) == bytes(theirs.pack())


def test_a_record_comes_back_as_it_went_in() -> None:
    before = decision(**DECISION_FIELDS)
    out = ffi.new("uint8_t[]", lib.FK_DECISION_RECORD_SIZE)
    after = ffi.new("fk_decision *")
    lib.fk_decision_pack(out, before)
    lib.fk_decision_unpack(after, out)
    for name in DECISION_FIELDS.keys() - {"box", "model_id"} | {"time"}:
        assert getattr(after, name) == getattr(before, name), name
    assert bytes(after.model_id) == MODEL_ID
    assert (after.box.x, after.box.y, after.box.width, after.box.height) == (16384, 8192, 32768, 24576)


def test_a_record_lies_unchanged_in_its_packet() -> None:
    packet = decision_packet(head(), decision(**DECISION_FIELDS))
    parsed = formats.DecisionRecord.parse(packet[14:52])
    assert parsed.time == TIME
    assert parsed.decision.value == 51400


@pytest.mark.parametrize("hex_before_crc", [DECISION_HEX, FRAME_HEX, CHUNK_HEX, THUMBNAIL_HEX, REPORT_HEX])
def test_spacepackets_reads_every_packet(hex_before_crc: str) -> None:
    packet = crc_by_stdlib(hex_before_crc)
    tm = PusTm.unpack(packet, timestamp_len=7)  # raises on a wrong CRC, version or length
    parsed = formats.TmHeader.parse(packet)
    assert tm.apid == parsed.packet_id & 0x7FF
    assert tm.seq_count == parsed.sequence & 0x3FFF
    assert (tm.service, tm.message_subtype) == (128, parsed.subtype)
    assert tm.pus_tm_sec_header.message_counter == parsed.message
    assert tm.pus_tm_sec_header.dest_id == parsed.destination
    assert tm.timestamp == packet[13:20]
    assert tm.source_data == packet[20:-2]


def test_ccsdspy_reads_the_columns_that_the_declaration_names() -> None:
    packets = [
        decision_packet(head(100, n, n), decision(n, value=1000 + n, score=n, error=-n)) for n in range(20)
    ]
    columns = [
        ccsdspy.PacketField(f.name, "int" if f.type == "i8" else "uint", bit_length=8 * int(f.size or 0))
        for f in layout.fields(formats.DecisionPacket)
        if not f.nested and f.offset >= 6 and f.type != "bytes"
    ]
    before_model_id = next(i for i, c in enumerate(columns) if c._name == "trailer_crc16")
    columns.insert(
        before_model_id, ccsdspy.PacketArray(name="model_id", data_type="uint", bit_length=8, array_shape=8)
    )
    table = ccsdspy.FixedLength(columns).load(io.BytesIO(b"".join(packets)), include_primary_header=True)
    assert table["CCSDS_APID"].tolist() == [100] * 20
    assert table["CCSDS_SEQUENCE_COUNT"].tolist() == list(range(20))
    assert table["data_frame_id"].tolist() == list(range(20))
    assert table["data_value"].tolist() == [1000 + n for n in range(20)]
    assert table["data_error"].tolist() == [-n for n in range(20)]
    assert table["header_time"].tolist() == [TIME] * 20
    assert bytes(table["model_id"][3].astype("uint8")) == MODEL_ID
