"""Decision records and frames as rows: the columns are the declaration's fields."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from construct import Construct

from framekeep_ground import formats
from framekeep_ground.codes import Error, Reason
from framekeep_ground.layout import column, fields

Records = npt.NDArray[np.void]


def names(struct: Construct) -> list[str]:
    """The columns of a struct: its plain fields, those of nested ones with the name before."""
    return [field.name for field in fields(struct) if not field.nested]


DECISION_COLUMNS = ["frame_id", "time", *names(formats.Decision)[1:]]
FRAME_COLUMNS = ["frame_id", "time", *names(formats.FrameInfo)[1:]]
REPORT_COLUMNS = ["time", "command_sequence", "command", "error", "frame_id"]
COMMAND_NAMES = {subtype: name for name, subtype in formats.COMMANDS.items()}


def iso_times(times: npt.NDArray[np.int64]) -> list[str]:
    """CUC times of packets as UTC, to the microsecond."""
    fraction = ((times & 0xFFFF) * 1_000_000 + 0x8000) >> 16
    microseconds = ((times >> 16) + formats.TM_EPOCH_UNIX) * 1_000_000 + fraction
    texts: list[str] = np.datetime_as_string(microseconds.astype("datetime64[us]"), timezone="UTC").tolist()
    return texts


def code_names(kind: type[Reason] | type[Error], codes: npt.NDArray[np.integer[Any]]) -> list[str]:
    """The names of codes; 0 of an error is OK, a code that is not in the list stays a number."""
    different, where = np.unique(codes, return_inverse=True)
    known = {int(code): code.name for code in kind}
    known.setdefault(0, "OK")
    texts: list[str] = np.array([known.get(c, str(c)) for c in different.tolist()])[where].tolist()
    return texts


def rows(records: Records, columns: Sequence[str]) -> Iterator[tuple[object, ...]]:
    """Packets of one kind, as `packets.columns` gives them, as rows of a table."""
    return zip(*(_cells(records, name) for name in columns), strict=True)


def _cells(records: Records, name: str) -> Sequence[object]:
    if name == "time":
        return iso_times(column(records, "header_time"))
    if name == "model_id":
        ids = np.ascontiguousarray(records["data_model_id"]).view(">u8").reshape(-1)
        return [f"{number:016x}" for number in ids.tolist()]
    if name in ("reason", "error"):
        return code_names(Reason if name == "reason" else Error, records[f"data_{name}"])
    if name == "command":
        return [COMMAND_NAMES.get(kind, str(kind)) for kind in records["data_command_subtype"].tolist()]
    if name == "command_sequence":
        return [
            int(count) & formats.SEQUENCE_MODULO - 1 for count in records["data_command_sequence"].tolist()
        ]
    values: list[int] = records[f"data_{name}"].tolist()
    if name == "crc32":
        return [f"{value:08x}" for value in values]
    return values


def first_of_each(records: Records) -> Records:
    """One record a frame, in the order of frame ids; of several, the one that came first."""
    _, index = np.unique(records["data_frame_id"], return_index=True)
    return records[index]


def contradictions(records: Records) -> int:
    """How many records say something else of a frame than another: two cameras' packets, taken for one's."""
    ids, counts = np.unique(records["data_frame_id"], return_counts=True)
    doubled = records[np.isin(records["data_frame_id"], ids[counts > 1])]  # of a pass heard once: none
    places = {name: offset for name, (_, offset, *_) in (records.dtype.fields or {}).items()}
    start, end = places["header_time"], places["trailer_crc16"]  # what is said, without its packet's counts
    said = np.frombuffer(doubled.tobytes(), np.uint8).reshape(len(doubled), records.itemsize)[:, start:end]
    whole = np.ascontiguousarray(said).view(np.dtype((np.void, end - start)))
    return len(np.unique(whole)) - int((counts > 1).sum())


def iso_time(time: int) -> str:
    """One CUC time as UTC; nothing for one that no packet can carry, as of a clock that was not set."""
    return "" if time >> 48 else iso_times(np.array([time], np.int64))[0]
