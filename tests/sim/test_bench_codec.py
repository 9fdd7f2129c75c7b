"""What is claimed of the encoder's cost is what the emulated core counts."""

import pytest
from framekeep_sim import bench_codec

PEER = {"jpeg GREY": 45, "jpeg YUV420": 92}  # JPEGENC on a Cortex-M4, instructions a pixel


@pytest.mark.qemu
def test_the_encoder_is_smaller_and_needs_fewer_instructions_than_jpegenc():
    result = bench_codec.run(["qemu-m4"])
    rows = [row for row in result["rows"] if row["stage"] in PEER]
    assert len(rows) == 9  # GRAY8 has no colour
    for row in rows:
        assert row["instructions_per_pixel"] < PEER[row["stage"]], row
        assert 5_000 < row["bytes"] < 15_000
    assert 5_000 < result["flash_bytes"] < 8 * 1024
    assert result["scratch_bytes"] <= 2048
    assert 0 < result["restart_interval_10_costs_percent"] < 1.5
