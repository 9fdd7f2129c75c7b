"""The decoder's reference: one packet after another with construct, one byte further where none is."""

import binascii
from typing import Any

from construct import ConstructError
from framekeep_ground import formats

KINDS = {
    1: formats.DecisionPacket,
    2: formats.FramePacket,
    3: formats.ChunkPacket,
    4: formats.ThumbnailPacket,
    5: formats.ReportPacket,
}


def packet_at(data: bytes, at: int) -> tuple[int, Any] | None:
    """End and content of the packet that starts at `at`, None if none does."""
    if data[at] & 0xF8 != 0x08:
        return None  # not version 0, telemetry, with secondary header; said first because it is quick
    try:
        header = formats.TmHeader.parse(data[at : at + 20])
    except ConstructError:
        return None
    end = at + 7 + header.length
    right = (
        header.packet_id & 0xF800 == 0x0800
        and header.sequence & 0xC000 == 0xC000
        and (header.pus, header.service, header.p_field) == (0x20, 128, 0x2E)
        and header.subtype in KINDS
        and end <= len(data)
    )
    if not right:
        return None
    least, most = {1: (54, 54), 2: (72, 72), 3: (35, 34 + 4096), 4: (218, 218), 5: (32, 32)}[header.subtype]
    if not least <= end - at <= most or binascii.crc_hqx(data[at:end], 0xFFFF) != 0:
        return None
    return end, KINDS[header.subtype].parse(data[at:end])


def walk(data: bytes) -> list[tuple[int, int, Any]]:
    """Start, end and content of every packet of `data`."""
    found, at = [], 0
    while at < len(data):
        packet = packet_at(data, at)
        if packet is None:
            at += 1
        else:
            found.append((at, *packet))
            at = packet[0]
    return found
