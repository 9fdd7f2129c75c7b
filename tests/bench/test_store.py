"""Host time of the store beside littlefs's, each in C over the same emulated flash.

What counts on a satellite is modelled time, writes and wear: `fk-sim bench store` has those.
"""

import pytest
from framekeep_onboard.store import Profile
from framekeep_sim.bench_littlefs import SETUPS, run
from framekeep_sim.bench_store import SETTINGS, run_store

FRAMES = 2000


@pytest.mark.benchmark(group=f"{FRAMES} frames of the store's workload")
class TestWorkload:
    @pytest.mark.parametrize("profile", Profile, ids=lambda p: p.name.lower())
    def test_framekeep(self, benchmark, profile):
        row = benchmark.pedantic(run_store, (profile,), {"frames": FRAMES, **SETTINGS}, rounds=2)
        assert row["refused_by_chip"] == row["damaged"] == 0

    @pytest.mark.parametrize("setup", SETUPS, ids=lambda s: s.name)
    def test_littlefs(self, benchmark, setup):
        row = benchmark.pedantic(run, (setup, FRAMES), rounds=2)
        assert row["refused_by_chip"] == 0
