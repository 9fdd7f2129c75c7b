"""`fk-sim link`: a downlink through a radio that loses packets."""

import json
import math
import random
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from framekeep_ground.output import write_bytes
from framekeep_ground.packets import Scanner

from framekeep_sim.charts import bytes_text
from framekeep_sim.errors import UserError


@dataclass(frozen=True, slots=True)
class Heard:
    """What the ground hears of a downlink."""

    data: bytes
    packets: int  # that were sent
    lost: int
    fades: int  # stretches of lost packets


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("downlink", type=Path, metavar="DOWNLINK", help="what was sent: RUN/downlink.bin")
    parser.add_argument(
        "--loss", required=True, type=_percent, metavar="PERCENT", help="of the packets, on average"
    )
    parser.add_argument(
        "--fade",
        type=_length,
        metavar="N",
        help="packets lost one after the other, on average (default: each is lost by itself)",
    )
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="another draw of losses (default 1)")
    parser.add_argument(
        "-o", "--output", required=True, type=Path, metavar="FILE", help="file for what is heard"
    )
    parser.add_argument("--json", action="store_true", help="print the counts as one JSON object")


def _percent(text: str) -> float:
    value = _number(text)
    if not 0 <= value <= 100:
        raise ArgumentTypeError(f"{text} is no percentage; write a number from 0 to 100")
    return value / 100


def _length(text: str) -> float:
    value = _number(text)
    if not 1 <= value < math.inf:
        raise ArgumentTypeError(f"{text} is no number of packets from 1")
    return value


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def run(args: Namespace) -> int:
    try:
        sent = args.downlink.read_bytes()
    except FileNotFoundError:
        raise UserError(f"{args.downlink}: no such file; fk-sim run writes RUN/downlink.bin") from None
    heard = lose(sent, args.loss, args.fade, args.seed)
    if not heard.packets:
        raise UserError(f"{args.downlink}: no packet found; is it a framekeep downlink?")
    write_bytes(args.output, heard.data)
    if args.json:
        counts = {name: value for name, value in asdict(heard).items() if name != "data"}
        print(json.dumps(counts | {"bytes_sent": len(sent), "bytes_heard": len(heard.data)}))
    else:
        share = 100 * heard.lost / heard.packets
        print(
            f"{args.output}: {heard.lost} of {heard.packets} packets lost ({share:.1f} %) "
            f"in {heard.fades} fades, {bytes_text(len(heard.data))} heard"
        )
    return 0


def lose(sent: bytes, loss: float, fade: float | None = None, seed: int = 1) -> Heard:
    """Leave out packets: the share `loss`, in fades of so many on average; None: each by itself.

    The draws go by the packets' number, so what is appended to a downlink changes nothing before it.
    """
    batch = Scanner().feed(sent, last=True)
    spans = list(zip(batch.starts.tolist(), batch.ends.tolist(), strict=True))
    out = bytearray()
    behind = lost = fades = 0
    before = False
    for (start, end), gone in zip(spans, _fading(loss, fade, seed), strict=False):
        out += sent[behind : start if gone else end]
        behind = end
        lost += gone
        fades += gone and not before
        before = gone
    out += sent[behind:]
    return Heard(bytes(out), len(spans), lost, fades)


def _fading(loss: float, fade: float | None, seed: int) -> Iterator[bool]:
    """Of each packet in turn whether it is lost: Gilbert's chain of two states, `loss` in the long run."""
    rng = random.Random(seed)
    stay = loss if fade is None else 1 - 1 / fade  # chance that the packet behind a lost one is lost too
    if loss == 1:
        stay = begin = 1.0
    elif (begin := loss * (1 - stay) / (1 - loss)) > 1 + 1e-9:
        least = math.ceil(round(loss / (1 - loss), 6))
        raise UserError(f"--loss {100 * loss:g} needs longer fades; say --fade {least}")
    gone = rng.random() < loss
    while True:
        yield gone
        gone = rng.random() < (stay if gone else begin)
