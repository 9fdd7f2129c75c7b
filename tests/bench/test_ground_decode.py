"""How fast a downlink is read, beside construct and spacepackets; compare the ratios, not the times.

pytest tests/bench/test_ground_decode.py --benchmark-only
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from framekeep_ground import formats
from framekeep_ground.decode import decode
from framekeep_ground.decoder import Decoder
from spacepackets.ecss.tm import PusTm

from tests.contract.packets import decision, decision_packet, head

FEW = 2_000  # for those that take a packet at a time
MANY = 200_000


def packets(count: int) -> list[bytes]:
    counts = ((n, decision(n, value=n % 65536, score=n % 256, reason=n % 8)) for n in range(count))
    return [decision_packet(head(100, n % 16384, n % 65536), record) for n, record in counts]


@pytest.fixture(scope="module")
def few() -> list[bytes]:
    return packets(FEW)


@pytest.fixture(scope="module")
def many() -> bytes:
    return b"".join(packets(MANY))


def per_second(benchmark: Any, packets: int) -> None:
    if benchmark.stats is not None:
        benchmark.extra_info["packets_per_second"] = round(packets / benchmark.stats["min"])


def test_decoder(benchmark: Callable[..., Any], many: bytes) -> None:
    def run() -> int:
        decoder = Decoder(lambda *_: None)
        decoder.feed(many, last=True)
        return decoder.packets["decision"]

    assert benchmark(run) == MANY
    per_second(benchmark, MANY)


def test_decode_to_tables(benchmark: Callable[..., Any], many: bytes, tmp_path: Path) -> None:
    summary = benchmark(lambda: decode([many], tmp_path / "out", "bench"))
    assert summary["decisions"] == MANY
    per_second(benchmark, MANY)


def test_construct(benchmark: Callable[..., Any], few: list[bytes]) -> None:
    parsed = benchmark(lambda: [formats.DecisionPacket.parse(packet) for packet in few])
    assert parsed[-1].data.frame_id == FEW - 1
    per_second(benchmark, FEW)


def test_spacepackets(benchmark: Callable[..., Any], few: list[bytes]) -> None:
    parsed = benchmark(lambda: [PusTm.unpack(packet, timestamp_len=7) for packet in few])
    assert parsed[-1].seq_count == FEW - 1
    per_second(benchmark, FEW)
