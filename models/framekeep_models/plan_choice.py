"""How many of the first operators run row by row: as few as fit, or as many as save memory worth having."""

from framekeep_models.plan import Plan, plan
from framekeep_models.program import ModelError, Program
from framekeep_models.stream import STATE_BYTES, chain

WORTH = 0.75  # streaming costs some speed: what saves less than a quarter is left whole
NEAR = 1.05  # and the last few percent are not worth more of it


def choose_plan(program: Program, limit: int | None = None) -> Plan:
    """The plan of about the least memory, state included, that streams no more than pays; with a `limit` the
    one within it that streams least."""
    sketches = [plan(program, streamed=n, tries=0) for n in range(len(chain(program)) + 1)]
    if limit is None:
        costs = [p.size + p.streamed * STATE_BYTES for p in sketches]
        enough = min(costs) * NEAR if min(costs) <= costs[0] * WORTH else costs[0]
        return plan(program, streamed=next(n for n, cost in enumerate(costs) if cost <= enough))
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
