"""gemmlowp's fixed-point arithmetic on NumPy arrays, as TFLite Micro's int8 kernels use it.

Values are int64 arrays that hold int32 numbers; `wrap32` marks the places where C's int32 would wrap.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from framekeep_models.quantise import Multiplier

I64 = npt.NDArray[np.int64]
_INT32_MAX = (1 << 31) - 1


def wrap32(x: Any) -> I64:
    return np.asarray(x, np.int64).astype(np.int32).astype(np.int64)


def saturating_rounding_doubling_high_mul(a: Any, b: Any, bits: int = 32) -> I64:
    """The high half of 2ab, halves rounded up; only (-1) * (-1) saturates."""
    high = (np.asarray(a, np.int64) * np.asarray(b, np.int64) + (1 << (bits - 2))) >> (bits - 1)
    return np.asarray(np.minimum(high, (1 << (bits - 1)) - 1), np.int64)


def rounding_divide_by_pot(x: Any, exponent: Any) -> I64:
    """x / 2**exponent to nearest, halves away from zero."""
    x, exponent = np.asarray(x, np.int64), np.asarray(exponent, np.int64)
    mask = (np.int64(1) << exponent) - 1
    return np.asarray((x >> exponent) + ((x & mask) > (mask >> 1) + (x < 0)), np.int64)


def multiply(x: Any, mantissa: Any, shift: Any) -> I64:
    """x * mantissa * 2**(shift - 31), rounded twice: once to 32 bits, once by the remaining right shift.

    Scalars or arrays (one per channel). A left shift wraps as int32 does."""
    shift = np.asarray(shift, np.int64)
    shifted = wrap32(np.asarray(x, np.int64) << np.maximum(shift, 0))
    return rounding_divide_by_pot(
        saturating_rounding_doubling_high_mul(shifted, mantissa), np.maximum(-shift, 0)
    )


def scale(x: Any, by: Multiplier) -> I64:
    return multiply(x, by.mantissa, by.shift)


def saturating_shift_left(x: I64, exponent: int, bits: int = 32) -> I64:
    limit = 1 << (bits - 1)
    return np.asarray(np.clip(x << exponent, -limit, limit - 1), np.int64)


# --- transcendental functions; Qn.m is a raw int32 with n integer bits ---

_EXP_EIGHTH = 1895147668  # exp(-1/8) as Q0.31
_ONE_THIRD = 715827883  # 1/3 as Q0.31
_ONE = _INT32_MAX  # the nearest Q0.31 has to 1
_48_OVER_17 = 1515870810  # Q2.29
_MINUS_32_OVER_17 = -1010580540  # Q2.29
_EXP_OF_POWERS = {  # exponent k: exp(-2**k) as Q0.31
    -2: 1672461947,
    -1: 1302514674,
    0: 790015084,
    1: 290630308,
    2: 39332535,
    3: 720401,
    4: 242,
}
_mul = saturating_rounding_doubling_high_mul


def _exp_quarter(a: I64) -> I64:
    """exp(a) for a in [-1/4, 0), Q0.31: Taylor's series to the fourth order about -1/8."""
    x = a + (1 << 28)
    x2 = _mul(x, x)
    x3 = _mul(x2, x)
    x4_over_4 = rounding_divide_by_pot(_mul(x2, x2), 2)
    tail = rounding_divide_by_pot(_mul(x4_over_4 + x3, _ONE_THIRD) + x2, 1)
    return _EXP_EIGHTH + _mul(_EXP_EIGHTH, x + tail)


def exp_on_negative_values(a: I64, integer_bits: int) -> I64:
    """exp(a) for a <= 0 given as Q(integer_bits); the result is Q0.31."""
    fraction_bits = 31 - integer_bits
    quarter = 1 << (fraction_bits - 2)
    a_mod = (a & (quarter - 1)) - quarter
    result = _exp_quarter(a_mod << integer_bits)
    remainder = a_mod - a
    for exponent, factor in _EXP_OF_POWERS.items():
        if integer_bits > exponent:
            bit = 1 << (fraction_bits + exponent)
            result = np.where(remainder & bit, _mul(result, factor), result)
    if integer_bits > 5:
        result = np.where(a < -(1 << (fraction_bits + 5)), 0, result)
    return np.where(a == 0, _ONE, result)


def _half_denominator_reciprocal(a: I64) -> I64:
    """1 / ((1 + a) / 2) for a in [0, 1], Q0.31 in and Q2.29 out: three Newton-Raphson steps."""
    half_denominator = _rounding_half_sum(a, np.int64(_ONE))
    x = _48_OVER_17 + _mul(half_denominator, _MINUS_32_OVER_17)
    for _ in range(3):
        one_minus = (1 << 29) - _mul(half_denominator, x)
        x = wrap32(x + saturating_shift_left(_mul(x, one_minus), 2))
    return x


def _rounding_half_sum(a: I64, b: Any) -> I64:
    total = a + b
    return np.asarray(np.where(total >= 0, (total + 1) // 2, -((1 - total) // 2)), np.int64)


def one_over_one_plus_x(a: I64) -> I64:
    """1 / (1 + a) for a in [0, 1], Q0.31."""
    return saturating_shift_left(_half_denominator_reciprocal(a), 1)


def logistic(a: I64, integer_bits: int) -> I64:
    """1 / (1 + exp(-a)), Q0.31."""
    positive = one_over_one_plus_x(exp_on_negative_values(-np.abs(a), integer_bits))
    result = np.where(a > 0, positive, _ONE - positive)
    return np.where(a == 0, 1 << 30, result)


def tanh(a: I64, integer_bits: int) -> I64:
    """(1 - exp(-2|a|)) / (1 + exp(-2|a|)) with the sign of a, Q0.31."""
    e = exp_on_negative_values(-np.abs(a), integer_bits + 1)  # one integer bit more doubles the value
    ratio = saturating_shift_left(_half_denominator_reciprocal(e) - (1 << 29), 2)
    return np.where(a == 0, 0, np.where(a < 0, -ratio, ratio))
