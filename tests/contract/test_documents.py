"""What the documents show is what the code does."""

import binascii
import re
from datetime import UTC, datetime
from pathlib import Path

from framekeep_ground import formats

from tests.contract.packets import MODEL_ID, decision, decision_packet, head

ICD = (Path(__file__).resolve().parents[2] / "docs/ICD.md").read_text(encoding="utf-8")


def example() -> bytes:
    """The bytes of the worked example: the hex at the start of its indented lines."""
    lines = re.findall(r"^    ((?:[0-9a-f]{2,} )+) {2,}\S", ICD.split("## A worked example")[1], re.MULTILINE)
    return bytes.fromhex("".join(lines))


def test_the_worked_example_parses_to_what_the_text_says() -> None:
    packet = example()
    assert len(packet) == 54
    assert binascii.crc_hqx(packet, 0xFFFF) == 0, "a CRC over the whole packet gives 0"
    parsed = formats.DecisionPacket.parse(packet)
    assert (parsed.header.packet_id & 0x7FF, parsed.header.sequence & 0x3FFF, parsed.header.message) == (
        100,
        5,
        9,
    )
    moment = datetime(2026, 11, 22, 12, 0, 0, 500_000, tzinfo=UTC).timestamp() - 946_684_800
    assert parsed.header.time == moment * 65536
    assert (parsed.data.frame_id, parsed.data.size, parsed.data.value) == (7, 4242, 51400)
    assert (parsed.data.mean, parsed.data.contrast, parsed.data.error) == (112, 131, 0)
    assert (parsed.data.box.x, parsed.data.box.height) == (65536 // 4, 65536 * 3 // 8)


def test_the_flight_code_writes_the_worked_example() -> None:
    c = decision(7, size=4242, value=51400, class_index=1, score=200, mean=112, contrast=131)
    c.box, c.model_id = [16384, 8192, 32768, 24576], MODEL_ID
    assert decision_packet(head(100, 5, 9), c) == example()


def test_packet_sizes_of_the_overview() -> None:
    sizes = re.findall(r"^\| ([1-5]) \|[^|]*\|[^|]*\| (\d+)", ICD, re.MULTILINE)
    chunk = formats.TmHeader.sizeof() + formats.ChunkHeader.sizeof() + formats.PacketTrailer.sizeof()
    whole = {1: formats.DecisionPacket.sizeof(), 2: formats.FramePacket.sizeof(), 3: chunk}
    whole |= {4: formats.ThumbnailPacket.sizeof(), 5: formats.ReportPacket.sizeof()}
    assert {int(subtype): int(size) for subtype, size in sizes} == whole
    assert "`length` less 27" in ICD  # a chunk's length field counts 7 less than its packet
    assert chunk - 7 == 27


def test_lengths_of_the_search_rule() -> None:
    rule = re.search(r"whose length fits \((\d+), (\d+),\s+(\d+) to (\d+), (\d+) and (\d+)\)", ICD)
    assert rule is not None
    assert [int(n) + 7 for n in rule.groups()] == [54, 72, 35, 34 + formats.CHUNK_SIZE_MAX, 218, 32]


def test_data_of_commands_of_the_overview() -> None:
    sizes = re.findall(r"^\| (6[4-7]) \|[^|]*\|[^|]*?(\d+) bytes", ICD, re.MULTILINE)
    declared = {"65": formats.Resend, "66": formats.Delete, "67": formats.Policy}
    assert dict(sizes) == {subtype: str(struct.sizeof()) for subtype, struct in declared.items()}


def test_files_that_documents_name_are_there() -> None:
    root = Path(__file__).resolve().parents[2]
    folders = "tests|onboard|docs|missions|models|sim|ground|tools"
    missing = []
    for page in (root / "README.md", root / "CHANGELOG.md", *root.glob("docs/*.md")):
        text = page.read_text(encoding="utf-8")
        named = set(re.findall(rf"(?<![\w/.~-])(?:{folders})/[\w./*-]*\w", text))
        assert named, page.name
        missing += [f"{page.name}: {name}" for name in sorted(named) if not any(root.glob(name))]
        links = re.findall(r"\]\((?!http)([^)#]+)", text)
        missing += [f"{page.name}: {link}" for link in links if not (page.parent / link).exists()]
    assert missing == []
