"""`fk-ground export cosmos`: packet definitions for OpenC3 COSMOS.

COSMOS tells the packets apart by service and subtype, so the mission's choice
of application process ids does not matter. Commands go to the usual one; their
CRC is for the interface to fill in: `PROTOCOL WRITE CrcProtocol CRC16 FALSE ERROR -16 16`.
"""

from collections.abc import Iterator

from framekeep_ground import formats
from framekeep_ground.export_packets import (
    COMMAND_TEXT,
    PACKETS,
    PRIMARY,
    PRIMARY_FIELDS,
    Packet,
    codes_of,
    command_fields,
    command_header,
    plain,
)
from framekeep_ground.layout import Field

_IDENTIFIED_BY = ("service", "subtype")
_CHOSEN = {"PKT_APID": (0, 2046), "SRC_SEQ_CTR": (0, formats.SEQUENCE_MODULO - 1)}  # by who sends a command


def cosmos() -> str:
    """The text of a target's cmd_tlm file."""
    parts = [*map(_packet, PACKETS), *map(_command, formats.COMMANDS)]
    return "\n".join(line for part in parts for line in (*part, ""))


def _command(name: str) -> Iterator[str]:
    yield f'COMMAND FRAMEKEEP {name.upper()} BIG_ENDIAN "{COMMAND_TEXT[name]}"'
    if name == "delete":
        yield '  HAZARDOUS "the picture cannot be had back"'
    first = 0
    for _, value in command_header(name)[:PRIMARY_FIELDS]:
        first = first << 16 | value
    at = 8 * formats.PACKET_PRIMARY
    for item, size, text in PRIMARY:
        at -= size
        value = first >> at & (1 << size) - 1
        least, most = _CHOSEN.get(item, (value, value))
        what = "1 = telecommand" if item == "TYPE" else text
        yield f'  APPEND_PARAMETER {item} {size} UINT {least} {most} {value} "{what}"'
    for field, value in command_header(name)[PRIMARY_FIELDS:]:
        fixed = "APPEND_ID_PARAMETER" if field.name in _IDENTIFIED_BY else "APPEND_PARAMETER"
        size = 8 * int(field.size or 0)
        yield f'  {fixed} {field.name.upper()} {size} UINT {value} {value} {value} "{field.text}"'
    for field in command_fields(name):
        size = 8 * int(field.size or 0)
        if field.type == "bytes":
            yield f'  APPEND_PARAMETER {field.name.upper()} {size} BLOCK 0x00 "{field.text}"'
        else:
            most = (1 << size) - 1
            usual = most if field.name == "last" else 0
            yield f'  APPEND_PARAMETER {field.name.upper()} {size} UINT 0 {most} {usual} "{field.text}"'
    yield '  APPEND_PARAMETER CRC16 16 UINT 0 65535 0 "the interface fills it in"'


def _packet(kind: Packet) -> Iterator[str]:
    yield f'TELEMETRY FRAMEKEEP {kind.name.removesuffix("Packet").upper()} BIG_ENDIAN "{kind.text}"'
    for name, bits, text in PRIMARY:
        yield f'  APPEND_ITEM {name} {bits} UINT "{text}"'
    identity = {"service": formats.SERVICE, "subtype": kind.subtype}
    for field in plain(formats.TmHeader)[PRIMARY_FIELDS:]:
        if field.name in _IDENTIFIED_BY:
            yield f'  APPEND_ID_ITEM {field.name.upper()} 8 UINT {identity[field.name]} "{field.text}"'
        else:
            yield from _item(field)
    for field in plain(kind.data):
        yield from _item(field)
    if kind.subtype == formats.SUBTYPE_CHUNK:
        yield '  APPEND_ITEM BYTES -16 BLOCK "of the encoded picture, up to the CRC"'
        yield f'  ITEM CRC16 -16 16 UINT "{plain(formats.PacketTrailer)[0].text}"'
    else:
        for field in plain(formats.PacketTrailer):
            yield from _item(field)


def _item(field: Field) -> Iterator[str]:
    kind = "BLOCK" if field.type == "bytes" else "INT" if field.type.startswith("i") else "UINT"
    yield f'  APPEND_ITEM {field.name.upper()} {8 * int(field.size or 0)} {kind} "{field.text}"'
    for value, name, _ in codes_of(field):
        yield f"    STATE {name} {value}"
    if field.name == "time":
        yield f"    POLY_READ_CONVERSION 0 {1 / 65536!r}"
        yield "    UNITS Seconds s"
