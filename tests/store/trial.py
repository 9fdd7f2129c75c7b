"""Runs the C trial of a store: random or exhaustive power cuts against a table of promises."""

from __future__ import annotations

from dataclasses import dataclass

from framekeep_onboard._fk import ffi, lib

# Small regions: few segments fill, turn over and wear fastest.
REGIONS = {"nor": 1 << 16, "nor-page": 1 << 17, "l4": 1 << 15, "u5": 1 << 17, "h7": 1 << 20, "f4": 0,
    "tiny": 1 << 14, "tiny-ecc": 1 << 14, "tiny-mixed": 0,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a trial saw. `failure` is empty when every promise was kept."""

    failure: str
    cuts: int
    mounts: int
    appended: int
    refused: int
    evicted: int
    deleted: int
    checked: int
    failed: int
    retired: int
    doomed: int
    operations: int


def _config(chip: str, **settings: int) -> tuple[object, object]:
    config = ffi.new("fk_trial_config *")
    name = ffi.new("char[]", chip.encode())
    config.chip, config.size = name, REGIONS[chip]
    config.slots, config.max_picture, config.log_segments = 64, 6000, 3
    config.first_id, config.seed, config.steps = 1, 1, 1000
    for key, value in settings.items():
        setattr(config, key, value)
    return config, name


def _verdict(report: object) -> Verdict:
    r = report
    return Verdict(
        ffi.string(r.failure).decode(),  # type: ignore[attr-defined]
        *(int(getattr(r, k)) for k in ("cuts", "mounts", "appended", "refused", "evicted", "deleted")),
        *(int(getattr(r, k)) for k in ("checked", "failed", "retired", "doomed", "operations")),
    )


def walk(chip: str, **settings: int) -> Verdict:
    """Random calls, resets and cuts."""
    config, _name = _config(chip, **settings)
    report = ffi.new("fk_trial_report *")
    lib.fk_trial_walk(config, report)
    return _verdict(report)


def exhaust(chip: str, **settings: int) -> Verdict:
    """A script, cut at every program and erase in every way."""
    config, _name = _config(chip, **settings)
    report = ffi.new("fk_trial_report *")
    lib.fk_trial_exhaust(config, report)
    return _verdict(report)
