"""Bytes to packets to columns: the fast path of the decoder.

`Scanner` finds packets in whatever arrives: it looks for headers that only our
packets have, checks the CRC, and goes on behind a good packet or one byte
behind a bad start. `columns` turns many packets of one kind into one numpy
record array. The readable reference is `formats`; a test holds them together.
"""

from binascii import crc_hqx
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from construct import Construct, Struct

from framekeep_ground import formats
from framekeep_ground.layout import column, dtype

Bytes8 = npt.NDArray[np.uint8]
Positions = npt.NDArray[np.int64]

_HEADER_SEEN = 14  # bytes a header needs for its check, up to and with p_field
_FIXED = {
    formats.SUBTYPE_DECISION: formats.DecisionPacket.sizeof(),
    formats.SUBTYPE_FRAME: formats.FramePacket.sizeof(),
    formats.SUBTYPE_THUMBNAIL: formats.ThumbnailPacket.sizeof(),
    formats.SUBTYPE_REPORT: formats.ReportPacket.sizeof(),
}
_CHUNK_HEAD_FORMAT = Struct("header" / formats.TmHeader, "data" / formats.ChunkHeader)
_CHUNK_HEAD: int = _CHUNK_HEAD_FORMAT.sizeof()
_TRAILER: int = formats.PacketTrailer.sizeof()
_CHUNK_LEAST = _CHUNK_HEAD + 1 + _TRAILER
_TOGETHER = 64  # packets of one size from which computing their CRCs side by side pays
_CRC16_TABLE = np.array([crc_hqx(bytes((n,)), 0) for n in range(256)], np.uint16)
_CHUNK_MOST = _CHUNK_HEAD + formats.CHUNK_SIZE_MAX + _TRAILER


@dataclass(frozen=True)
class Batch:
    """Packets found in one stretch of the input, in the order of arrival."""

    data: Bytes8
    starts: Positions  # of each packet, in `data`
    ends: Positions
    position: int  # of data[0] in the whole input

    def of(self, subtype: int) -> tuple[Positions, Positions]:
        """Starts and ends of the packets of one kind."""
        mine = self.data[self.starts + 8] == subtype
        return self.starts[mine], self.ends[mine]


class Scanner:
    """Finds packets in a stream that comes in pieces; how it is cut makes no difference."""

    def __init__(self) -> None:
        self._kept = b""
        self.position = 0  # of the first kept byte in the whole input

    def feed(self, piece: bytes | memoryview, *, last: bool = False) -> Batch:
        """The packets that `piece` completes. With `last`, nothing waits for more."""
        whole = b"".join((self._kept, piece)) if self._kept else piece
        data = np.frombuffer(whole, np.uint8)
        starts, lengths = candidates(data)
        ends = starts + lengths
        there = ends <= len(data)
        # a packet that is cut off stops the search until more bytes come, or none will
        right = ~there & (not last)
        right[there] = checked(data, starts[there], ends[there])
        starts, ends = starts[right], ends[right]
        if (starts[1:] < ends[:-1]).any() or (ends[:-1] > len(data)).any():
            starts, ends = _one_after_another(starts, ends, len(data))
        keep_from = len(data) if last else max(0, len(data) - _HEADER_SEEN + 1)
        if len(ends) and ends[-1] > len(data):
            keep_from = int(starts[-1])
            starts, ends = starts[:-1], ends[:-1]
        if len(ends):
            keep_from = max(keep_from, int(ends[-1]))
        batch = Batch(data, starts, ends, self.position)
        self._kept = bytes(whole[keep_from:])
        self.position += keep_from
        return batch


def _one_after_another(starts: Positions, ends: Positions, size: int) -> tuple[Positions, Positions]:
    """Of packets that overlap those that begin first; up to the first that ends past `size`."""
    chosen = []
    behind = 0
    for index, (start, end) in enumerate(zip(starts.tolist(), ends.tolist(), strict=True)):
        if start >= behind:
            chosen.append(index)
            behind = end
            if end > size:
                break
    return starts[chosen], ends[chosen]


def checked(data: Bytes8, starts: Positions, ends: Positions) -> npt.NDArray[np.bool_]:
    """Which of the packets have a right CRC."""
    right = np.zeros(len(starts), np.bool_)
    lengths = ends - starts
    alone = np.ones(len(starts), np.bool_)
    for size in _FIXED.values():
        same = lengths == size
        if np.count_nonzero(same) > _TOGETHER:
            right[same] = crc16_rows(data, starts[same], size) == 0
            alone &= ~same
    view = memoryview(data.data)
    at = np.flatnonzero(alone)
    spans = zip(starts[at].tolist(), ends[at].tolist(), strict=True)
    right[at] = [crc_hqx(view[start:end], formats.CRC16_INIT) == 0 for start, end in spans]
    return right


def crc16_rows(data: Bytes8, starts: Positions, size: int) -> npt.NDArray[np.uint16]:
    """The CRC of many packets of one size at once, a byte of each at a time."""
    crc = np.full(len(starts), formats.CRC16_INIT, np.uint16)
    for n in range(size):
        crc = (crc << 8) ^ _CRC16_TABLE[(crc >> 8) ^ data[starts + n]]
    return crc


def candidates(data: Bytes8) -> tuple[Positions, Positions]:
    """Where a header of ours may start, by its constant bits, and the packet's length there."""
    count = len(data) - _HEADER_SEEN + 1
    if count <= 0:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    # the two rarest bytes first, over everything; the rest only where those are right
    at = np.flatnonzero((data[6 : 6 + count] == formats.TM_PUS) & (data[7 : 7 + count] == formats.SERVICE))
    at = at[(data[at + 13] == formats.TM_P_FIELD) & (data[at] & 0xF8 == formats.PACKET_ID_TM >> 8)]
    at = at[data[at + 2] & 0xC0 == formats.SEQUENCE_UNSEGMENTED >> 8]
    subtype = data[at + 8]
    length = (data[at + 4].astype(np.int64) << 8 | data[at + 5]) + formats.PACKET_PRIMARY + 1
    fits = (subtype == formats.SUBTYPE_CHUNK) & (length >= _CHUNK_LEAST) & (length <= _CHUNK_MOST)
    for kind, size in _FIXED.items():
        fits |= (subtype == kind) & (length == size)
    return at[fits], length[fits]


def columns(batch: Batch, subtype: int, packet: Construct) -> npt.NDArray[np.void]:
    """The packets of one kind as a record array with the declaration's columns."""
    starts, _ = batch.of(subtype)
    return _records(batch.data, starts, packet)


def _records(data: Bytes8, starts: Positions, layout: Construct) -> npt.NDArray[np.void]:
    record = dtype(layout)
    rows = data[starts[:, None] + np.arange(record.itemsize)]
    found: npt.NDArray[np.void] = rows.view(record).reshape(-1)
    return found


@dataclass(frozen=True, slots=True)
class Chunk:
    """A share of a picture."""

    frame_id: int
    offset: int
    size: int  # of the whole picture
    time: int
    data: bytes


def chunks(batch: Batch) -> Iterator[Chunk]:
    """The image chunks of a batch."""
    starts, ends = batch.of(formats.SUBTYPE_CHUNK)
    heads = _records(batch.data, starts, _CHUNK_HEAD_FORMAT)
    names = ("data_frame_id", "data_offset", "data_size", "header_time")
    fields = (column(heads, name).tolist() for name in names)
    spans = zip((starts + _CHUNK_HEAD).tolist(), (ends - _TRAILER).tolist(), strict=True)
    for (start, end), frame_id, offset, size, time in zip(spans, *fields, strict=True):
        yield Chunk(frame_id, offset, size, time, batch.data[start:end].tobytes())


def sequences(batch: Batch) -> tuple[Positions, Positions]:
    """APID and sequence count of every packet of a batch, in order of arrival."""
    heads = _records(batch.data, batch.starts, formats.TmHeader)
    apid = column(heads, "packet_id") & 0x7FF
    return apid, column(heads, "sequence") & (formats.SEQUENCE_MODULO - 1)
