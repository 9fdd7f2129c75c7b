"""The store's bench: its workload, its peer, what it reports."""

import itertools
import sys
from typing import Any

import numpy as np
import pytest
from framekeep_onboard.store import FlashEmulator, Profile
from framekeep_sim import bench, bench_store
from framekeep_sim.bench_littlefs import BLOCK, FOLDERS, SETUPS, Setup, Unavailable, Volume
from framekeep_sim.bench_littlefs import run as run_littlefs
from framekeep_sim.store_workload import SIZE, Kept, Offer, picture, workload

littlefs = pytest.importorskip("littlefs", reason="littlefs-python is not installed")
KEYS = {
    *("wa_program", "wear_max_over_mean", "wear_cv", "payload_kept"),
    *("mount_ms", "first_write_after_mount_ms", "worst_store_ms"),
}


def test_the_workload_is_the_one_that_was_agreed_on() -> None:
    x = np.uint64(1234567)
    for offer in itertools.islice(workload(1000), 1000):
        draws = []
        for _ in range(4):
            y = x
            y = np.bitwise_xor(y, np.left_shift(y, np.uint64(13)))
            y = np.bitwise_xor(y, np.right_shift(y, np.uint64(7)))
            y = np.bitwise_xor(y, np.left_shift(y, np.uint64(17)))
            x = y
            draws.append(int(y))
            if len(draws) == 3 and draws[0] % 4 != 3:
                break
        size = 2 ** (10 + draws[0] % 4) + draws[1] % 2 ** (10 + draws[0] % 4)
        if draws[0] % 4 == 3:
            size += draws[2] % 8192
        assert (offer.size, offer.value) == (size, draws[-1] % 256)
        assert len(picture(offer)) == size


def test_the_index_finds_what_a_search_finds() -> None:
    kept, rows = Kept(), dict[int, Offer]()
    for offer in workload(600):
        kept.add(offer)
        rows[next(row for row in itertools.count() if row not in rows)] = offer
        if offer.number % 3 == 2:
            least = min(rows, key=lambda row: (rows[row].value, row))
            most = min(rows, key=lambda row: (-rows[row].value, row))
            assert (kept.least(), kept.most()) == (rows[least], rows[most])
            kept.remove(rows.pop(least if offer.number % 2 else most))
            assert len(kept) == len(rows)
    assert kept.bytes == sum(o.size for o in rows.values())


@pytest.mark.parametrize("setup", SETUPS, ids=lambda s: s.name)
def test_littlefs_writes_to_our_flash_and_reads_it_back(setup: Setup) -> None:
    flash = FlashEmulator("nor", SIZE)
    volume = Volume(flash, setup, fresh=True)
    data = picture(Offer(3, 20000, 0))
    assert volume.write("one", data)
    volume.close()
    assert data[:4096] in flash.image()  # the first block of a file holds nothing else
    assert flash.counters()["erases"] >= 5
    again = Volume(flash, setup, fresh=False)
    assert again.read("one", len(data) + 1) == data


def test_a_full_littlefs_says_so_and_stays_usable() -> None:
    volume = Volume(FlashEmulator("nor", SIZE), SETUPS[0], fresh=True)
    data = picture(Offer(0, 24000, 0))
    written = 0
    while volume.write(f"f{written}", data):
        written += 1
    left = SIZE // BLOCK - 2 * (FOLDERS + 1)  # its root and each folder are a pair of blocks
    assert 0.97 < 6 * written / left <= 1  # of six blocks each; some more go to the names
    volume.remove("f0")
    assert volume.write("again", data)
    assert volume.read("again", len(data)) == data


def test_an_unknown_layout_is_refused_and_not_written_to(monkeypatch: pytest.MonkeyPatch) -> None:
    class Other(littlefs.lfs.LFSConfig):  # type: ignore[misc]
        def __init__(self, **given: Any) -> None:
            super().__init__(**given | {"read_size": 2 * given["read_size"]})

    monkeypatch.setattr(littlefs.lfs, "LFSConfig", Other)
    with pytest.raises(Unavailable, match="laid out in another way"):
        Volume(FlashEmulator("nor", SIZE), SETUPS[0], fresh=True)


def test_both_stores_are_judged_by_the_same_figures() -> None:
    ours = bench_store.run_store(Profile.PACKED, frames=1500, **bench_store.SETTINGS)
    peer = run_littlefs(SETUPS[0], 1500)
    for row in (ours, peer):
        assert row.keys() >= KEYS
        assert row["refused_by_chip"] == 0  # neither asks the chip for what it does not do
        assert 0.5 < row["payload_kept"] < 1
    assert bench_store.ratios(ours, peer).keys() == KEYS
    assert ours["payload_kept"] > peer["payload_kept"]


def test_the_report_and_its_table(capsys: pytest.CaptureFixture[str]) -> None:
    whole = bench_store.run(300)
    assert whole["profiles"].keys() == {"chain", "packed"}
    for row in whole["profiles"].values():
        assert row.keys() >= KEYS | {"worst_store_idle_ms"}
    assert whole["ratios"].keys() == {
        f"{ours}/littlefs {setup.name}" for ours in ("chain", "packed") for setup in SETUPS
    }
    bench._print("store", whole)
    told = capsys.readouterr().out
    for line in ("framekeep, chain", "framekeep, packed", "cache 512", "measured apart"):
        assert line in told
    assert "code bytes" in told and "ram bytes" in told and "{" not in told


def test_without_littlefs_the_report_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "littlefs.lfs", None)
    whole = bench_store.run(50)
    assert "pip install littlefs-python" in whole["littlefs"]["missing"]
    assert whole["ratios"] == {}
    bench._print("store", whole)
    assert "littlefs-python is not installed" in capsys.readouterr().out.replace("\n", " ")
