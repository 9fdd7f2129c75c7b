"""`fk-ground export xtce`: for Yamcs, space_packet_parser, OpenMCT."""

from xml.etree import ElementTree as ET

from framekeep_ground import formats
from framekeep_ground.export_packets import (
    COMMAND_TEXT,
    PACKETS,
    PRIMARY,
    PRIMARY_FIELDS,
    codes_of,
    command_fields,
    command_header,
    plain,
)
from framekeep_ground.layout import Field

XTCE = "http://www.omg.org/spec/XTCE/20180204"


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
    for name, bits, text in PRIMARY:
        _integer_type(types, name, bits)
        _parameter(parameters, entries, name, text)

    header = _tag(containers, "SequenceContainer", name="TmHeader", abstract="true")
    entries = _tag(header, "EntryList")
    for field in plain(formats.TmHeader)[PRIMARY_FIELDS:]:
        _declare(types, parameters, entries, field.name, field)
    base = _tag(header, "BaseContainer", containerRef="CCSDSPacket")
    _criteria(base, VERSION=0, TYPE=0, SEC_HDR_FLG=1)

    for kind in PACKETS:
        packet_name, subtype, struct = kind.name, kind.subtype, kind.data
        container = _tag(containers, "SequenceContainer", name=packet_name)
        entries = _tag(container, "EntryList")
        for field in plain(struct):
            _declare(types, parameters, entries, f"{packet_name}_{field.name}", field)
        if subtype == formats.SUBTYPE_CHUNK:
            _chunk_bytes(types, parameters, entries, f"{packet_name}_bytes")
        for field in plain(formats.PacketTrailer):
            _declare(types, parameters, entries, f"{packet_name}_{field.name}", field)
        base = _tag(container, "BaseContainer", containerRef="TmHeader")
        _criteria(base, service=formats.SERVICE, subtype=subtype)

    _commands(_tag(system, "CommandMetaData"))
    ET.indent(system)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(system, encoding="unicode") + "\n"


def _commands(meta: ET.Element) -> None:
    """The telecommands: a fixed header, then what is asked. Sequence count and CRC, here 0, are the link's to
    fill in."""
    types = _tag(meta, "ArgumentTypeSet")
    commands = _tag(meta, "MetaCommandSet")
    for name in formats.COMMANDS:
        command = _tag(commands, "MetaCommand", name=name, shortDescription=COMMAND_TEXT[name])
        asked = command_fields(name)
        arguments = _tag(command, "ArgumentList") if asked else None
        container = _tag(command, "CommandContainer", name=name)
        entries = _tag(container, "EntryList")
        for field, value in command_header(name):
            _fixed(entries, field, value)
        for field in asked:
            _argument_type(types, f"{name}_{field.name}_Type", field)
            _tag(
                arguments, "Argument", name=field.name, argumentTypeRef=f"{name}_{field.name}_Type",
                shortDescription=field.text,
            )  # fmt: skip
            _tag(entries, "ArgumentRefEntry", argumentRef=field.name)
        for field in plain(formats.PacketTrailer):
            _fixed(entries, field, 0)


def _fixed(entries: ET.Element, field: Field, value: int) -> None:
    size = int(field.size or 0)
    hexadecimal = value.to_bytes(size, "big").hex().upper()
    _tag(entries, "FixedValueEntry", name=field.name, binaryValue=hexadecimal, sizeInBits=8 * size)


def _argument_type(types: ET.Element, name: str, field: Field) -> None:
    bits = 8 * int(field.size or 0)
    if field.type == "bytes":
        binary = _tag(types, "BinaryArgumentType", name=name)
        size = _tag(_tag(binary, "BinaryDataEncoding"), "SizeInBits")
        _tag(size, "FixedValue").text = str(bits)
    else:
        integer = _tag(types, "IntegerArgumentType", name=name, signed="false")
        _tag(integer, "IntegerDataEncoding", sizeInBits=bits)


def _tag(parent: ET.Element | None, tag: str, /, **attributes: object) -> ET.Element:
    values = {key: str(value) for key, value in attributes.items()}
    full = f"{{{XTCE}}}{tag}"
    return ET.Element(full, values) if parent is None else ET.SubElement(parent, full, values)


def _declare(types: ET.Element, parameters: ET.Element, entries: ET.Element, name: str, field: Field) -> None:
    bits = 8 * int(field.size or 0)
    if field.name in ("reason", "error"):
        _enumerated_type(types, name, bits, field)
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


def _enumerated_type(types: ET.Element, name: str, bits: int, field: Field) -> None:
    enumerated = _tag(types, "EnumeratedParameterType", name=f"{name}_Type")
    encoding = "twosComplement" if field.type == "i8" else "unsigned"
    _tag(enumerated, "IntegerDataEncoding", sizeInBits=bits, encoding=encoding)
    labels = _tag(enumerated, "EnumerationList")
    for value, label, text in codes_of(field):
        _tag(labels, "Enumeration", value=value, label=label, shortDescription=text)


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
