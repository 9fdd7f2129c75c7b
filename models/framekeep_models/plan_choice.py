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
    for sketch in sketches:
        if sketch.bound <= limit:
            full = plan(program, streamed=sketch.streamed)
            if full.size <= limit:
                return full
    raise ModelError(f"no plan within {limit:,} bytes of arena; the least is {_least(program, sketches):,}")


def _least(program: Program, sketches: list[Plan]) -> int:
    """What to ask for instead: a limit that is met, and not the bound below it."""
    least = min(sketch.size for sketch in sketches)
    for sketch in sorted(sketches, key=lambda p: p.bound):
        if sketch.bound < least:
            least = min(least, plan(program, streamed=sketch.streamed).size)
    return least
