"""What other ground software is given reads our packets."""

import io
from pathlib import Path
from xml.etree import ElementTree

import pytest
import space_packet_parser
from framekeep_ground import command, formats
from framekeep_ground.cli import main
from framekeep_ground.export import FORMATS, icd, xtce
from space_packet_parser.generators import ccsds_generator
from space_packet_parser.xtce.definitions import XtcePacketDefinition
from space_packet_parser.xtce.validation import validate_xtce

from tests.ground.downlinks import sent

SCHEMA = Path(space_packet_parser.__file__).parent / "xtce/schemas/SpaceSystem.xsd"


@pytest.fixture(scope="module")
def definition(tmp_path_factory: pytest.TempPathFactory) -> XtcePacketDefinition:
    path = tmp_path_factory.mktemp("xtce") / "framekeep.xtce"
    path.write_text(xtce())
    return XtcePacketDefinition.from_xtce(path)


def test_the_definition_is_valid_xtce(tmp_path: Path) -> None:
    path = tmp_path / "framekeep.xtce"
    path.write_text(xtce())
    result = validate_xtce(path, level="all", local_xsd=SCHEMA)  # OMG's schema, which the reader ships
    assert result.valid, result.errors


def test_space_packet_parser_reads_every_field(definition: XtcePacketDefinition) -> None:
    stream = io.BytesIO(b"".join(sent().packets))
    packets = [definition.parse_bytes(raw) for raw in ccsds_generator(stream)]
    assert len(packets) == len(sent().packets)
    kinds = {
        1: ("DecisionPacket", formats.DecisionPacket),
        2: ("FramePacket", formats.FramePacket),
        3: ("ChunkPacket", formats.ChunkPacket),
        4: ("ThumbnailPacket", formats.ThumbnailPacket),
        5: ("ReportPacket", formats.ReportPacket),
    }
    for packet, sent_bytes in zip(packets, sent().packets, strict=True):
        name, struct = kinds[sent_bytes[8]]
        parsed = struct.parse(sent_bytes)
        assert packet["PKT_APID"] == parsed.header.packet_id & 0x7FF
        assert packet["SRC_SEQ_CTR"] == parsed.header.sequence & 0x3FFF
        for field in ("service", "subtype", "message", "destination", "p_field", "time"):
            assert packet[field].raw_value == parsed.header[field], field
        for field, value in parsed.data.items():
            if field == "box":
                for side in ("x", "y", "width", "height"):
                    assert packet[f"{name}_box_{side}"] == value[side]
            elif not field.startswith("_"):
                assert packet[f"{name}_{field}"].raw_value == value, field
        if name == "ChunkPacket":
            assert packet["ChunkPacket_bytes"] == parsed.bytes
        assert packet[f"{name}_crc16"] == parsed.trailer.crc16


def test_codes_have_their_names(definition: XtcePacketDefinition) -> None:
    packet = definition.parse_bytes(sent().packets[2])
    assert packet["DecisionPacket_reason"] == "BRIGHT"
    assert packet["DecisionPacket_error"] == "OK"


def test_the_icd_lists_every_field_of_the_wire() -> None:
    text = icd()
    for struct in (
        formats.TmHeader,
        formats.Decision,
        formats.FrameInfo,
        formats.ChunkHeader,
        formats.Report,
    ):
        for subcon in struct.subcons:
            assert f"`{subcon.name}`" in text


def test_export_writes_a_file_or_standard_output(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "xtce", "-o", str(tmp_path / "x.xtce")]) == 0
    assert capsys.readouterr().out == ""
    assert main(["export", "xtce"]) == 0
    assert capsys.readouterr().out == (tmp_path / "x.xtce").read_text()


@pytest.mark.parametrize("kind", sorted(FORMATS))
def test_every_definition_names_every_field(kind: str) -> None:
    """What other software makes of them: tests/contract/test_interop.py."""
    text = FORMATS[kind]().lower()
    for struct in (formats.Decision, formats.FrameInfo, formats.ChunkHeader, formats.PacketTrailer):
        for subcon in struct.subcons:
            assert subcon.name in text


XTCE = "{http://www.omg.org/spec/XTCE/20180204}"


def built(name: str, values: dict[str, int | bytes]) -> bytes:
    """A telecommand put together from what the XTCE says of it."""
    root = ElementTree.fromstring(xtce())
    (meta,) = (m for m in root.iter(f"{XTCE}MetaCommand") if m.get("name") == name)
    types = {t.get("name"): t for t in root.find(f".//{XTCE}ArgumentTypeSet") or ()}
    of = {a.get("name"): types[a.get("argumentTypeRef")] for a in meta.iter(f"{XTCE}Argument")}
    data = b""
    for entry in meta.find(f".//{XTCE}EntryList") or ():
        if entry.tag == f"{XTCE}FixedValueEntry":
            data += bytes.fromhex(str(entry.get("binaryValue")))
            continue
        argument = str(entry.get("argumentRef"))
        value, said = values[argument], of[argument]
        encoding = said.find(f"{XTCE}IntegerDataEncoding")
        if encoding is not None:
            data += int(value).to_bytes(int(str(encoding.get("sizeInBits"))) // 8, "big")
        else:
            assert isinstance(value, bytes)
            assert 8 * len(value) == int(str(said.findtext(f".//{XTCE}FixedValue")))
            data += value
    return data


@pytest.mark.parametrize(
    ("wanted", "values"),
    [
        (command.ping(), {}),
        (command.resend(7, 400, 799), {"frame_id": 7, "first": 400, "last": 799}),
        (command.delete(9), {"frame_id": 9}),
        (command.policy(bytes(range(177))), {"policy": bytes(range(177))}),
    ],
)
def test_commands_from_xtce_are_ours_but_for_the_crc(
    wanted: command.Telecommand, values: dict[str, int | bytes]
) -> None:
    assert built(wanted.name, values)[:-2] == wanted.packet(100, 0)[:-2]
