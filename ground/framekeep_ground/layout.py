"""What a construct declaration says of its bytes: offsets, sizes, types, texts.

Everything that is derived from `formats` (the C macros, the document tables,
the columns of the bulk decoder) goes through `fields`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from construct import (
    Array,
    Bytes,
    BytesInteger,
    Const,
    Construct,
    FormatField,
    GreedyBytes,
    Renamed,
    SizeofError,
    Struct,
)

_INTEGERS = {"B": "u8", "H": "u16", "L": "u32", "Q": "u64", "b": "i8", "h": "i16", "l": "i32", "q": "i64"}


class LayoutError(Exception):
    """A declaration that cannot be walked; the text says which field and why."""


@dataclass(frozen=True)
class Field:
    """One field of a struct. `size` is None for a last field that takes what is left."""

    path: tuple[str, ...]
    offset: int
    size: int | None
    type: str
    text: str
    nested: bool
    construct: Construct

    @property
    def name(self) -> str:
        """The name in tables: the fields of a nested struct carry its name before theirs."""
        return "_".join(self.path)


def fields(struct: Construct, *, nested: bool = True) -> list[Field]:
    """All fields of `struct` in order; those of nested structs after them, unless not `nested`."""
    return list(_walk(struct, (), 0, nested))


def size_of(struct: Construct) -> int | None:
    """The bytes of `struct`, or None where that depends on the data."""
    try:
        return int(struct.sizeof())
    except SizeofError:
        return None


def _walk(struct: Construct, above: tuple[str, ...], start: int, nested: bool) -> Iterator[Field]:
    offset = start
    for index, subcon in enumerate(struct.subcons):
        bare = _bare(subcon)
        path = (*above, subcon.name or "reserved")
        size = size_of(subcon)
        last = index == len(struct.subcons) - 1
        if size is None and not last:
            raise LayoutError(f"{'.'.join(path)}: only the last field may have no fixed size")
        is_struct = isinstance(bare, Struct)
        if subcon.name:
            text = " ".join(str(subcon.docs or "").split())
            yield Field(path, offset, size, type_name(bare), text, is_struct, bare)
            if is_struct and nested:
                yield from _walk(bare, path, offset, nested)
        offset += size or 0


def _bare(subcon: Construct) -> Construct:
    while isinstance(subcon, Renamed):
        subcon = subcon.subcon
    return subcon


def type_name(subcon: Construct) -> str:
    """The type as the documents print it; little-endian is said, big-endian is the rule."""
    bare = _bare(subcon)
    if isinstance(bare, FormatField):
        name = _INTEGERS.get(bare.fmtstr[1])
        if name is None or bare.fmtstr[0] not in "<>":
            raise LayoutError(f"{bare.fmtstr!r} is no integer of a fixed byte order")
        return f"{name} le" if bare.fmtstr[0] == "<" and bare.length > 1 else name
    if isinstance(bare, BytesInteger):
        name = f"{'i' if bare.signed else 'u'}{8 * bare.length}"
        return f"{name} le" if bare.swapped else name
    if isinstance(bare, Bytes):
        return "bytes"
    if isinstance(bare, type(GreedyBytes)):
        return "bytes"
    if isinstance(bare, Const):
        return "constant"
    if isinstance(bare, Array):
        return f"{type_name(bare.subcon)} x {bare.count}"
    if isinstance(bare, Struct):
        return "struct"
    raise LayoutError(f"{type(bare).__name__} is not among the types that can be derived from")


def dtype(struct: Construct) -> np.dtype[np.void]:
    """`struct` as a numpy record: one column per plain field, named as in the tables.

    48-bit integers, which numpy does not have, become three big-endian 16-bit
    words; `column` puts them together.
    """
    plain = [field for field in fields(struct) if not field.nested]
    return np.dtype(
        {
            "names": [field.name for field in plain],
            "formats": [_numpy_type(field) for field in plain],
            "offsets": [field.offset for field in plain],
            "itemsize": int(struct.sizeof()),
        }
    )


def _numpy_type(field: Field) -> np.dtype[Any]:
    bare = field.construct
    if isinstance(bare, FormatField):
        return np.dtype(f"{bare.fmtstr[0]}{field.type[0]}{bare.length}")
    if isinstance(bare, BytesInteger) and bare.length == 6 and not bare.signed and not bare.swapped:
        return np.dtype((">u2", (3,)))
    if isinstance(bare, Bytes):
        return np.dtype((np.uint8, (int(bare.length),)))
    raise LayoutError(f"{field.name}: {field.type} has no numpy column")


def column(records: npt.NDArray[np.void], name: str) -> npt.NDArray[np.int64]:
    """An integer column of `records` in native int64."""
    raw = records[name]
    if raw.ndim == 1:
        return raw.astype(np.int64)
    words = raw.astype(np.int64)
    return (words[:, 0] << 32) | (words[:, 1] << 16) | words[:, 2]
