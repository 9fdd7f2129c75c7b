"""How many of the first operators run row by row: as few as fit, or as many as save memory."""

from framekeep_models.plan import Plan, plan
from framekeep_models.program import ModelError, Program
from framekeep_models.stream import STATE_BYTES, chain


def choose_plan(program: Program, limit: int | None = None) -> Plan:
    """The plan of least memory, state included; with a `limit` the one within it that streams least."""
    sketches = [plan(program, streamed=n, tries=0) for n in range(len(chain(program)) + 1)]
    if limit is None:
        best = min(sketches, key=lambda p: p.size + p.streamed * STATE_BYTES)
        return plan(program, streamed=best.streamed)
    least = None
    for sketch in sketches:
        if sketch.bound > limit:
            continue
        full = plan(program, streamed=sketch.streamed)
        if full.size <= limit:
            return full
        least = full.size if least is None else min(least, full.size)
    if least is None:
        least = min(sketch.bound for sketch in sketches)
    raise ModelError(f"no plan within {limit:,} bytes of arena; the least is {least:,}")
