"""Graphs that the compiler rewrites, or lowers to copies, still compute what the file says."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from framekeep_models import reference
from framekeep_models.compile import compile_model
from framekeep_models.contract import Wishes
from framekeep_models.tflite_model import load
from framekeep_models.tflite_simplify import simplify
from framekeep_models.tflite_writer import Writer
from framekeep_models.verify import verify

from tests.models.oracles import BUILTIN, REFERENCE, Lite, Micro

X = {"scale": 0.05, "zero_point": -9}
Y = {"scale": 0.2, "zero_point": 11}


def noise(shape: Sequence[int], seed: int = 1) -> Any:
    return np.random.default_rng(seed).integers(-128, 128, shape).astype(np.int8)


def weights(net: Writer, shape: tuple[int, ...], axis: int) -> list[int]:
    rng = np.random.default_rng(2)
    scales = rng.uniform(0.005, 0.02, shape[axis]).astype(np.float32)
    bias = rng.integers(-500, 500, shape[axis])
    return [
        net.constant(rng.integers(-127, 128, shape), np.int8, scale=scales, axis=axis),
        net.constant(bias, np.int32, scale=scales * np.float32(X["scale"])),
    ]


def batched(pads: Any, crops: Any, size: int, out: int, depthwise: bool) -> bytes:
    """A 3x3 convolution dilated by two, as SPACE_TO_BATCH_ND, convolution, BATCH_TO_SPACE_ND."""
    net = Writer()
    half = (size + sum(pads)) // 2
    x = net.tensor((1, size, size, 4), **X)
    dealt = net.tensor((4, half, half, 4), **X)
    folded = net.tensor((4, half - 2, half - 2, 4), **Y)
    y = net.tensor((1, out, out, 4), **Y)
    block = net.constant([2, 2], np.int32)
    net.add("SPACE_TO_BATCH_ND", [x, block, net.constant([pads, pads], np.int32)], [dealt])
    if depthwise:
        constants = weights(net, (1, 3, 3, 4), 3)
        net.add("DEPTHWISE_CONV_2D", [dealt, *constants], [folded], padding="VALID")
    else:
        constants = weights(net, (4, 3, 3, 4), 0)
        net.add("CONV_2D", [dealt, *constants], [folded], padding="VALID", fused_activation_function="RELU")
    net.add("BATCH_TO_SPACE_ND", [folded, block, net.constant([crops, crops], np.int32)], [y])
    return net.build([x], [y])


@pytest.mark.parametrize("depthwise", [False, True], ids=["conv", "depthwise"])
@pytest.mark.parametrize(
    ("geometry", "becomes"),  # pads, crops, side of the input, side of the output
    [
        (((2, 2), (0, 0), 8, 8), ["CONV"]),  # SAME
        (((2, 3), (0, 1), 7, 7), ["CONV"]),  # SAME of an odd side: one row more, cropped again
        (((0, 0), (0, 0), 8, 4), ["CONV"]),  # VALID
        (((3, 1), (0, 0), 8, 8), ["PAD", "CONV"]),  # neither
        (((4, 2), (1, 0), 8, 9), ["PAD", "CONV"]),  # cropped ahead
    ],
)
def test_a_convolution_between_batches_becomes_a_dilated_one(
    geometry: Any, becomes: list[str], depthwise: bool
) -> None:
    """LiteRT is the truth here: TFLite Micro's SPACE_TO_BATCH_ND pads with 0 and not with the zero point."""
    pads, crops, size, out = geometry
    blob = batched(pads, crops, size, out, depthwise)
    model = load(blob)
    x = noise((1, size, size, 4))
    expected = reference.outputs(model, x)[0]
    np.testing.assert_array_equal(Lite(blob, REFERENCE).outputs([x])[0], expected)
    simple, notes = simplify(model)
    names = [op.name for op in simple.operators]
    assert [n.replace("DEPTHWISE_CONV_2D", "CONV").replace("CONV_2D", "CONV") for n in names] == becomes
    assert len(notes) == 1 and "dilated by 2x2" in notes[0]
    np.testing.assert_array_equal(reference.outputs(simple, x)[0], expected)
    result = verify(blob)
    assert result.passed and result.tensors == 2  # input and output; those between are gone


@pytest.mark.parametrize("read_elsewhere", ["dealt", "folded"])
def test_batches_that_others_read_are_left_alone(read_elsewhere: str) -> None:
    net = Writer()
    x = net.tensor((1, 8, 8, 4), **X)
    dealt, folded = net.tensor((4, 6, 6, 4), **X), net.tensor((4, 4, 4, 4), **Y)
    y = net.tensor((1, 8, 8, 4), **Y)
    block, pads = net.constant([2, 2], np.int32), net.constant([(2, 2), (2, 2)], np.int32)
    net.add("SPACE_TO_BATCH_ND", [x, block, pads], [dealt])
    net.add("CONV_2D", [dealt, *weights(net, (4, 3, 3, 4), 0)], [folded], padding="VALID")
    net.add("BATCH_TO_SPACE_ND", [folded, block, net.constant([(0, 0), (0, 0)], np.int32)], [y])
    model = load(net.build([x], [y, {"dealt": dealt, "folded": folded}[read_elsewhere]]))
    assert simplify(model)[1] == []


def test_a_convolution_in_groups_is_computed_with_zeros_between_them() -> None:
    net = Writer()
    x, y = net.tensor((1, 6, 6, 6), **X), net.tensor((1, 6, 6, 9), **Y)
    net.add("CONV_2D", [x, *weights(net, (9, 3, 3, 2), 0)], [y], padding="SAME")
    blob = net.build([x], [y])
    picture = noise((1, 6, 6, 6))
    np.testing.assert_array_equal(
        reference.outputs(load(blob), picture)[0], Lite(blob, BUILTIN).outputs([picture])[0]
    )
    assert "3 groups" in simplify(load(blob))[1][0]
    assert verify(blob).passed


@pytest.mark.parametrize("keep", [False, True])
def test_reduce_max_over_the_map_is_a_pool(keep: bool) -> None:
    net = Writer()
    x = net.tensor((1, 5, 4, 3), **X)
    y = net.tensor((1, 1, 1, 3) if keep else (1, 3), **X)
    net.add("REDUCE_MAX", [x, net.constant([1, 2], np.int32)], [y], keep_dims=keep)
    blob = net.build([x], [y])
    picture = noise((1, 5, 4, 3))
    np.testing.assert_array_equal(
        reference.outputs(load(blob), picture)[0], Micro(blob).outputs([picture])[0]
    )
    assert verify(blob).passed


@pytest.mark.parametrize("times", [(1, 2, 1, 1), (1, 1, 3, 1), (1, 2, 2, 1), (1, 1, 1, 4), (1, 3, 2, 2)])
def test_tile_repeats(times: tuple[int, ...]) -> None:
    net = Writer()
    shape = (1, 3, 2, 5)
    x = net.tensor(shape, **X)
    y = net.tensor(tuple(np.multiply(shape, times)), **X)
    net.add("TILE", [x, net.constant(times, np.int32)], [y])
    blob = net.build([x], [y])
    picture = noise(shape)
    np.testing.assert_array_equal(
        Lite(blob, BUILTIN).outputs([picture])[0], reference.outputs(load(blob), picture)[0]
    )
    assert verify(blob).passed


def test_expand_dims_and_tile_double_a_picture_as_keras_does_it() -> None:
    net = Writer()
    x, wide = net.tensor((1, 3, 4, 2), **X), net.tensor((1, 3, 1, 4, 2), **X)
    twice, y = net.tensor((1, 3, 2, 4, 2), **X), net.tensor((1, 6, 4, 2), **X)
    net.add("EXPAND_DIMS", [x, net.constant(2, np.int32)], [wide])
    net.add("TILE", [wide, net.constant([1, 1, 2, 1, 1], np.int32)], [twice])
    net.add("RESHAPE", [twice, net.constant([1, 6, 4, 2], np.int32)], [y], new_shape=(1, 6, 4, 2))
    blob = net.build([x], [y])
    picture = noise((1, 3, 4, 2))
    np.testing.assert_array_equal(reference.outputs(load(blob), picture)[0], picture.repeat(2, axis=1))
    assert verify(blob).passed
    assert compile_model(blob).report["operators"] == 1  # only the copy is left


def test_a_relu6_that_tflite_micro_does_not_rescale_is_noted() -> None:
    net = Writer()
    x, y = net.tensor((1, 256), **X), net.tensor((1, 256), **Y)
    net.add("RELU6", [x], [y])
    blob = net.build([x], [y])
    every = np.arange(-128, 128).astype(np.int8)
    np.testing.assert_array_equal(Micro(blob).outputs([every])[0], reference.outputs(load(blob), every)[0])
    assert verify(blob).passed
    assert any("RELU6" in note and "LiteRT does not" in note for note in compile_model(blob).notes)


@pytest.mark.parametrize("cut", [(1, 4, 8, 2), (1, 4, 2, 8), (1, 2, 8, 4)])
def test_dead_channels_before_a_reshape_that_cuts_channels_apart(cut: tuple[int, ...]) -> None:
    net = Writer()
    x, y = net.tensor((1, 4, 4, 3), **X), net.tensor((1, 4, 4, 4), scale=0.2, zero_point=-128)
    scales = np.full(4, 0.01, np.float32)
    values = noise((4, 1, 1, 3))
    values[1] = 0  # always the same, not the zero point
    bias = np.array([0, 900, -(2**20), 40], np.int32)  # and another saturates at it
    constants = [
        net.constant(values, np.int8, scale=scales, axis=0),
        net.constant(bias, scale=scales * np.float32(X["scale"])),
    ]
    net.add("CONV_2D", [x, *constants], [y], padding="SAME", fused_activation_function="RELU")
    seen = net.tensor(cut, scale=0.2, zero_point=-128)
    net.add("RESHAPE", [y, net.constant(cut, np.int32)], [seen], new_shape=cut)
    out = net.tensor((*cut[:3], 5), scale=3.0, zero_point=0)
    net.add("CONV_2D", [seen, *weights(net, (5, 3, 3, cut[3]), 0)], [out], padding="SAME")
    blob = net.build([x], [out])
    assert verify(blob).passed


def test_batches_of_another_scale_are_left_alone() -> None:
    """SPACE_TO_BATCH_ND moves bytes: the convolution counts from the zero point that its own input names."""
    net = Writer()
    x, y = net.tensor((1, 8, 8, 4), **X), net.tensor((1, 8, 8, 4), **Y)
    dealt, folded = net.tensor((4, 6, 6, 4), scale=0.05, zero_point=30), net.tensor((4, 4, 4, 4), **Y)
    block, pads = net.constant([2, 2], np.int32), net.constant([(2, 2), (2, 2)], np.int32)
    net.add("SPACE_TO_BATCH_ND", [x, block, pads], [dealt])
    net.add("CONV_2D", [dealt, *weights(net, (4, 3, 3, 4), 0)], [folded], padding="VALID")
    net.add("BATCH_TO_SPACE_ND", [folded, block, net.constant([(0, 0), (0, 0)], np.int32)], [y])
    assert simplify(load(net.build([x], [y])))[1] == []


def test_a_table_that_changes_no_byte_but_the_scale_is_kept() -> None:
    """What follows counts from the zero point that the file names for its own input."""
    net = Writer()
    x = net.tensor((1, 16), scale=0.02, zero_point=-128)
    clamped = net.tensor((1, 16), scale=0.0235, zero_point=-120)
    y = net.tensor((1, 4), scale=0.1, zero_point=-128)
    net.add("RELU6", [x], [clamped])
    net.add("FULLY_CONNECTED", [clamped, *weights(net, (4, 16), 0)], [y])
    blob = net.build([x], [y])
    given = noise((1, 16))
    np.testing.assert_array_equal(
        reference.outputs(load(blob), given)[0], Micro(blob).outputs([given])[0].reshape(1, 4)
    )
    assert verify(blob).passed


@pytest.mark.parametrize(("name", "scale"), [("LOGISTIC", 1 / 200), ("TANH", 1 / 100)])
def test_a_scale_that_tflite_micro_does_not_look_at_is_noted(name: str, scale: float) -> None:
    net = Writer()
    x = net.tensor((1, 256), scale=0.05)
    y = net.tensor((1, 256), scale=scale, zero_point=-128 if name == "LOGISTIC" else 0)
    net.add(name, [x], [y])
    blob = net.build([x], [y])
    every = np.arange(-128, 128).astype(np.int8).reshape(1, 256)
    np.testing.assert_array_equal(reference.outputs(load(blob), every)[0], Micro(blob).outputs([every])[0])
    assert f"{name} writes at" in compile_model(blob).notes[0]
    assert verify(blob).passed


@pytest.mark.parametrize(("size", "out"), [(2, 83), (2, 95), (2, 111)])
def test_the_nearest_of_two_is_rounded_as_tflite_micro_rounds_it(size: int, out: int) -> None:
    """Just below the middle, where a sum in float32 would already be the next whole number."""
    net = Writer()
    x, y = net.tensor((1, size, 1, 1), **X), net.tensor((1, out, 1, 1), **X)
    net.add("RESIZE_NEAREST_NEIGHBOR", [x, net.constant([out, 1], np.int32)], [y], align_corners=True)
    blob = net.build([x], [y])
    column = np.arange(size).astype(np.int8).reshape(1, size, 1, 1)
    np.testing.assert_array_equal(reference.outputs(load(blob), column)[0], Micro(blob).outputs([column])[0])
    assert verify(blob).passed


@pytest.mark.parametrize("also", ["", "flat"])
def test_an_output_that_is_flattened_inside_keeps_its_own_shape(also: str) -> None:
    """A RESHAPE has no memory of its own: what it shows is not what the output's user sees."""
    net = Writer()
    x, grid = net.tensor((1, 16, 16, 3), **X), net.tensor((1, 4, 4, 3), **Y)
    flat, y = net.tensor((1, 48), **Y), net.tensor((1, 5), **Y)
    net.add("CONV_2D", [x, *weights(net, (3, 4, 4, 3), 0)], [grid], padding="VALID", stride_h=4, stride_w=4)
    net.add("RESHAPE", [grid, net.constant([1, 48], np.int32)], [flat], new_shape=(1, 48))
    net.add("FULLY_CONNECTED", [flat, *weights(net, (5, 48), 0)], [y])
    outputs = [grid, flat] if also else [grid]
    compiled = compile_model(net.build([x], outputs), Wishes(labels=("ship", "ship")))
    assert [(h.grid, h.depth, h.first) for h in compiled.contract.heads] == [((4, 4), 3, 1)]
    assert any("several classes are called ship" in note for note in compiled.notes)
