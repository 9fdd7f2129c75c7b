"""Other people's ground software, given our definitions, reads every field of our packets.

tox -e interop        needs tshark and npm on the machine
"""

import importlib.util
import json
import os
import struct
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from framekeep_ground import command, formats
from framekeep_ground.codes import Reason
from framekeep_ground.export import cosmos, kaitai, wireshark

from tests.ground.downlinks import sent

pytestmark = pytest.mark.interop

KINDS = {
    1: ("decision", formats.DecisionPacket),
    2: ("frame", formats.FramePacket),
    3: ("chunk", formats.ChunkPacket),
    4: ("thumbnail", formats.ThumbnailPacket),
    5: ("report", formats.ReportPacket),
}
PORT = 10015
COMPILE = """
const [compiler, yaml, fs] = [require("kaitai-struct-compiler"), require("js-yaml"), require("fs")];
(compiler.compile ? compiler : new compiler())
  .compile("python", yaml.load(fs.readFileSync(process.argv[1], "utf8")), null, false)
  .then(files => fs.writeFileSync(process.argv[2], files["framekeep.py"]))
  .catch(error => { console.error(String(error)); process.exit(1); });
"""


def expected(packet: bytes) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """Kind, header fields and data fields of a packet, as construct reads it."""
    kind, declared = KINDS[packet[8]]
    read = declared.parse(packet)
    header = {name: value for name, value in read.header.items() if not name.startswith("_")}
    data: dict[str, Any] = {}
    for name, value in read.data.items():
        if isinstance(value, Mapping):
            data |= {f"{name}_{k}": v for k, v in value.items() if not k.startswith("_")}
        elif not name.startswith("_"):
            data[name] = value
    if kind == "chunk":
        data["bytes"] = read.bytes
    return kind, header | {"crc16": read.trailer.crc16}, data


def capture(datagrams: list[bytes]) -> bytes:
    """A pcap file of UDP datagrams over IPv4 and Ethernet."""
    file = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
    for payload in datagrams:
        udp = struct.pack(">HHHH", 40000, PORT, 8 + len(payload), 0) + payload
        ip = struct.pack(
            ">BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, b"\x7f\0\0\1", b"\x7f\0\0\1"
        )
        frame = bytes(12) + b"\x08\x00" + ip + udp
        file += struct.pack("<IIII", 0, 0, len(frame), len(frame)) + frame
    return file


def dissected(folder: Path, datagrams: list[bytes]) -> list[dict[str, list[str]]]:
    """What tshark says of each datagram: the values of every field of ours."""
    (folder / "framekeep.lua").write_text(wireshark())
    (folder / "x.pcap").write_bytes(capture(datagrams))
    command = ["tshark", "-X", f"lua_script:{folder}/framekeep.lua", "-d", f"udp.port=={PORT},framekeep"]
    done = subprocess.run(
        [*command, "-r", str(folder / "x.pcap"), "-T", "ek"], capture_output=True, text=True, check=True
    )
    rows = [json.loads(line) for line in done.stdout.splitlines() if '"layers"' in line]
    told = []
    for row in rows:
        layers = row["layers"]["framekeep"]
        values: dict[str, list[str]] = {}
        for layer in layers if isinstance(layers, list) else [layers]:
            for name, value in layer.items():
                short = name.removeprefix("framekeep_framekeep_")
                values.setdefault(short, []).extend(value if isinstance(value, list) else [value])
        told.append(values)
    return told


def as_number(text: str) -> int:
    return int(text, 0)


def test_wireshark_reads_every_field(tmp_path: Path) -> None:
    packets = sent().packets
    told = dissected(tmp_path, list(packets))
    assert len(told) == len(packets)
    for packet, fields in zip(packets, told, strict=True):
        kind, header, data = expected(packet)
        assert as_number(fields["apid"][0]) == header["packet_id"] & 0x7FF
        assert as_number(fields["count"][0]) == header["sequence"] & 0x3FFF
        for name, value in header.items():
            assert as_number(fields[name][0]) == value, name
        for name, value in data.items():
            shown = fields["bytes" if name == "bytes" else f"{kind}_{name}"][0]
            if isinstance(value, bytes):
                assert bytes.fromhex(shown.replace(":", "")) == value, name
            else:
                assert as_number(shown) == value, name
        assert "_ws_expert" not in fields


def test_wireshark_takes_several_packets_of_a_datagram_and_marks_a_wrong_crc(tmp_path: Path) -> None:
    first, second = sent().packets[:2]
    broken = second[:20] + bytes([second[20] ^ 1]) + second[21:]
    (whole, spoilt, cut) = dissected(tmp_path, [first + second, first + broken, first + second[:-1]])
    assert [as_number(count) for count in whole["count"]] == [0, 1]
    assert "_ws_expert" not in whole
    assert "crc16_bad" in str(spoilt["_ws_expert"])
    assert [as_number(count) for count in cut["count"]] == [0]


def test_kaitai_reads_every_field(tmp_path: Path) -> None:
    (tmp_path / "framekeep.ksy").write_text(kaitai())
    parser = tmp_path / "framekeep.py"
    subprocess.run(
        ["node", "-e", COMPILE, str(tmp_path / "framekeep.ksy"), str(parser)],
        env=os.environ | {"NODE_PATH": os.environ["FRAMEKEEP_NPM"]},
        check=True,
    )
    spec = importlib.util.spec_from_file_location("framekeep", parser)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    stream = module.Framekeep.from_bytes(b"".join(sent().packets))
    assert len(stream.packets) == len(sent().packets)
    for packet, read in zip(sent().packets, stream.packets, strict=True):
        _, header, data = expected(packet)
        for name, value in header.items():
            holder = read if name in ("packet_id", "sequence", "length") else read.body
            assert getattr(holder, name) == value, name
        for name, value in data.items():
            got = getattr(read.body.data, name)
            assert (got if isinstance(got, bytes) else int(getattr(got, "value", got))) == value, name
    reasons = {r.name: r.value for r in module.Framekeep.Reason}
    assert reasons == {reason.name.lower(): int(reason) for reason in Reason}


def cosmos_target(folder: Path) -> Any:
    """What COSMOS makes of the export, without a complaint."""
    from openc3.packets.packet_config import PacketConfig  # type: ignore[import-not-found]

    path = folder / "framekeep.txt"
    path.write_text(cosmos())
    config = PacketConfig()
    config.process_file(str(path), "FRAMEKEEP")
    assert not config.warnings
    return config


def test_cosmos_reads_every_field(tmp_path: Path) -> None:
    packets = cosmos_target(tmp_path).telemetry["FRAMEKEEP"]
    for raw in sent().packets:
        kind, header, data = expected(raw)
        assert [name for name, one in packets.items() if one.identify(raw)] == [kind.upper()]
        one = packets[kind.upper()]
        one.buffer = raw
        assert one.read("PKT_APID", "RAW") == header.pop("packet_id") & 0x7FF
        assert one.read("SRC_SEQ_CTR", "RAW") == header.pop("sequence") & 0x3FFF
        assert one.read("PKT_LEN", "RAW") == header.pop("length")
        for name, value in {**header, **data}.items():
            assert one.read(name.upper(), "RAW") == value, name
        assert one.read("TIME") == header["time"] / 65536
        if kind == "decision":
            assert one.read("REASON") == Reason(data["reason"]).name


def test_cosmos_builds_every_command(tmp_path: Path) -> None:
    policy = bytes(range(177))
    wanted: dict[str, tuple[command.Telecommand, dict[str, Any]]] = {
        "PING": (command.ping(), {}),
        "RESEND": (command.resend(7, 400), {"FRAME_ID": 7, "FIRST": 400}),
        "DELETE": (command.delete(9), {"FRAME_ID": 9}),
        "POLICY": (command.policy(policy), {"POLICY": policy}),
    }
    commands = cosmos_target(tmp_path).commands["FRAMEKEEP"]
    assert commands.keys() == wanted.keys()
    for name, (ours, values) in wanted.items():
        theirs = commands[name]
        theirs.restore_defaults()
        theirs.write("SRC_SEQ_CTR", 5)
        for item, value in values.items():
            theirs.write(item, value)
        assert bytes(theirs.buffer)[:-2] == ours.packet(100, 5)[:-2], name  # the CRC is the interface's
