"""What TFLite Micro refuses, or only a guess could compute, is refused by node and reason."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from framekeep_models.compile import compile_model
from framekeep_models.contract import Wishes
from framekeep_models.program import ModelError
from framekeep_models.tflite_writer import Writer
from framekeep_onboard import Model as Engine

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


def leaky(alpha: float) -> Make:
    def make(net: Writer) -> tuple[list[int], list[int]]:
        a, b = net.tensor((1, 256), **X), net.tensor((1, 256), **OTHER)
        net.add("LEAKY_RELU", [a], [b], alpha=alpha)
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
        one_value("LOGISTIC", np.int8, {"scale": 1 / 256, "zero_point": -128}, scale=1e-10),
        one_value("TANH", np.int8, {"scale": 1 / 128}, scale=1e-10),
        one_value("RELU6", np.int8, {"scale": 1e-10}, scale=1e-10),
        leaky(-1.0),
        leaky(1e10),
    ],
)
def test_factors_for_which_the_arithmetic_is_not_defined_are_refused(make: Make) -> None:
    net = Writer()
    inputs, outputs = make(net)
    with pytest.raises(
        ModelError,
        match=r"node 0 .*: (a multiplier of 2\^30|its scales take shifts|beta = 1 leaves|"
        r".* a scale of 1e-10, too small|alpha of )",
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


def axis_outside(name: str) -> Make:
    def make(net: Writer) -> tuple[list[int], list[int]]:
        x, y, five = net.tensor((1, 1, 4), **X), net.tensor((1, 1, 4), **X), net.constant(5, np.int32)
        if name == "CONCATENATION":
            net.add(name, [x], [y], axis=5)
        elif name == "SPLIT":
            net.add(name, [five, x], [y], num_splits=1)
        else:
            net.add(name, [x, five], [y], keep_dims=True)
        return [x], [y]

    return make


def depthwise(multiplier: int, **y: Any) -> Make:
    def make(net: Writer) -> tuple[list[int], list[int]]:
        a, b = net.tensor((1, 4, 4, 3), **X), net.tensor((1, 4, 4, 6), **(y or OTHER))
        weights = net.constant(np.ones((1, 3, 3, 6)), np.int8, scale=0.01)
        net.add(
            "DEPTHWISE_CONV_2D",
            [a, weights],
            [b],
            padding="SAME",
            depth_multiplier=multiplier,
            fused_activation_function="RELU6",
        )
        return [a], [b]

    return make


def large_pool(net: Writer) -> tuple[list[int], list[int]]:
    a, b = net.tensor((1, 260, 260, 1), **X), net.tensor((1, 1, 1, 1), **X)
    net.add("MAX_POOL_2D", [a], [b], padding="VALID", filter_height=260, filter_width=260)
    return [a], [b]


def long_mean(net: Writer) -> tuple[list[int], list[int]]:
    a, b = net.tensor((1, 3000, 3000), **X), net.tensor((1,), **X)
    net.add("MEAN", [a, net.constant([1, 2], np.int32)], [b])
    return [a], [b]


def no_values(net: Writer) -> tuple[list[int], list[int]]:
    a, b = net.tensor((1, 0), **X), net.tensor((1, 0), **X)
    net.add("RELU", [a], [b])
    return [a], [b]


def another_number(name: str, dtype: Any) -> Make:
    def make(net: Writer) -> tuple[list[int], list[int]]:
        a, b = net.tensor((1, 8), **X), net.tensor((1, 9), dtype, scale=1 / 256, zero_point=-128)
        net.add(name, [a], [b])
        return [a], [b]

    return make


def row_outside(row: int) -> Make:
    def make(net: Writer) -> tuple[list[int], list[int]]:
        a, b = net.tensor((5, 3), **X), net.tensor((3,), **X)
        bounds = [net.constant(v, np.int32) for v in ([row, 0], [row + 1, 3], [1, 1])]
        net.add("STRIDED_SLICE", [a, *bounds], [b], shrink_axis_mask=1)
        return [a], [b]

    return make


def resized_otherwise(net: Writer) -> tuple[list[int], list[int]]:
    a, b = net.tensor((1, 4, 4, 3), **X), net.tensor((1, 8, 8, 3), **X)
    net.add("RESIZE_NEAREST_NEIGHBOR", [a, net.constant([6, 6], np.int32)], [b])
    return [a], [b]


def uneven_split(net: Writer) -> tuple[list[int], list[int]]:
    a, parts = net.tensor((2, 4), **X), [net.tensor((2, n), **X) for n in (1, 3)]
    net.add("SPLIT", [net.constant(1, np.int32), a], parts, num_splits=2)
    return [a], parts


def scattered_tile(net: Writer) -> tuple[list[int], list[int]]:
    a, b = net.tensor((90, 2, 90, 2, 3), **X), net.tensor((180, 4, 180, 4, 6), **X)
    net.add("TILE", [a, net.constant([2] * 5, np.int32)], [b])
    return [a], [b]


def input_written(net: Writer) -> tuple[list[int], list[int]]:
    a = net.tensor((1, 8), **X)
    net.add("RELU", [a], [a])
    return [a], [a]


def transpose_bias(net: Writer) -> tuple[list[int], list[int]]:
    a, b = net.tensor((1, 2, 2, 3), **X), net.tensor((1, 2, 2, 3), **X)
    weights, size = (
        net.constant(np.ones((3, 1, 1, 3)), np.int8, scale=0.01),
        net.constant([1, 2, 2, 3], np.int32),
    )
    net.add("TRANSPOSE_CONV", [size, weights, a, net.constant([1, 2], np.int32)], [b], padding="SAME")
    return [a], [b]


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (axis_outside("MEAN"), "axis 5 of 3"),
        (axis_outside("SPLIT"), "axis 5 of 3"),
        (axis_outside("CONCATENATION"), "axis 5 of 3"),
        (row_outside(7), "index 7 of 5"),
        (row_outside(-6), "index -6 of 5"),
        (resized_otherwise, r"a size of \[6, 6\] does not make \[1, 8, 8, 3\]"),
        (scattered_tile, "takes 129600 copies"),
        (uneven_split, "the parts differ in size"),
        (depthwise(1), "a depth multiplier of 1 for 3 to 6 channels"),
        (depthwise(0), "a depth multiplier of 0 for 3 to 6 channels"),
        (depthwise(2, scale=1e-10), "a scale so small that its activation's end is no int32"),
        (large_pool, "a window of 260x260; at most 65536 values"),
        (long_mean, "the mean of 9000000 values"),
        (no_values, r"tensor 0 \(t0\) of shape \[1, 0\] holds no values"),
        (another_number("SOFTMAX", np.int8), r"of shape \[1, 9\] cannot hold \[1, 8\]"),
        (another_number("LOGISTIC", np.int8), r"of shape \[1, 9\] cannot hold \[1, 8\]"),
        (another_number("DEQUANTIZE", np.float32), r"of shape \[1, 9\] cannot hold \[1, 8\]"),
        (input_written, "writes an input of the model"),
        (transpose_bias, r"bias .* is int32\[2\], not int32\[3\]"),
    ],
)
def test_what_the_engine_could_not_run_is_refused_when_compiling(make: Make, says: str) -> None:
    """TFLite Micro reads beyond its tensors for some of these, the engine refused the image of others."""
    net = Writer()
    inputs, outputs = make(net)
    with pytest.raises(ModelError, match=f"^(node 0 .*: )?.*{says}"):
        compile_model(net.build(inputs, outputs))


def moved(name: str, shape: tuple[int, ...], out: tuple[int, ...]) -> bytes:
    """One operator whose output does not begin with a dimension of 1."""
    net = Writer()
    x, y = net.tensor(shape, **X), net.tensor(out, **X)
    if name == "FULLY_CONNECTED":
        weights = np.arange(-12, 12).reshape(3, 8)
        net.add(name, [x, net.constant(weights, np.int8, scale=0.05)], [y])
    elif name == "MEAN":
        net.add(name, [x, net.constant([0, 1], np.int32)], [y])
    elif name == "PAD":
        net.add(name, [x, net.constant([(1, 1), (0, 2)], np.int32)], [y])
    else:
        net.add(name, [x, x], [y])
    return net.build([x], [y])


@pytest.mark.parametrize(
    ("name", "shape", "out"),
    [
        ("FULLY_CONNECTED", (4, 8), (4, 3)),
        ("MEAN", (1, 3, 5, 7), (5, 7)),
        ("PAD", (3, 4), (5, 6)),
        ("ADD", (2, 3, 4, 5), (2, 3, 4, 5)),
    ],
)
def test_several_rows_of_an_output_fly_without_scores(
    name: str, shape: tuple[int, ...], out: tuple[int, ...]
) -> None:
    """They were taken for the classes of one picture, and the engine refused the image."""
    blob = moved(name, shape, out)
    compiled, truth = compile_model(blob), Micro(blob)
    assert compiled.contract.heads == ()
    engine = Engine(compiled.image)
    for seed in range(5):
        x = np.random.default_rng(seed).integers(-128, 128, shape).astype(np.int8)
        assert np.array_equal(engine.run(x).reshape(-1), truth.outputs([x])[0].reshape(-1))


def test_an_input_larger_than_a_frame_can_be_is_no_picture() -> None:
    net = Writer()
    x, y = net.tensor((1, 4097, 16, 1), **X), net.tensor((1, 4097, 16, 1), **OTHER)
    net.add("RELU", [x], [y])
    blob = net.build([x], [y])
    assert Engine(compile_model(blob).image).input_shapes == [(1, 4097, 16, 1)]
    with pytest.raises(ModelError, match="a picture of 4097 rows and 16 columns; at most 4096"):
        compile_model(blob, Wishes(picture=True))


@pytest.mark.parametrize("background", [-1, 6, 300])
def test_a_background_that_leaves_no_class_is_refused(background: int) -> None:
    net = Writer()
    x, y = net.tensor((1, 6), **X), net.tensor((1, 6), **OTHER)
    net.add("RELU", [x], [y])
    blob = net.build([x], [y])
    assert compile_model(blob, Wishes(background=5)).contract.class_count == 1
    with pytest.raises(ModelError, match=f"^a background of {background} channels leaves no class"):
        compile_model(blob, Wishes(background=background))
