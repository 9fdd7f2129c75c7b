"""`fk-ground export`: the packet definitions for other ground software, from the same declarations."""

import argparse
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

from construct import Construct

from framekeep_ground import formats
from framekeep_ground.codes import ERROR_TEXT, REASON_TEXT, Error, Reason
from framekeep_ground.generate import field_table
from framekeep_ground.layout import Field, fields
from framekeep_ground.output import replacing

XTCE = "http://www.omg.org/spec/XTCE/20180204"

EPILOG = """\
examples:
  fk-ground export icd                        the field tables, Markdown
  fk-ground export xtce -o framekeep.xtce     for Yamcs, space_packet_parser, OpenMCT
"""

# The primary header as XTCE tools name it: bits, where the declarations have words.
_PRIMARY = (
    ("VERSION", 3, "packet version, 0"),
    ("TYPE", 1, "0 = telemetry"),
    ("SEC_HDR_FLG", 1, "1 = secondary header present"),
    ("PKT_APID", 11, "application process"),
    ("SEQ_FLGS", 2, "3 = unsegmented"),
    ("SRC_SEQ_CTR", 14, "counts per APID, wraps at 16384"),
    ("PKT_LEN", 16, "bytes after this field, less 1"),
)
_PRIMARY_FIELDS = 3  # of TmHeader, which these bits stand for
_PACKETS = (
    ("DecisionPacket", formats.SUBTYPE_DECISION, formats.Decision),
    ("FramePacket", formats.SUBTYPE_FRAME, formats.FrameInfo),
    ("ChunkPacket", formats.SUBTYPE_CHUNK, formats.ChunkHeader),
)


# --- ICD ------------------------------------------------------------------------------------------


def icd() -> str:
    """The field tables of the wire as one Markdown document."""
    parts = [
        "# framekeep downlink packets",
        "",
        "All integers are big-endian; offsets and sizes in bytes.",
        "",
    ]
    for entry in formats.FORMATS:
        if entry.document == formats.ICD:
            parts += [f"## {entry.name}", "", field_table(entry), ""]
    return "\n".join(parts)


# --- XTCE -----------------------------------------------------------------------------------------


def xtce() -> str:
    """The packets as an XTCE 1.2 space system."""
    ET.register_namespace("xtce", XTCE)
    system = _tag(None, "SpaceSystem", name="framekeep")
    telemetry = _tag(system, "TelemetryMetaData")
    types = _tag(telemetry, "ParameterTypeSet")
    parameters = _tag(telemetry, "ParameterSet")
    containers = _tag(telemetry, "ContainerSet")

    packet = _tag(containers, "SequenceContainer", name="CCSDSPacket", abstract="true")
    entries = _tag(packet, "EntryList")
    for name, bits, text in _PRIMARY:
        _integer_type(types, name, bits)
        _parameter(parameters, entries, name, text)

    header = _tag(containers, "SequenceContainer", name="TmHeader", abstract="true")
    entries = _tag(header, "EntryList")
    for field in _plain(formats.TmHeader)[_PRIMARY_FIELDS:]:
        _declare(types, parameters, entries, field.name, field)
    base = _tag(header, "BaseContainer", containerRef="CCSDSPacket")
    _criteria(base, VERSION=0, TYPE=0, SEC_HDR_FLG=1)

    for packet_name, subtype, struct in _PACKETS:
        container = _tag(containers, "SequenceContainer", name=packet_name)
        entries = _tag(container, "EntryList")
        for field in _plain(struct):
            _declare(types, parameters, entries, f"{packet_name}_{field.name}", field)
        if subtype == formats.SUBTYPE_CHUNK:
            _chunk_bytes(types, parameters, entries, f"{packet_name}_bytes")
        for field in _plain(formats.PacketTrailer):
            _declare(types, parameters, entries, f"{packet_name}_{field.name}", field)
        base = _tag(container, "BaseContainer", containerRef="TmHeader")
        _criteria(base, service=formats.SERVICE, subtype=subtype)

    ET.indent(system)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(system, encoding="unicode") + "\n"


def _plain(struct: Construct) -> list[Field]:
    return [field for field in fields(struct) if not field.nested]


def _tag(parent: ET.Element | None, tag: str, /, **attributes: object) -> ET.Element:
    values = {key: str(value) for key, value in attributes.items()}
    full = f"{{{XTCE}}}{tag}"
    return ET.Element(full, values) if parent is None else ET.SubElement(parent, full, values)


def _declare(types: ET.Element, parameters: ET.Element, entries: ET.Element, name: str, field: Field) -> None:
    bits = 8 * int(field.size or 0)
    if field.name in ("reason", "error"):
        _enumerated_type(types, name, bits, Reason if field.name == "reason" else Error)
    elif field.name == "time":
        _time_type(types, name, bits)
    elif field.type == "bytes":
        binary = _tag(types, "BinaryParameterType", name=f"{name}_Type")
        size = _tag(_tag(binary, "BinaryDataEncoding"), "SizeInBits")
        _tag(size, "FixedValue").text = str(bits)
    else:
        _integer_type(types, name, bits)
    _parameter(parameters, entries, name, field.text)


def _parameter(parameters: ET.Element, entries: ET.Element, name: str, text: str) -> None:
    _tag(parameters, "Parameter", name=name, parameterTypeRef=f"{name}_Type", shortDescription=text)
    _tag(entries, "ParameterRefEntry", parameterRef=name)


def _integer_type(types: ET.Element, name: str, bits: int) -> None:
    integer = _tag(types, "IntegerParameterType", name=f"{name}_Type", signed="false")
    _tag(integer, "IntegerDataEncoding", sizeInBits=bits)


def _enumerated_type(types: ET.Element, name: str, bits: int, kind: type[Reason] | type[Error]) -> None:
    texts: dict[int, str] = {int(k): v for k, v in (REASON_TEXT if kind is Reason else ERROR_TEXT).items()}
    names = {int(code): code.name for code in kind}
    if kind is Error:
        names[0], texts[0] = "OK", "nothing failed"
    enumerated = _tag(types, "EnumeratedParameterType", name=f"{name}_Type")
    encoding = "twosComplement" if kind is Error else "unsigned"
    _tag(enumerated, "IntegerDataEncoding", sizeInBits=bits, encoding=encoding)
    labels = _tag(enumerated, "EnumerationList")
    for value in sorted(names):
        _tag(labels, "Enumeration", value=value, label=names[value], shortDescription=texts[value])


def _time_type(types: ET.Element, name: str, bits: int) -> None:
    time = _tag(types, "AbsoluteTimeParameterType", name=f"{name}_Type")
    encoding = _tag(time, "Encoding", units="seconds", scale=repr(1 / 65536))
    _tag(encoding, "IntegerDataEncoding", sizeInBits=bits)
    _tag(_tag(time, "ReferenceTime"), "Epoch").text = "2000-01-01T00:00:00Z"


def _chunk_bytes(types: ET.Element, parameters: ET.Element, entries: ET.Element, name: str) -> None:
    binary = _tag(types, "BinaryParameterType", name=f"{name}_Type")
    size = _tag(_tag(_tag(binary, "BinaryDataEncoding"), "SizeInBits"), "DynamicValue")
    _tag(size, "ParameterInstanceRef", parameterRef="PKT_LEN", useCalibratedValue="false")
    _tag(size, "LinearAdjustment", slope=8, intercept=8 * (1 - formats.CHUNK_REST))
    _parameter(parameters, entries, name, "of the encoded picture")


def _criteria(base: ET.Element, **values: int) -> None:
    comparisons = _tag(_tag(base, "RestrictionCriteria"), "ComparisonList")
    for name, value in values.items():
        _tag(comparisons, "Comparison", parameterRef=name, value=value, useCalibratedValue="false")


# --- Command line ---------------------------------------------------------------------------------

FORMATS = {"icd": icd, "xtce": xtce}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `fk-ground export`."""
    parser.epilog = EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("format", choices=sorted(FORMATS), help="what the other software reads")
    parser.add_argument("-o", "--output", type=Path, help="file to write (default: standard output)")


def run(options: argparse.Namespace) -> int:
    """Write one definition; returns the exit status."""
    text = FORMATS[options.format]()
    if options.output is None:
        sys.stdout.write(text)
        return 0
    with replacing(options.output) as file:
        file.write(text)
    return 0
