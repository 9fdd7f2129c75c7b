"""A downlink, in pieces, to pictures and records. Knows nothing of files."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from framekeep_ground import formats
from framekeep_ground.jpeg_repair import Header, parse_header
from framekeep_ground.layout import column, dtype
from framekeep_ground.packets import Batch, Positions, Scanner, chunks, columns, sequences
from framekeep_ground.reassembly import Picture, Reassembly
from framekeep_ground.sequence import missing, unwrap
from framekeep_ground.tables import Records, contradictions, first_of_each

KINDS = {
    formats.SUBTYPE_DECISION: "decision",
    formats.SUBTYPE_FRAME: "frame",
    formats.SUBTYPE_CHUNK: "chunk",
    formats.SUBTYPE_THUMBNAIL: "thumbnail",
    formats.SUBTYPE_REPORT: "report",
}


@dataclass(frozen=True, slots=True)
class Gap:
    """Something that should be there and is not, or is there and should not.

    kind `sequence`: packets of `apid`, first and last by their unwrapped count;
    `decision`: frames without a record, by frame id; `bytes`: bytes of the
    picture `frame_id`; `input`: bytes of the input that belong to no packet.
    """

    kind: str
    apid: int | None
    frame_id: int | None
    first: int
    last: int

    @property
    def count(self) -> int:
        """How many are missing."""
        return self.last - self.first + 1


@dataclass
class Decoder:
    """Feed it bytes; it calls `on_picture` for every picture that is whole and checked."""

    on_picture: Callable[[Picture, bytes], None]
    packets: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS.values(), 0))
    bytes_read: int = 0
    headers: dict[bytes, tuple[Header, int]] = field(
        default_factory=dict
    )  # each kind seen, and in which frame

    def __post_init__(self) -> None:
        self._scanner = Scanner()
        self._reassembly = Reassembly()
        self._decisions: list[Records] = []
        self._infos: list[Records] = []
        self._thumbnails: list[Records] = []
        self._reports: list[Records] = []
        self._counts: list[tuple[Positions, Positions]] = []
        self._input_gaps: list[tuple[int, int]] = []
        self._known = _joined([], formats.DecisionPacket)  # what decisions() gave last
        self._known_of = 0  # and from how many packets
        self._behind = 0  # where the last packet ended, in the input

    # --- what comes in ---

    def feed(self, piece: bytes, *, last: bool = False) -> None:
        """Take the next bytes of the input; `last` says that no more will come."""
        self.bytes_read += len(piece)
        batch = self._scanner.feed(piece, last=last)
        self._note_input_gaps(batch, last=last)
        if not len(batch.starts):
            return
        self._counts.append(sequences(batch))
        for subtype, name in KINDS.items():
            self.packets[name] += len(batch.of(subtype)[0])
        self._decisions.append(columns(batch, formats.SUBTYPE_DECISION, formats.DecisionPacket))
        self._thumbnails.append(columns(batch, formats.SUBTYPE_THUMBNAIL, formats.ThumbnailPacket))
        self._reports.append(columns(batch, formats.SUBTYPE_REPORT, formats.ReportPacket))
        infos = columns(batch, formats.SUBTYPE_FRAME, formats.FramePacket)
        self._infos.append(infos)
        for row in infos:
            picture = self._reassembly.picture(int(row["data_frame_id"]), int(row["data_size"]))
            picture.crc32.add(int(row["data_crc32"]))
            self._finish_if_whole(picture)
        for chunk in chunks(batch):
            if (found := self._reassembly.add(chunk)) is not None:
                self._finish_if_whole(found)

    def _note_input_gaps(self, batch: Batch, *, last: bool) -> None:
        starts = batch.starts + batch.position
        ends = batch.ends + batch.position
        before = np.concatenate(([self._behind], ends[:-1])) if len(ends) else ends
        at = np.flatnonzero(starts > before)
        self._input_gaps += zip(before[at].tolist(), (starts[at] - 1).tolist(), strict=True)
        if len(ends):
            self._behind = int(ends[-1])
        if last and self._behind < self.bytes_read:
            self._input_gaps.append((self._behind, self.bytes_read - 1))

    def _finish_if_whole(self, picture: Picture) -> None:
        if picture.finished or (data := picture.whole()) is None:
            return
        header = parse_header(data)
        if header is not None:
            self.headers[header.data] = header, picture.frame_id
        self.on_picture(picture, data)
        picture.finish()

    # --- what is known ---

    def decisions(self) -> Records:
        """One decision record a frame, by frame id."""
        if self._known_of != self.packets["decision"]:
            self._known = first_of_each(_joined(self._decisions, formats.DecisionPacket))
            self._known_of = self.packets["decision"]
        return self._known

    def contradictions(self) -> int:
        """Decision records that say something else of a frame than one that came before."""
        return contradictions(_joined(self._decisions, formats.DecisionPacket))

    def infos(self) -> Records:
        """All frame-of-interest packets, as they came."""
        return _joined(self._infos, formats.FramePacket)

    def thumbnails(self) -> Records:
        """One thumbnail a frame of those that the mission's audit chose, by frame id."""
        return first_of_each(_joined(self._thumbnails, formats.ThumbnailPacket))

    def reports(self) -> Records:
        """What became of each telecommand, in the order of arrival; a packet received twice counts once."""
        reports = _joined(self._reports, formats.ReportPacket)
        _, first = np.unique(reports, return_index=True)
        return reports[np.sort(first)]

    def pictures(self) -> list[Picture]:
        """All pictures that a packet spoke of, by frame id."""
        return [self._reassembly.pictures[key] for key in sorted(self._reassembly.pictures)]

    def note_headers(self) -> None:
        """Take the headers of pictures that are not whole, to be lent to others."""
        for picture in self.pictures():
            known = picture.known()
            if known and known[0][0] == 0 and (header := parse_header(known[0][1])):
                self.headers.setdefault(header.data, (header, picture.frame_id))

    def lent_headers(self, frame_id: int) -> Iterator[Header]:
        """Headers of other pictures, those of the frames nearest to `frame_id` first."""
        for header, _ in sorted(self.headers.values(), key=lambda entry: abs(entry[1] - frame_id)):
            yield header

    def gaps(self) -> list[Gap]:
        """All that is missing or damaged."""
        found: list[Gap] = []
        if self._counts:
            apids, counts = (np.concatenate(part) for part in zip(*self._counts, strict=True))
            for apid in np.unique(apids).tolist():
                ranges = missing(unwrap(counts[apids == apid]))
                found += [Gap("sequence", apid, None, first, last) for first, last in ranges]
        ids = column(self.decisions(), "data_frame_id")
        found += [Gap("decision", None, None, first, last) for first, last in missing(ids)]
        for picture in self.pictures():
            found += [Gap("bytes", None, picture.frame_id, first, last) for first, last in picture.holes()]
        found += [Gap("input", None, None, first, last) for first, last in self._input_gaps]
        return found

    @property
    def bytes_skipped(self) -> int:
        """Bytes of the input that belong to no packet."""
        return sum(last - first + 1 for first, last in self._input_gaps)

    def times(self) -> Positions:
        """The times of decision records and announced frames."""
        return np.concatenate([column(r, "header_time") for r in (self.decisions(), self.infos())])


def _joined(parts: list[Records], packet: object) -> Records:
    # not np.concatenate, which would turn the columns' byte order
    return np.frombuffer(b"".join(part.tobytes() for part in parts), dtype(packet))
