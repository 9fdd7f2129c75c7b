"""What a run would have taken on the microcontroller, step by step."""

import shlex
from collections.abc import Mapping
from html import escape

from framekeep_ground.codes import Reason

from framekeep_sim.costs import CORE_HZ, STEPS, Costs, Step
from framekeep_sim.outcome import SCREENED, Run, reason_of
from framekeep_sim.outlook import seconds_per_frame

CORES = {  # of a core the first target on which the mission fits
    "Cortex-M4": ("qemu-f405", "qemu-m4"),
    "Cortex-M7": ("qemu-m7",),
    "Cortex-M55": ("qemu-m55",),
}
MODELLED = "Cortex-M4"  # whose cycles are


def times(run: Run) -> dict[str, int]:
    """How often each step was taken."""
    reasons = [reason_of(decision) for decision in run.played.decisions]
    return {
        "screen": len(reasons),
        "network": sum(reason not in (*SCREENED, Reason.ERROR) for reason in reasons),
        "encode": sum(bool(decision.size) for decision in run.played.decisions),
        "store": sum(reason in (Reason.KEPT, Reason.NO_ROOM) for reason in reasons),
        "record": len(reasons),
        "send": len(run.received.pictures),
    }


def by_core(costs: Costs) -> dict[str, dict[str, Step]]:
    """The steps on each core on which the mission fits."""
    found: dict[str, dict[str, Step]] = {}
    for core, targets in CORES.items():
        for target in targets:
            if core not in found and (steps := costs.of(target)):
                found[core] = steps
    return found


def milliseconds(cycles: float) -> float:
    return 1000 * cycles / CORE_HZ


def busy(run: Run, steps: Mapping[str, Step]) -> tuple[float, float]:
    """Seconds that the core would have worked, and the share of the run's time that is."""
    counted = times(run)
    cycles = sum(step.modelled_cycles * counted[name] for name, step in steps.items())
    span = len(run.shots) * seconds_per_frame(run.mission, run.played.decisions)
    return cycles / CORE_HZ, cycles / CORE_HZ / span


def sentences(run: Run) -> list[str]:
    """For people, a line each; nothing where nothing was measured."""
    steps = by_core(run.costs).get(MODELLED) if run.costs else None
    if run.costs is None or not steps:
        return []
    each = ", ".join(f"{name} {_count(step.instructions)}" for name, step in steps.items())
    seconds, share = busy(run, steps)
    return [
        f"on a {MODELLED}, instructions each: {each}",
        f"  all of this run {seconds:.1f} s at {CORE_HZ // 10**6} MHz, modelled"
        + (f", {100 * share:.2g} % of its time" if share else "")
        + f" ({run.costs.command})",
    ]


def section(run: Run) -> str:
    """The page's part."""
    if run.costs is None or not (cores := by_core(run.costs)):
        command = shlex.join(["fk-sim", "bench", "pipeline", "--mission", str(run.mission.path), "--record"])
        return (
            "<section><h2>On the microcontroller</h2><p class=dim>Not measured for this mission and model; "
            f"with QEMU and the Arm compiler:</p><pre>{escape(command)}</pre></section>"
        )
    counted = times(run)
    steps = cores.get(MODELLED, {})
    heads = "".join(f"<th class=n>{core}" for core in cores)
    rows = "".join(
        f"<tr><td>{name}<td class=dim>{escape(text)}"
        + "".join(
            f"<td class=n>{_count(its[name].instructions) if name in its else ''}" for its in cores.values()
        )
        + f"<td class=n>{_ms(steps.get(name))}<td class=n>{counted[name]}"
        for name, text in STEPS.items()
        if any(name in its for its in cores.values())
    )
    told = ""
    if steps:
        seconds, share = busy(run, steps)
        told = f"All of this run: {seconds:.1f} s of a {MODELLED} at {CORE_HZ // 10**6} MHz"
        told += f", {100 * share:.2g} % of its time. " if share else ". "
    return (
        "<section><h2>On the microcontroller</h2>"
        f"<p class=dim>{told}Instructions a frame, of <i>send</i> a picture, counted in QEMU; "
        f"milliseconds from modelled {MODELLED} cycles, without the flash chip's own time.{_small(steps)}</p>"
        f"<table><tr><th>step<th>{heads}<th class=n>ms, {CORE_HZ // 10**6} MHz<th class=n>times in this run"
        f"{rows}</table><p class=dim>Measured by</p><pre>{escape(run.costs.command)}</pre></section>"
    )


def _small(steps: Mapping[str, Step]) -> str:
    if any(step.target == "qemu-m4" for step in steps.values()):
        return " The memory of an STM32F405 is too small for this mission: measured on a board with more."
    return ""


def _count(instructions: int) -> str:
    """With its unit: 14.1 M, 46 k."""
    if instructions >= 1_000_000:
        return f"{instructions / 1e6:.1f} M"
    return f"{instructions / 1e3:.{0 if instructions >= 10_000 else 1}f} k"


def _ms(step: Step | None) -> str:
    if step is None:
        return ""
    value = milliseconds(step.modelled_cycles)
    return f"{value:.0f}" if value >= 10 else f"{value:.2g}"
