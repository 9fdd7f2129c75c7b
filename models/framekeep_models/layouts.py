"""Weights in the order in which a core's fast kernels read them.

PLAIN is the order of the .tflite. The others are read by every build, fast on the cores they are named for
and by a plain C twin elsewhere; outputs are the same bit for bit.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Self

import numpy as np
import numpy.typing as npt

from framekeep_models.fixedpoint import multiply
from framekeep_models.program import Int8Array, Int32Array

PAIRS = 1  # FK_LAYOUT_PAIRS of onboard/src/nn/pairs.h, which says what is in a stream
PLANES = 1  # FK_LAYOUT_PLANES of onboard/src/nn/planes.h
PLANES_GROUP = 4
SHIFT_MAX = 20
TAP_ORDER = (0, 2, 1, 3)
NO_CHANNEL = (0, 0, 1, 1)  # the row beside an odd last channel: its output is not kept
Int64Array = npt.NDArray[np.int64]


class Layout(Enum):
    """What `fk-models compile --layout` takes."""

    PLAIN = "plain"
    ARMV7EM = "armv7e-m"


# The fastest on each target.
FASTEST = {
    "host": Layout.PLAIN,
    "qemu-f405": Layout.ARMV7EM,
    "qemu-m4": Layout.ARMV7EM,
    "qemu-m7": Layout.ARMV7EM,
    "qemu-m55": Layout.PLAIN,
}


@dataclass(frozen=True, slots=True)
class Channels:
    """Output channels as the packed kernels want them: weights [channel][tap] and a row of the table each."""

    weights: Int8Array
    rows: Int64Array  # 2 * bias, multiplier, rounding, shift

    @classmethod
    def prepare(
        cls, weights: Int8Array, bias: Int32Array, multiplier: Int32Array, shift: Int32Array, out_zero: int
    ) -> Self | None:
        """None where a number would not fit.

        A channel whose output is the same for every input, as training leaves many, gets no weights and a
        row that gives this output: its own numbers are often out of any range.
        """
        wide = weights.astype(np.int64)
        reach = 128 * np.abs(wide).sum(axis=1)
        right = -shift.astype(np.int64)
        ends = [multiply(bias.astype(np.int64) + way * reach, multiplier, shift) for way in (-1, 1)]
        low, high = (np.clip(end + out_zero, -128, 127) for end in ends)
        steady = (low == high) & (right >= 0)
        fits = (np.abs(bias.astype(np.int64)) + reach < 1 << 29) & (right >= 1) & (right <= SHIFT_MAX)
        if not np.all(steady | fits):
            return None
        right = np.where(steady, 1, right)
        rounding = (np.int64(1) << (right - 1)) + (np.where(steady, low, out_zero) << right)
        first = np.where(steady, 0, 2 * bias.astype(np.int64))
        rows = np.stack([first, np.where(steady, 0, multiplier), rounding, right], axis=1)
        return cls(np.where(steady[:, None], np.int8(0), weights), rows.astype(np.int64))


def pack_pairs(channels: Channels | None) -> bytes | None:
    """The stream of onboard/src/nn/pairs.h; None where these numbers cannot be packed so."""
    if channels is None:
        return None
    count, taps = channels.weights.shape
    pairs = -(-count // 2)
    padded = np.zeros((2 * pairs, -(-taps // 4) * 4), np.int64)
    padded[:count, :taps] = channels.weights
    table = np.tile(NO_CHANNEL, (2 * pairs, 1))
    table[:count] = channels.rows
    both = 256 * padded[1::2] + padded[0::2]
    high = 128 * np.abs(padded[1::2]).sum(axis=1)
    if np.any(both < -(1 << 15)) or np.any(both >= 1 << 15) or np.any(high >= 1 << 23):
        return None
    steps = both.reshape(pairs, -1, 4)[:, :, TAP_ORDER].reshape(pairs, -1).astype("<i2", order="C")
    rows = table.astype("<i4").reshape(pairs, -1)
    return np.concatenate([steps.view("<i4"), rows], axis=1).tobytes()


def pack_planes(channels: Channels | None) -> bytes | None:
    """The stream of onboard/src/nn/planes.h for 3x3 windows; None where it cannot be."""
    if channels is None or channels.weights.shape[1] != 9:
        return None
    windows = channels.weights.reshape(-1, 3, 3)[:, :, (0, 1, 1, 2)].reshape(-1, 12).astype("<i2", order="C")
    return np.concatenate([windows.view("<i4"), channels.rows.astype("<i4")], axis=1).tobytes()
