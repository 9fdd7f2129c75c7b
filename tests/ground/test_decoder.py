"""Any part of a downlink shows what it can, and nothing wrong as right."""

import io
import itertools
import random
import zlib

import numpy as np
import pytest
from framekeep_ground import formats
from framekeep_ground.decoder import Decoder
from framekeep_ground.packets import Chunk, Scanner, chunks, columns
from framekeep_ground.reassembly import Reassembly
from framekeep_ground.sequence import uncovered
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.contract.agree import crc_by_stdlib
from tests.contract.packets import Downlink, Source, decision, decision_packet, head, record
from tests.ground.downlinks import sent, spoilt
from tests.reference.walk_packets import walk


def decoded(data: bytes, piece: int = 1 << 20) -> tuple[Decoder, dict[int, bytes]]:
    pictures: dict[int, bytes] = {}

    def keep(picture, whole):  # type: ignore[no-untyped-def]
        assert picture.frame_id not in pictures, "handed out twice"
        pictures[picture.frame_id] = whole

    decoder = Decoder(keep)
    for at in range(0, len(data), piece):
        decoder.feed(data[at : at + piece])
    decoder.feed(b"", last=True)
    return decoder, pictures


@pytest.mark.parametrize(
    ("spans", "holes"),
    [
        ([], [(0, 9)]),
        ([(0, 10)], []),
        ([(1, 5), (6, 10)], [(0, 0), (5, 5)]),  # holes of one byte are holes
        ([(3, 8), (0, 4), (0, 2)], [(8, 9)]),
    ],
)
def test_every_byte_that_nothing_covers_is_missing(
    spans: list[tuple[int, int]], holes: list[tuple[int, int]]
) -> None:
    assert uncovered(spans, 10) == holes


def test_a_chunk_that_reaches_past_its_picture_is_left_out() -> None:
    pictures = Reassembly()
    assert pictures.add(Chunk(7, 8, 10, 0, b"abc")) is None
    assert (pictures.impossible, pictures.pictures) == (1, {})
    assert pictures.add(Chunk(7, 8, 10, 0, b"ab")) is not None


def test_records_that_contradict_each_other_are_counted() -> None:
    def packets(*scores: int, sequence: int = 0) -> bytes:
        return b"".join(
            decision_packet(head(sequence=sequence + n), decision(n, score=score))
            for n, score in enumerate(scores)
        )

    one, other = packets(10, 20, 30), packets(10, 21, 31)
    for data, expected in (
        (one, 0),
        (one + one, 0),
        (one + packets(10, 20, 30, sequence=70), 0),  # again after a reset: another count, the same record
        (one + other, 2),
        (one + other + one + other, 2),
        (one + other + packets(11, 21, 32), 4),
    ):
        assert decoded(data)[0].contradictions() == expected


def test_a_whole_downlink_gives_every_picture_and_every_record() -> None:
    decoder, pictures = decoded(b"".join(sent().packets))
    assert pictures == sent().pictures
    assert decoder.decisions()["data_frame_id"].tolist() == [0, 1, 2, 3, 4, 5]
    assert decoder.decisions()["data_value"].tolist() == [0, 100, 200, 300, 400, 500]
    assert decoder.gaps() == []


def test_reversed_and_doubled_gives_the_same() -> None:
    _, pictures = decoded(b"".join(sent().packets[::-1] * 2))
    assert pictures == sent().pictures


@settings(max_examples=150, deadline=None)
@given(spoilt())
def test_nothing_that_was_not_sent_is_shown_as_right(data: bytes) -> None:
    decoder, pictures = decoded(data)
    for frame_id, whole in pictures.items():
        assert whole == sent().pictures[frame_id]
    for packet in decoder.decisions():
        assert packet.tobytes()[14:52] == sent().records[int(packet["data_frame_id"])]
    for picture in decoder.pictures():
        original = sent().pictures[picture.frame_id]
        assert picture.size == len(original)
        assert all(original[at : at + len(part)] == part for at, part in picture.known())


@settings(max_examples=40, deadline=None)
@given(spoilt(), st.integers(1, 400))
def test_the_scanner_finds_what_the_reference_finds_however_the_input_is_cut(data: bytes, piece: int) -> None:
    piece = max(piece, len(data) // 100)
    scanner = Scanner()
    found, decisions, infos, parts = [], [], [], []
    for at in range(0, len(data) + 1, piece):
        batch = scanner.feed(data[at : at + piece], last=at + piece > len(data))
        spans = zip(batch.starts.tolist(), batch.ends.tolist(), strict=True)
        found += [(start + batch.position, end + batch.position) for start, end in spans]
        decisions += columns(batch, 1, formats.DecisionPacket).tolist()
        infos += columns(batch, 2, formats.FramePacket).tolist()
        parts += chunks(batch)
    expected = walk(data)
    assert found == [(start, end) for start, end, _ in expected]
    contents = [parsed for _, _, parsed in expected]
    for rows, subtype, at in ((decisions, 1, 10), (infos, 2, 10)):
        # columns up to `time` are those of the header, then come those of the data
        want = [
            (p.data.frame_id, p.data.size, p.trailer.crc16) for p in contents if p.header.subtype == subtype
        ]
        assert [(row[at], row[at + 1], row[-1]) for row in rows] == want
    assert [(c.frame_id, c.offset, c.size, c.time, c.data) for c in parts] == [
        (p.data.frame_id, p.data.offset, p.data.size, p.header.time, p.bytes)
        for p in contents
        if p.header.subtype == 3
    ]


def test_every_column_equals_what_construct_reads() -> None:
    rng = random.Random(7)
    packets = []
    for n in range(50):
        values = {
            "size": rng.getrandbits(32),
            "value": rng.getrandbits(16),
            "error": rng.randrange(-128, 128),
        }
        values |= {k: rng.getrandbits(8) for k in ("reason", "class_index", "score", "mean", "contrast")}
        c = decision(rng.getrandbits(32), box=[rng.getrandbits(16) for _ in range(4)], **values)
        c.time = rng.getrandbits(48)
        packets.append(Downlink(Source(records=[record(c)]), apid_records=n).next())
    table = columns(Scanner().feed(b"".join(packets), last=True), 1, formats.DecisionPacket)
    for row, packet in zip(table, packets, strict=True):
        parsed = formats.DecisionPacket.parse(packet)
        for name in table.dtype.names:
            group, _, rest = name.partition("_")
            value = parsed[group].box[rest[4:]] if rest.startswith("box_") else parsed[group][rest]
            if rest == "time":
                assert int("".join(f"{word:04x}" for word in row[name]), 16) == value
            elif rest == "model_id":
                assert row[name].tobytes() == value
            else:
                assert row[name] == value, name


@pytest.mark.parametrize("percent", [1, 5, 10, 30, 60])
def test_loss_sweep(percent: int) -> None:
    rng = random.Random(percent)
    for _ in range(10):
        got = [p for p in sent().packets if rng.randrange(100) >= percent]
        decoder, pictures = decoded(b"".join(got))
        assert all(pictures[n] == sent().pictures[n] for n in pictures)
        lost = len(sent().packets) - len(got)
        assert sum(g.count for g in decoder.gaps() if g.kind == "sequence") <= lost
        chunk_bytes = sum(len(p) - 34 for p in got if p[8] == 3)
        known = sum(len(part) for p in decoder.pictures() for _, part in p.known())
        assert known + sum(len(sent().pictures[n]) for n in pictures) == chunk_bytes


def test_gaps_across_the_wrap_are_counted_once() -> None:
    counts = [16380, 16381, 16383, 0, 1, 4, 2]  # 16382 and 3 are missing, 2 came late
    packets = []
    for n in counts:
        body = f"0864 {0xC000 | n:04x} 002f 2080010000 0000 2e 000000000000 {n:08x}" + "00" * 28
        packets.append(crc_by_stdlib(body))
    decoder, _ = decoded(b"".join(packets))
    gaps = [(g.apid, g.first, g.last) for g in decoder.gaps() if g.kind == "sequence"]
    assert gaps == [(100, 16382, 16382), (100, 16384 + 3, 16384 + 3)]


def test_bytes_that_are_no_packet_are_located() -> None:
    first, second, *_ = sent().packets
    decoder, _ = decoded(b"noise" + first + b"\x08\x64" + second + b"?", piece=7)
    gaps = [(g.first, g.last) for g in decoder.gaps() if g.kind == "input"]
    assert gaps == [(0, 4), (5 + 54, 5 + 54 + 1), (5 + 54 + 2 + 54, 5 + 54 + 2 + 54)]
    assert decoder.bytes_skipped == 8


def test_a_second_pass_fills_the_holes_of_the_first() -> None:
    packets = sent().packets
    even, odd = packets[::2], packets[1::2]
    assert decoded(b"".join(even))[1] == {}
    assert decoded(b"".join(even + odd))[1] == sent().pictures


def test_a_wrong_chunk_that_passed_its_crc_gives_way_to_the_right_one() -> None:
    packets = list(sent().packets)
    at = next(n for n, p in enumerate(packets) if p[8] == 3)
    wrong = bytearray(packets[at][:-2])
    wrong[40] ^= 0xFF
    packets.insert(at, crc_by_stdlib(wrong.hex()))
    assert decoded(b"".join(packets))[1] == sent().pictures


@pytest.mark.parametrize("newest_first", [False, True])
@pytest.mark.parametrize("other", [(1, 1), (120, 1999), (200, 1999)], ids=["one byte", "double", "200"])
def test_chunks_of_several_lengths_at_one_place_agree(other: tuple[int, int], newest_first: bool) -> None:
    """A resend of a byte, or a pass with larger chunks, beside a pass that lost half: none is in the way."""
    whole = random.Random(5).randbytes(1999)
    size, end = other
    first = [(at, 60) for at in range(0, 1999, 60) if size == 1 or at % 120 == 0]
    second = [(at, size) for at in range(0, end, size)]
    pictures = Reassembly()
    picture = pictures.picture(7, len(whole))
    picture.crc32.add(zlib.crc32(whole))
    for at, count in second + first if newest_first else first + second:
        pictures.add(Chunk(7, at, len(whole), 0, whole[at : at + count]))
    assert picture.holes() == []
    assert picture.received >= len(whole)
    assert picture.known() == [(0, whole)]
    assert picture.whole() == whole


def test_of_versions_that_differ_the_longest_is_shown_until_the_picture_is_whole() -> None:
    pictures = Reassembly()
    for data in (b"abX", b"abcd", b"ab", b"abcde"):
        pictures.add(Chunk(7, 0, 8, 0, data))
    picture = pictures.picture(7, 8)
    assert (picture.parts, picture.received) == ({0: [b"abX", b"abcde"]}, 5)
    assert (picture.known(), picture.duplicates) == ([(0, b"abcde")], 1)
    pictures.add(Chunk(7, 3, 8, 0, b"def g"))
    picture.crc32.add(zlib.crc32(b"abXdef g"))
    assert picture.whole() == b"abXdef g"


def test_a_chunk_past_the_end_of_its_picture_is_not_used() -> None:
    body = "0865 c000 001f 2080030000 0000 2e 000000000000 00000001 fffffffe 00000004 ffffffff"
    decoder, pictures = decoded(crc_by_stdlib(body))
    assert decoder.packets["chunk"] == 1
    assert (pictures, decoder.pictures()) == ({}, [])


def test_pictures_of_a_pass_open_in_pillow() -> None:
    _, pictures = decoded(b"".join(sent().packets))
    for whole in pictures.values():
        with Image.open(io.BytesIO(whole)) as image:
            assert np.asarray(image).std() > 10


def test_random_bytes_hold_no_packet() -> None:
    data = random.Random(1).randbytes(3_000_000)
    assert sum(decoded(data)[0].packets.values()) == 0


def test_headers_without_end_take_bounded_time() -> None:
    header = bytes.fromhex("0865c0000fff20800300000000 2e")  # promises 4102 bytes, again and again
    decoder, _ = decoded(b"".join(itertools.repeat(header, 2000)))
    assert sum(decoder.packets.values()) == 0


def test_among_many_records_the_damaged_ones_are_left_out() -> None:
    packets = [Downlink(Source(records=[record(decision(n))])).next() for n in range(200)]
    bad = {0, 7, 8, 150, 199}
    for n in bad:
        packets[n] = packets[n][:30] + bytes([packets[n][30] ^ 1]) + packets[n][31:]
    decoder, _ = decoded(b"".join(packets))
    assert decoder.decisions()["data_frame_id"].tolist() == [n for n in range(200) if n not in bad]
    assert decoder.bytes_skipped == 54 * len(bad)


def test_a_packet_inside_a_picture_counts_only_where_its_carrier_is_damaged() -> None:
    inner = Downlink(Source(records=[record(decision(77))])).next()
    source = Source()
    source.add(1, b"before" + inner + b"behind")
    announcement, carrier = Downlink(source).all()
    decoder, pictures = decoded(announcement + carrier)
    assert (len(decoder.decisions()), pictures) == (0, source.pictures)
    decoder, pictures = decoded(announcement + carrier[:-1] + b"\0")
    assert (decoder.decisions()["data_frame_id"].tolist(), pictures) == ([77], {})
