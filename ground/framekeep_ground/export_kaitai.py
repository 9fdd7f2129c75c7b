"""`fk-ground export kaitai`: a Kaitai Struct declaration of a stream of packets."""

from collections.abc import Iterable, Iterator

from framekeep_ground import formats
from framekeep_ground.export_packets import PACKETS, codes_of, plain
from framekeep_ground.layout import Field

_TYPES = {"u8": "u1", "u16": "u2", "u32": "u4", "u48": "b48", "i8": "s1"}
_HEAD = """\
meta:
  id: framekeep
  title: Downlink of framekeep, CCSDS space packets one after another
  file-extension: bin
  license: Apache-2.0
  endian: be
seq:
  - id: packets
    type: packet
    repeat: eos
types:
  packet:
    seq:
"""
_BODY = """\
      - id: body
        type: body
        size: length + 1
    instances:
      apid:
        value: packet_id & 0x7ff
      count:
        value: sequence & 0x3fff
  body:
    seq:
"""
_DATA = """\
      - id: data
        size: _io.size - _io.pos - 2
        type:
          switch-on: subtype
          cases:
"""


def kaitai() -> str:
    """The declaration, YAML."""
    header = plain(formats.TmHeader)
    primary = [field for field in header if field.offset < formats.PACKET_PRIMARY]
    lines = [_HEAD, *_seq(primary), _BODY, *_seq(header[len(primary) :]), _DATA]
    lines += [f"            {kind.subtype}: {_snake(kind.name)}\n" for kind in PACKETS]
    lines += _seq(plain(formats.PacketTrailer))
    for kind in PACKETS:
        lines += [f"  {_snake(kind.name)}:\n", f"    doc: {kind.text}\n", "    seq:\n"]
        lines += _seq(plain(kind.data))
        if kind.subtype == formats.SUBTYPE_CHUNK:
            lines.append("      - id: bytes\n        size-eos: true\n        doc: of the encoded picture\n")
    lines.append("enums:\n")
    for field in plain(formats.Decision):
        codes = list(codes_of(field))
        if codes:
            lines.append(f"  {field.name}:\n")
        for value, name, text in codes:
            lines.append(f"    {value}:\n      id: {name.lower()}\n      doc: {_quoted(text)}\n")
    return "".join(lines)


def _seq(members: Iterable[Field]) -> Iterator[str]:
    for field in members:
        kind = f"size: {field.size}" if field.type == "bytes" else f"type: {_TYPES[field.type]}"
        yield f"      - id: {field.name}\n        {kind}\n"
        if any(codes_of(field)):
            yield f"        enum: {field.name}\n"
        yield f"        doc: {_quoted(field.text)}\n"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _snake(name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")
