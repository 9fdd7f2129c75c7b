"""Which packet comes next, and what happens when the source fails."""

import pytest
from framekeep_ground import formats
from framekeep_onboard import FkError
from framekeep_onboard._fk import ffi, lib
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.contract.packets import Downlink, Source, decision, record, thumbnail

PARSERS = {
    1: formats.DecisionPacket,
    2: formats.FramePacket,
    3: formats.ChunkPacket,
    4: formats.ThumbnailPacket,
    5: formats.ReportPacket,
}


def kinds(packets: list[bytes]) -> list[int]:
    return [p[8] for p in packets]


def data_of(packet: bytes):  # type: ignore[no-untyped-def]
    return PARSERS[packet[8]].parse(packet).data


def test_nothing_waits() -> None:
    assert Downlink(Source()).next() == b""


def test_records_go_first_then_frames_as_the_source_ranks_them() -> None:
    source = Source(records=[record(decision(n)) for n in range(3)])
    source.add(1, b"a" * 300, value=9)
    source.add(0, b"b" * 100, value=5)
    packets = Downlink(source, chunk_size=200).all()
    assert kinds(packets) == [1, 1, 1, 2, 3, 3, 2, 3]
    assert [data_of(p).frame_id for p in packets] == [0, 1, 2, 1, 1, 1, 0, 0]
    assert source.records == []
    assert source.sent == [1, 0]


def test_thumbnails_go_with_the_records_and_count_on_their_own() -> None:
    records = [
        record(decision(0)),
        thumbnail(0, bytes(192)),
        record(decision(1)),
        thumbnail(1, b"\x09" * 192),
    ]
    source = Source(records=records)
    source.add(1, b"a" * 100)
    packets = Downlink(source, chunk_size=16).all()
    assert kinds(packets)[:5] == [1, 4, 1, 4, 2]
    heads = [formats.TmHeader.parse(p) for p in packets[:4]]
    assert [(h.packet_id & 0x7FF, h.sequence & 0x3FFF, h.message) for h in heads] == [
        (100, 0, 0),
        (100, 1, 0),
        (100, 2, 1),
        (100, 3, 1),
    ]
    assert data_of(packets[3]).frame_id == 1
    assert data_of(packets[3]).pixels == b"\x09" * 192


def test_chunks_put_together_are_the_picture() -> None:
    source = Source()
    picture = bytes(range(256)) * 5
    source.add(3, picture)
    parsed = [formats.ChunkPacket.parse(p) for p in Downlink(source, chunk_size=333).all() if p[8] == 3]
    assert [p.data.offset for p in parsed] == [0, 333, 666, 999]
    assert {p.data.size for p in parsed} == {1280}
    assert b"".join(p.bytes for p in parsed) == picture


def test_a_record_that_arrives_during_a_frame_goes_between_its_chunks() -> None:
    source = Source()
    source.add(0, b"a" * 300)
    downlink = Downlink(source, chunk_size=100)
    first = [downlink.next(), downlink.next()]
    source.records.append(record(decision(1)))
    assert kinds(first + downlink.all()) == [2, 3, 1, 3, 3]


def test_sequence_counts_wrap_at_16384_and_run_per_apid() -> None:
    counters = ffi.new("fk_downlink_counters *", {"sequence": [16383, 16382], "message": [65535, 7, 9]})
    source = Source(records=[record(decision(n)) for n in range(2)])
    source.add(0, b"a" * 300)
    downlink = Downlink(source, chunk_size=100, counters=counters)
    packets = downlink.all()
    assert list(downlink.q.counters.sequence) == [1, 2]
    heads = [formats.TmHeader.parse(p) for p in packets]
    assert [(h.packet_id & 0x7FF, h.sequence & 0x3FFF, h.message) for h in heads] == [
        (100, 16383, 65535),
        (100, 0, 0),
        (101, 16382, 7),
        (101, 16383, 9),
        (101, 0, 10),
        (101, 1, 11),
    ]


def test_counters_taken_before_a_reset_go_on_without_a_gap() -> None:
    source = Source(records=[record(decision(n)) for n in range(4)])
    before = Downlink(source)
    packets = [before.next(), before.next()]
    packets += Downlink(source, counters=ffi.addressof(before.q, "counters")).all()
    assert [formats.TmHeader.parse(p).sequence & 0x3FFF for p in packets] == [0, 1, 2, 3]


def test_an_evicted_frame_gives_way_to_the_next() -> None:
    source = Source()
    source.add(0, b"a" * 300)
    source.add(1, b"b" * 100)
    downlink = Downlink(source, chunk_size=100)
    packets = [downlink.next(), downlink.next()]
    del source.pictures[0]
    source.frames.pop(0)
    packets += downlink.all()
    assert [(p[8], data_of(p).frame_id) for p in packets] == [(2, 0), (3, 0), (2, 1), (3, 1)]


@pytest.mark.parametrize("error", ["FK_ERR_IO", "FK_ERR_CORRUPT", "FK_ERR_ECC"])
def test_a_frame_that_cannot_be_read_is_reported_once_and_given_up(error: str) -> None:
    source = Source()
    source.add(0, b"a" * 300)
    source.add(1, b"b" * 100)
    downlink = Downlink(source, chunk_size=100)
    assert downlink.next()[8] == 2
    source.fail["read"] = getattr(lib, error)
    with pytest.raises(FkError, match=error):
        downlink.next()
    del source.fail["read"]
    assert [(p[8], data_of(p).frame_id) for p in downlink.all()] == [(2, 1), (3, 1)]
    assert source.sent == [0, 1]


def test_records_that_cannot_be_read_do_not_hold_up_pictures() -> None:
    source = Source(fail={"record": lib.FK_ERR_ECC})
    source.add(0, b"a" * 100)
    downlink = Downlink(source)
    assert kinds([downlink.next(), downlink.next()]) == [2, 3]
    with pytest.raises(FkError, match="FK_ERR_ECC"):
        downlink.next()


def test_what_cannot_be_marked_as_sent_is_an_error_not_an_endless_stream() -> None:
    source = Source(
        records=[record(decision(0))], fail={"record_sent": lib.FK_ERR_IO, "frame_sent": lib.FK_ERR_IO}
    )
    source.add(0, b"a" * 100)
    downlink = Downlink(source)
    assert downlink.next()[8] == 2
    with pytest.raises(FkError, match="FK_ERR_IO"):
        downlink.next()


def test_a_frame_evicted_while_its_last_chunk_is_read_is_sent_whole() -> None:
    source = Source(fail={"frame_sent": lib.FK_ERR_NOENT})
    source.add(0, b"a" * 300)
    downlink = Downlink(source, chunk_size=100)
    assert kinds([downlink.next() for _ in range(4)]) == [2, 3, 3, 3]


def test_a_short_read_is_an_error_and_no_packet() -> None:
    source = Source()
    source.add(0, b"a" * 300)
    downlink = Downlink(source, chunk_size=100)
    downlink.next()
    source.pictures[0] = b"a" * 50
    with pytest.raises(FkError, match="FK_ERR_IO"):
        downlink.next()
    assert downlink.next() == b""


@pytest.mark.parametrize(("size", "count"), [(0, 0), (1, 1), (199, 1), (200, 1), (201, 2), (400, 2)])
def test_as_many_chunks_follow_as_are_announced(size: int, count: int) -> None:
    source = Source()
    source.add(0, bytes(size))
    announcement, *chunks = Downlink(source, chunk_size=200).all()
    assert data_of(announcement).chunk_count == count == len(chunks)


def test_an_encoder_refuses_what_does_not_fit() -> None:
    out, head = ffi.new("uint8_t[]", 100), ffi.new("fk_packet_head *")
    frame, chunk = ffi.new("fk_downlink_frame *"), ffi.new("fk_packet_chunk *")
    assert lib.fk_packet_record_encode(out, 53, head, 1, bytes(38)) == lib.FK_ERR_TOOSMALL
    assert lib.fk_packet_record_encode(out, 217, head, 4, bytes(202)) == lib.FK_ERR_TOOSMALL
    assert lib.fk_packet_record_encode(out, 31, head, 5, bytes(16)) == lib.FK_ERR_TOOSMALL
    for kind in (0, 2, 3, 6):
        assert lib.fk_packet_record_encode(out, 100, head, kind, bytes(202)) == lib.FK_ERR_VERSION
    assert lib.fk_packet_frame_encode(out, 71, head, frame, 1) == lib.FK_ERR_TOOSMALL
    assert lib.fk_packet_frame_encode(out, 72, head, frame, 0) == lib.FK_ERR_INVAL
    assert lib.fk_packet_chunk_encode(out, 100, head, chunk, b"", 0) == lib.FK_ERR_INVAL
    assert lib.fk_packet_chunk_encode(out, 100, head, chunk, bytes(67), 67) == lib.FK_ERR_TOOSMALL
    assert lib.fk_packet_chunk_encode(out, 9999, head, chunk, bytes(4097), 4097) == lib.FK_ERR_INVAL
    assert bytes(out) == bytes(100), "something was written"


def test_a_buffer_too_small_changes_nothing() -> None:
    source = Source(records=[record(decision(0))])
    downlink = Downlink(source, chunk_size=100)
    assert lib.fk_downlink_next(downlink.q, downlink.packet, downlink.cap - 1) == lib.FK_ERR_TOOSMALL
    assert source.calls == []
    assert formats.TmHeader.parse(downlink.next()).sequence & 0x3FFF == 0


def test_an_empty_picture_is_announced_and_done() -> None:
    source = Source()
    source.add(0, b"")
    assert kinds(Downlink(source).all()) == [2]
    assert source.sent == [0]


@pytest.mark.parametrize(
    "config",
    [
        {"chunk_size": 0},
        {"chunk_size": lib.FK_CHUNK_SIZE_MAX + 1},
        {"apid_records": 2047},
        {"apid_images": 2047},
        {"apid_records": 7, "apid_images": 7},
    ],
)
def test_a_config_out_of_range_is_refused(config: dict[str, int]) -> None:
    with pytest.raises(FkError, match="FK_ERR_INVAL"):
        Downlink(Source(), **config)


@pytest.mark.parametrize("chunk_size", [1, 30, 31, lib.FK_CHUNK_SIZE_MAX])
def test_no_packet_is_larger_than_announced(chunk_size: int) -> None:
    source = Source(records=[record(decision(0))])
    source.add(0, bytes(5000 if chunk_size > 1 else 5))
    downlink = Downlink(source, chunk_size=chunk_size)
    packets = downlink.all()
    assert max(len(p) for p in packets) <= downlink.cap
    assert all(len(p) == formats.TmHeader.parse(p).length + 7 for p in packets)


def test_a_resend_that_ends_before_it_begins_is_refused() -> None:
    downlink = Downlink(Source())
    assert downlink.resend(0, 5, 4) == lib.FK_ERR_INVAL
    assert downlink.next() == b""


def test_a_resend_goes_to_the_pictures_end_and_not_beyond() -> None:
    source = Source(sent=[4])
    source.add(4, bytes(range(100)))
    downlink = Downlink(source, chunk_size=40)
    for first, last in ((90, 0xFFFFFFFF), (99, 99), (100, 200), (0xFFFFFFFF, 0xFFFFFFFF)):
        assert downlink.resend(4, first, last) == 0
    packets = downlink.all()
    assert kinds(packets) == [2, 3, 2, 3], "what lies beyond the end is passed over"
    assert [formats.ChunkPacket.parse(p).bytes for p in packets[1::2]] == [bytes(range(90, 100)), b"\x63"]
    assert source.sent == [4], "the store is not told again"


FAILURES = ["FK_ERR_IO", "FK_ERR_ECC", "FK_ERR_NOENT", "FK_ERR_CORRUPT"]
CALLS = ["record", "record_sent", "frame", "find", "read", "frame_sent"]


@settings(max_examples=150, deadline=None)
@given(
    sizes=st.lists(st.integers(0, 250), max_size=4),
    records=st.integers(0, 4),
    trouble=st.lists(
        st.dictionaries(st.sampled_from(CALLS), st.sampled_from(FAILURES), max_size=2), max_size=25
    ),
    again=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 260), st.integers(0, 300)), max_size=18),
)
def test_after_any_trouble_the_rest_comes_down_and_the_counts_have_no_gap(
    sizes: list[int], records: int, trouble: list[dict[str, str]], again: list[tuple[int, int, int]]
) -> None:
    source = Source(records=[record(decision(n)) for n in range(records)])
    for frame_id, size in enumerate(sizes):
        source.add(frame_id, bytes([frame_id]) * size)
    downlink = Downlink(source, chunk_size=100)
    for waiting, (frame_id, first, last) in enumerate(r for r in again if r[1] <= r[2]):
        full = waiting >= lib.FK_RESENDS_MAX
        assert downlink.resend(frame_id, first, last) == (lib.FK_ERR_TOOSMALL if full else 0)
    packets = []
    for failing in trouble:
        source.fail = {name: getattr(lib, error) for name, error in failing.items()}
        try:
            packets.append(downlink.next())
        except FkError:
            assert failing, "an error without a cause"
    source.fail = {}
    most = records + sum(1 + -(-size // 100) for size in sizes) + 1 + 5 * len(again)
    for _ in range(most):
        packets.append(downlink.next())
    assert packets[-1] == b"", "it does not come to an end"

    packets = [p for p in packets if p]
    for apid in (100, 101):
        heads = [formats.TmHeader.parse(p) for p in packets]
        counts = [h.sequence & 0x3FFF for h in heads if h.packet_id & 0x7FF == apid]
        assert counts == list(range(len(counts)))
    assert [data_of(p).frame_id for p in packets if p[8] == 1] == list(range(records))
    for frame_id in {data_of(p).frame_id for p in packets if p[8] == 2}:
        parts = [
            formats.ChunkPacket.parse(p) for p in packets if p[8] == 3 and data_of(p).frame_id == frame_id
        ]
        whole = bytes([frame_id]) * sizes[frame_id]
        for part in parts:
            assert whole[part.data.offset :].startswith(part.bytes)
    assert sorted(set(source.sent)) == list(range(len(sizes))), "a frame waits for ever"
