"""`fk-ground export cosmos`: telemetry definitions for OpenC3 COSMOS.

COSMOS tells the packets apart by service and subtype, so the mission's choice
of application process ids does not matter.
"""

from collections.abc import Iterator

from framekeep_ground import formats
from framekeep_ground.export_packets import PACKETS, PRIMARY, PRIMARY_FIELDS, Packet, codes_of, plain
from framekeep_ground.layout import Field

_IDENTIFIED_BY = ("service", "subtype")


def cosmos() -> str:
    """The text of a target's cmd_tlm file."""
    return "\n".join(line for kind in PACKETS for line in (*_packet(kind), ""))


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
