"""How TFLite Micro turns real-valued scales into the integers its int8 kernels compute with.

Every kernel multiplies by a *real* number once per output: a ratio of scales. TFLite Micro writes that
ratio as `mantissa * 2**(shift - 31)` with a 31-bit mantissa. The outputs are only equal bit for bit when
these integers are, and those depend on where float32 ends and double begins in each operator's preparation.
So each rule stands here once: the compiler and the NumPy twin both import it.

A scale is taken as the float32 it is stored as; `float(scale)` widens it exactly. All divisions are in
double unless `np.float32` appears.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

INT8_MIN, INT8_MAX = -128, 127
ADD_LEFT_SHIFT = 20  # ADD and SUB align both operands at 2**20 before summing
SOFTMAX_INTEGER_BITS = 5  # differences of logits are Q5.26
SOFTMAX_SUM_BITS = 12  # their exponentials are summed as Q12.19
SIGMOID_INTEGER_BITS = 4  # LOGISTIC and TANH take Q4.27


class Multiplier(NamedTuple):
    """A real factor `mantissa * 2**(shift - 31)`; mantissa is 0 or in [2**30, 2**31)."""

    mantissa: int
    shift: int


class AddParams(NamedTuple):
    """ADD and SUB: each operand is scaled at 2**20, the sum comes back by `output`."""

    input1: Multiplier
    input2: Multiplier
    output: Multiplier


class SoftmaxParams(NamedTuple):
    scale: Multiplier  # difference of logits -> Q5.26
    diff_min: int  # differences below this have no weight at all


class SigmoidParams(NamedTuple):
    scale: Multiplier  # input minus zero point -> Q4.27
    radius: int  # at this distance from the zero point the output saturates


class HardSwishParams(NamedTuple):
    output_mantissa: int  # 16-bit
    output_shift: int  # <= 0
    reluish_mantissa: int  # 16-bit
    reluish_shift: int


def round_away(x: float) -> int:
    """To nearest, halves away from zero, as C's round()."""
    return int(math.copysign(math.floor(abs(x) + 0.5), x))


def quantize_multiplier(real: float) -> Multiplier:
    """The integers for a real factor. Below 2**-32 it becomes zero: every bit would be shifted out."""
    if real == 0.0:
        return Multiplier(0, 0)
    fraction, shift = math.frexp(real)
    mantissa = round_away(fraction * (1 << 31))
    if mantissa == 1 << 31:
        mantissa, shift = mantissa // 2, shift + 1
    return Multiplier(0, 0) if shift < -31 else Multiplier(mantissa, shift)


def rescale_multiplier(in_scale: float, out_scale: float) -> Multiplier:
    """RELU, QUANTIZE, LEAKY_RELU's and PRELU's positive side."""
    return quantize_multiplier(float(in_scale) / float(out_scale))


def conv_multipliers(
    in_scale: float, filter_scales: Sequence[float], out_scale: float, channels: int
) -> list[Multiplier]:
    """CONV_2D, DEPTHWISE_CONV_2D, TRANSPOSE_CONV and per-channel FULLY_CONNECTED: one per output channel."""
    scales = list(filter_scales) if len(filter_scales) > 1 else [filter_scales[0]] * channels
    return [quantize_multiplier(float(in_scale) * float(s) / float(out_scale)) for s in scales]


def fully_connected_multiplier(in_scale: float, filter_scale: float, out_scale: float) -> Multiplier:
    """Per-tensor FULLY_CONNECTED. Unlike the convolutions it multiplies the two scales in float32."""
    product = np.float32(in_scale) * np.float32(filter_scale)
    return quantize_multiplier(float(product) / float(out_scale))


def add_params(in1_scale: float, in2_scale: float, out_scale: float) -> AddParams:
    """Both inputs relative to twice the larger scale. `output` must stay below one, or TFLite Micro stops."""
    twice_max = 2.0 * max(float(in1_scale), float(in2_scale))
    return AddParams(
        quantize_multiplier(float(in1_scale) / twice_max),
        quantize_multiplier(float(in2_scale) / twice_max),
        quantize_multiplier(twice_max / ((1 << ADD_LEFT_SHIFT) * float(out_scale))),
    )


def mul_multiplier(in1_scale: float, in2_scale: float, out_scale: float) -> Multiplier:
    return quantize_multiplier(float(in1_scale) * float(in2_scale) / float(out_scale))


def leaky_multiplier(in_scale: float, alpha: float, out_scale: float) -> Multiplier:
    """The negative side of LEAKY_RELU (alpha from the options) and PRELU (alpha is the constant's scale)."""
    return quantize_multiplier(float(in_scale) * float(np.float32(alpha)) / float(out_scale))


def mean_multiplier(in_scale: float, out_scale: float, count: int) -> Multiplier:
    """MEAN folds 1/count into the mantissa (truncated), scaled up first by a power of two <= count."""
    mantissa, shift = rescale_multiplier(in_scale, out_scale)
    up = min(count.bit_length() - 1, 32, 31 + shift)
    return Multiplier((mantissa << up) // count, shift - up)


def _input_radius(integer_bits: int, left_shift: int) -> int:
    """The largest distance whose scaled value still fits in `integer_bits`."""
    return math.floor(((1 << integer_bits) - 1) * float(1 << (31 - integer_bits)) / float(1 << left_shift))


def softmax_params(in_scale: float, beta: float) -> SoftmaxParams:
    factor = float(np.float32(beta)) * float(in_scale) * (1 << (31 - SOFTMAX_INTEGER_BITS))
    scale = quantize_multiplier(min(factor, (1 << 31) - 1.0))
    return SoftmaxParams(scale, -_input_radius(SOFTMAX_INTEGER_BITS, scale.shift))


def sigmoid_params(in_scale: float) -> SigmoidParams:
    """LOGISTIC and TANH."""
    scale = quantize_multiplier(float(in_scale) * (1 << (31 - SIGMOID_INTEGER_BITS)))
    return SigmoidParams(scale, _input_radius(SIGMOID_INTEGER_BITS, max(scale.shift, 0)))


def _to_int16(mantissa: int) -> int:
    """A 31-bit mantissa rounded to 15 bits, saturating."""
    return min((mantissa + (1 << 15)) >> 16, (1 << 15) - 1)


def hard_swish_params(in_scale: float, out_scale: float) -> HardSwishParams:
    """All in float32: the input at 1/128 of its scale, and the 'reluish' gate where 3.0 becomes 2**15."""
    hires = np.float32(1.0 / 128.0) * np.float32(in_scale)
    output = quantize_multiplier(float(hires / np.float32(out_scale)))
    reluish = quantize_multiplier(float(hires / np.float32(3.0 / 32768.0)))
    return HardSwishParams(
        _to_int16(output.mantissa), output.shift, _to_int16(reluish.mantissa), reluish.shift
    )


def quantize_value(value: float, scale: float, zero_point: int) -> int:
    """Where a real constant such as 6.0 lies on a tensor's scale, computed in float32; not clamped."""
    return zero_point + round_away(float(np.float32(value) / np.float32(scale)))


def activation_range(activation: str, scale: float, zero_point: int) -> tuple[int, int]:
    """The clamp a fused activation leaves on an int8 output."""
    low, high = INT8_MIN, INT8_MAX
    if activation in ("RELU", "RELU6"):
        low = max(low, quantize_value(0.0, scale, zero_point))
    if activation == "RELU6":
        high = min(high, quantize_value(6.0, scale, zero_point))
    if activation == "RELU_N1_TO_1":
        low = max(low, quantize_value(-1.0, scale, zero_point))
        high = min(high, quantize_value(1.0, scale, zero_point))
    return low, high
