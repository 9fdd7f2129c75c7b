"""What TFLite Micro refuses, or only a guess could compute, is refused by node and reason."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from framekeep_models.compile import compile_model
from framekeep_models.program import ModelError
from framekeep_models.tflite_writer import Writer

from tests.models.oracles import Micro

X = {"scale": 0.05, "zero_point": 3}
OTHER = {"scale": 0.1, "zero_point": -5}
POOL = {"padding": "VALID", "stride_h": 2, "stride_w": 2, "filter_height": 2, "filter_width": 2}
Make = Callable[[Writer], tuple[list[int], list[int]]]


def one_value(name: str, dtype: Any, out: dict[str, Any], **x: Any) -> Make:
    def make(net: Writer) -> tuple[list[int], list[int]]:
        a, b = net.tensor((1, 256), dtype, **x), net.tensor((1, 256), dtype, **out)
        net.add(name, [a], [b])
        return [a], [b]

    return make


def pool(name: str, dtype: Any, x: dict[str, Any], out: dict[str, Any]) -> Make:
    def make(net: Writer) -> tuple[list[int], list[int]]:
        a, b = net.tensor((1, 4, 4, 3), dtype, **x), net.tensor((1, 2, 2, 3), dtype, **out)
        net.add(name, [a], [b], **POOL)
        return [a], [b]

    return make


def scale_below_zero(net: Writer) -> tuple[list[int], list[int]]:
    a, b = net.tensor((1, 8), **X), net.tensor((1, 4), **OTHER)
    net.add("FULLY_CONNECTED", [a, net.constant(np.ones((4, 8)), np.int8, scale=-0.01)], [b])
    return [a], [b]


def concatenation(net: Writer) -> tuple[list[int], list[int]]:
    a, b = net.tensor((1, 2, 2, 4), **X), net.tensor((1, 2, 1, 4), **X)
    y = net.tensor((1, 2, 2, 8), **X)
    net.add("CONCATENATION", [a, b], [y], axis=3)
    return [a, b], [y]


def split(net: Writer) -> tuple[list[int], list[int]]:
    x = net.tensor((1, 4, 4, 4), **X)
    parts = [net.tensor((1, 2, 4, 4), **X), net.tensor((1, 2, 2, 4), **X)]
    net.add("SPLIT", [net.constant(1, np.int32), x], parts, num_splits=2)
    return [x], parts


def mean(net: Writer) -> tuple[list[int], list[int]]:
    x, y = net.tensor((1, 4, 4, 1), scale=1.0), net.tensor((1, 1), scale=1e-12)
    net.add("MEAN", [x, net.constant([1, 2], np.int32)], [y])
    return [x], [y]


def pad_of_another_zero(net: Writer) -> tuple[list[int], list[int]]:
    x, y = net.tensor((1, 4, 4, 2), **X), net.tensor((1, 6, 6, 2), **X)
    widths = net.constant([(0, 0), (1, 1), (1, 1), (0, 0)], np.int32)
    net.add("PADV2", [x, widths, net.constant([20], np.int8, **OTHER)], [y])
    return [x], [y]


BYTES = {"scale": 0.05, "zero_point": 100}
REFUSED: dict[str, tuple[Make, str]] = {
    "uint8 RELU": (one_value("RELU", np.uint8, BYTES, **BYTES), "is uint8, not int8: put a QUANTIZE"),
    "uint8 pool": (pool("AVERAGE_POOL_2D", np.uint8, BYTES, BYTES), "is uint8, not int8: put a QUANTIZE"),
    "mean to another scale": (pool("AVERAGE_POOL_2D", np.int8, X, OTHER), "differ in scale or zero point"),
    "maximum to another scale": (pool("MAX_POOL_2D", np.int8, X, OTHER), "differ in scale or zero point"),
    "weights of a scale below 0": (scale_below_zero, "have a scale below 0"),
    "a pad of another scale": (pad_of_another_zero, "differ in scale or zero point"),
    "LOGISTIC from another zero": (
        one_value("LOGISTIC", np.int8, {"scale": 1 / 256, "zero_point": 0}, **X),
        "has zero point 0, not -128",
    ),
    "HARD_SWISH to a tiny scale": (
        one_value("HARD_SWISH", np.int8, {"scale": 0.01}, scale=3.0),
        "so small that TensorFlow Lite refuses it",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_tflite_micro_refuses_is_refused(what: str) -> None:
    make, says = REFUSED[what]
    net = Writer()
    inputs, outputs = make(net)
    blob = net.build(inputs, outputs)
    with pytest.raises(ModelError, match=f"node 0 .*{says}"):
        compile_model(blob)
    with pytest.raises(RuntimeError):
        micro = Micro(blob)
        micro.outputs([np.zeros(micro.model.tensors[i].shape, micro.model.tensors[i].dtype) for i in inputs])


@pytest.mark.parametrize("make", [concatenation, split])
def test_parts_that_do_not_make_the_whole_are_refused(make: Make) -> None:
    net = Writer()
    inputs, outputs = make(net)
    with pytest.raises(ModelError, match=r"node 0 .*: the parts do not make \[1, .*\]"):
        compile_model(net.build(inputs, outputs))


@pytest.mark.parametrize(
    "make",
    [
        mean,
        one_value("QUANTIZE", np.int8, {"scale": 1e-12}, scale=1.0),
        one_value("HARD_SWISH", np.int8, {"scale": 1000.0}, scale=1.0),
        one_value("HARD_SWISH", np.int8, {"scale": 1e-9}, scale=1e-9),
        one_value("SOFTMAX", np.int8, {"scale": 1 / 256, "zero_point": -128}, scale=1e-12),
    ],
)
def test_factors_for_which_the_arithmetic_is_not_defined_are_refused(make: Make) -> None:
    net = Writer()
    inputs, outputs = make(net)
    with pytest.raises(
        ModelError, match=r"node 0 .*: (a multiplier of 2\^30|its scales take shifts|beta = 1 leaves)"
    ):
        compile_model(net.build(inputs, outputs))


def test_a_reshape_between_two_scales_is_refused_as_every_other_move() -> None:
    """TFLite Micro moves the bytes and what follows takes them for other values: no model means that."""
    net = Writer()
    x, y = net.tensor((1, 2, 2, 4), **X), net.tensor((1, 16), **OTHER)
    net.add("RESHAPE", [x, net.constant([1, 16], np.int32)], [y], new_shape=(1, 16))
    with pytest.raises(ModelError, match=r"node 0 RESHAPE: .* differ in scale or zero point"):
        compile_model(net.build([x], [y]))


@pytest.mark.parametrize("end", ["input", "output"])
def test_uint8_at_the_ends_becomes_int8_with_a_note(end: str) -> None:
    net = Writer()
    signed = {"scale": 0.05, "zero_point": -28}
    x = net.tensor((1, 16), np.uint8 if end == "input" else np.int8, **(BYTES if end == "input" else signed))
    y = net.tensor((1, 16), np.int8 if end == "input" else np.uint8, **(signed if end == "input" else BYTES))
    net.add("QUANTIZE", [x], [y])
    assert f"the uint8 {end}" in " ".join(compile_model(net.build([x], [y])).notes)
