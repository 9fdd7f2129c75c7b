"""fk-sim bench: rows in the shape that machines rely on, figures that hang together."""

import json
from pathlib import Path
from typing import Any

import pytest
from framekeep_sim.cli import main

ROOT = Path(__file__).resolve().parents[2]
PERSON = ROOT / "models" / "trained" / "person_96.tflite"
KEYS = {
    "model",
    "variant",
    "target",
    "instructions",
    "modelled_cycles",
    "arena_bytes",
    "stack_bytes",
    "code_bytes",
    "model_bytes",
    "microseconds",
    "litert_xnnpack_microseconds",
}


def bench(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert main(["bench", *arguments, "--json"]) == 0
    report: dict[str, Any] = json.loads(capsys.readouterr().out)
    return report


@pytest.mark.qemu
def test_a_network_is_counted_as_given_and_eliminated(capsys: pytest.CaptureFixture[str]) -> None:
    rows = bench(capsys, "nn", str(PERSON), "--target", "qemu-m4", "--target", "host")["rows"]
    assert [(r["variant"], r["target"]) for r in rows] == [
        (variant, target) for variant in ("as-given", "eliminated") for target in ("qemu-m4", "host")
    ]
    for row in rows:
        assert row.keys() >= KEYS
        on_host = row["target"] == "host"
        assert (row["instructions"] is None) == on_host
        assert (row["microseconds"] is None) != on_host
    given, eliminated = (r for r in rows if r["target"] == "qemu-m4")
    assert eliminated["instructions"] < given["instructions"]
    assert given["modelled_cycles"] > given["instructions"]


@pytest.mark.qemu
def test_layers_add_up_to_the_whole(capsys: pytest.CaptureFixture[str]) -> None:
    rows = bench(capsys, "nn", str(PERSON), "--target", "qemu-m7", "--layers")["rows"]
    whole = next(r for r in rows if r["layer"] is None and r["variant"] == "eliminated")
    layers = [r for r in rows if r["layer"] and r["variant"] == "eliminated"]
    assert sum(r["macs"] for r in layers) == whole["macs"]
    assert sum(r["instructions"] for r in layers) == pytest.approx(whole["instructions"], rel=0.02)


@pytest.mark.qemu
def test_a_whole_frame_costs_more_than_its_network(capsys: pytest.CaptureFixture[str]) -> None:
    mission = str(ROOT / "missions" / "security.toml")
    report = bench(capsys, "pipeline", "--mission", mission, "--limit", "8")
    rows = report["rows"]
    assert [r["target"] for r in rows] == ["qemu-f405", "qemu-m4", "qemu-m7", "qemu-m55"]
    network = bench(capsys, "nn", str(PERSON), "--target", "qemu-m55")["rows"][1]["instructions"]
    m55 = rows[-1]
    assert m55["instructions_per_frame"] > network

    steps = [step for step in report["steps"] if step["target"] == "qemu-m55"]
    whole = sum(step["instructions"] * step["times"] for step in steps) / m55["frames"]
    assert whole == pytest.approx(m55["instructions_per_frame"], rel=0.01), "the steps are all of it"
    recorded = json.loads(Path(mission).with_suffix(".costs.json").read_text())["steps"]
    assert [(s["target"], s["step"], s["times"]) for s in recorded] == [
        (s["target"], s["step"], s["times"]) for s in report["steps"]
    ]
    for old, new in zip(recorded, report["steps"], strict=True):
        near = pytest.approx(new["instructions"], rel=0.05)
        assert old["instructions"] == near, "fk-sim bench pipeline --record measures it again"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("nn",), "name one or more .tflite files"),
        (("codec", "x.tflite"), "takes no models"),
        (("codec", "--record"), "takes no --record"),
        (("pipeline",), "--mission"),
        (("pipeline", "--mission", "x.toml", "--limit", "0"), "--limit 0: allowed are"),
    ],
)
def test_wrong_use_is_one_line(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], says: str
) -> None:
    assert main(["bench", *arguments]) == 2
    error = capsys.readouterr().err
    assert says in error
    assert error.count("\n") == 1
