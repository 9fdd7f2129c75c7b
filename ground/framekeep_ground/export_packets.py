"""What every exported definition says of the downlink, taken from `formats`."""

from collections.abc import Iterator
from dataclasses import dataclass

from construct import Bytes, Construct, Struct

from framekeep_ground import formats
from framekeep_ground.codes import ERROR_TEXT, REASON_TEXT, Error, Reason
from framekeep_ground.command import header
from framekeep_ground.layout import Field, fields


@dataclass(frozen=True, slots=True)
class Packet:
    """A kind of packets: `data` follows the header, in chunks also a share of the picture."""

    name: str
    subtype: int
    data: Construct
    text: str


PACKETS = (
    Packet("DecisionPacket", formats.SUBTYPE_DECISION, formats.Decision, "why a frame was kept or not"),
    Packet(
        "FramePacket", formats.SUBTYPE_FRAME, formats.FrameInfo, "a frame of interest, its picture follows"
    ),
    Packet("ChunkPacket", formats.SUBTYPE_CHUNK, formats.ChunkHeader, "a share of an encoded picture"),
    Packet("ThumbnailPacket", formats.SUBTYPE_THUMBNAIL, formats.Thumbnail, "what the camera saw, small"),
    Packet("ReportPacket", formats.SUBTYPE_REPORT, formats.Report, "what became of a telecommand"),
)

COMMAND_TEXT = {
    "ping": "asks for a report and nothing else",
    "resend": "bytes of a picture are sent again",
    "delete": "a frame is forgotten for good",
    "policy": "a compiled mission counts until the next reset",
}
POLICY_DATA = Struct("policy" / Bytes(formats.Policy.sizeof()) * "as fk-sim policy writes it")


def command_fields(name: str) -> list[Field]:
    """What a telecommand says behind its header; a policy is handed over as it is."""
    return plain(formats.COMMAND_DATA.get(name, POLICY_DATA))


def command_header(name: str) -> list[tuple[Field, int]]:
    """The fields of a telecommand's header with what stands there, to the usual APID, count 0."""
    values = header(name, sum(int(field.size or 0) for field in command_fields(name)))
    return [(field, values[field.name]) for field in plain(formats.TcHeader)]


# The primary header as such tools name it: bits, where the declarations have words.
PRIMARY = (
    ("VERSION", 3, "packet version, 0"),
    ("TYPE", 1, "0 = telemetry"),
    ("SEC_HDR_FLG", 1, "1 = secondary header present"),
    ("PKT_APID", 11, "application process"),
    ("SEQ_FLGS", 2, "3 = unsegmented"),
    ("SRC_SEQ_CTR", 14, "counts per APID, wraps at 16384"),
    ("PKT_LEN", 16, "bytes after this field, less 1"),
)
PRIMARY_FIELDS = 3  # of TmHeader, which these bits stand for


def plain(struct: Construct) -> list[Field]:
    """The fields that hold values, those of nested structs among them."""
    return [field for field in fields(struct) if not field.nested]


def codes_of(field: Field) -> Iterator[tuple[int, str, str]]:
    """Value, name and meaning of each code of `field`; nothing for a field that holds none."""
    kind: type[Reason] | type[Error]
    if field.name == "reason":
        kind, texts = Reason, {int(code): text for code, text in REASON_TEXT.items()}
    elif field.name == "error":
        kind, texts = Error, {int(code): text for code, text in ERROR_TEXT.items()}
        texts[0] = "nothing failed"
    else:
        return
    names = {int(code): code.name for code in kind}
    for value in sorted(texts):
        yield value, names.get(value, "OK"), texts[value]
