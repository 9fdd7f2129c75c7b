"""The figures of the link are consistent with what packets are."""

from framekeep_sim.bench_link import CHUNKS, LOSSES, RESTARTS, run


def test_rows_cover_every_setting_and_obey_arithmetic() -> None:
    found = run(draws=3)
    assert found["decision_packet_bytes"] == 54
    rows = found["rows"]
    assert [(row["restart_interval"], row["chunk_size"]) for row in rows] == [
        (restart, chunk) for restart in RESTARTS for chunk in CHUNKS
    ]
    for row in rows:
        packets = row["picture_bytes"] / row["chunk_size"]
        least = 100 * (34 * packets + 64) / row["picture_bytes"]  # whole packets can only be more
        assert least - 0.1 <= row["link_percent"] < least + 100 * 34 / row["picture_bytes"] + 0.1
        for loss in LOSSES:
            assert 0 <= row[f"whole_at_{loss}"] <= row[f"shown_at_{loss}"] <= 100


def test_restart_markers_are_worth_their_bytes_on_a_lossy_link() -> None:
    rows = {(row["restart_interval"], row["chunk_size"]): row for row in run(draws=5)["rows"]}
    without, with_them = rows[0, 200], rows[10, 200]
    assert with_them["picture_bytes"] < 1.02 * without["picture_bytes"]
    assert with_them["shown_at_5"] > 2 * without["shown_at_5"]
