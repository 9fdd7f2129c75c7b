"""Files written by the writer are read back as they were meant, by our reader and by LiteRT."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from framekeep_models import reference, tflite_model
from framekeep_models.compile import compile_model
from framekeep_models.program import ModelError
from framekeep_models.tflite_model import ModelFileError, load
from framekeep_models.tflite_writer import Writer, with_file, with_thresholds

from tests.models import single_op
from tests.models.oracles import Lite, Micro
from tests.shared_data import shared


def small(description: str = "") -> tuple[Writer, int, int]:
    net = Writer(description)
    x = net.tensor((1, 4, 4, 2), scale=0.5, zero_point=-3, name="pixels")
    weights = np.arange(-9, 9).reshape(1, 3, 3, 2)
    scales = [0.25, 0.125]
    w = net.constant(weights, np.int8, scale=scales, axis=3)
    b = net.constant([70_000, -5], np.int32, scale=[0.125, 0.0625])
    y = net.tensor((1, 2, 2, 2), scale=2.0, zero_point=7, name="cells")
    net.add(
        "DEPTHWISE_CONV_2D",
        [x, w, b],
        [y],
        padding="SAME",
        stride_w=2,
        stride_h=2,
        fused_activation_function="RELU6",
    )
    return net, x, y


def test_what_was_written_is_read_back() -> None:
    net, x, y = small("two cells")
    model = load(net.build([x], [y], labels=["sea", "ship"]))
    assert (model.inputs, model.outputs, model.description) == ((x,), (y,), "two cells")
    assert model.labels == ("sea", "ship")
    first, weights, bias, out = model.tensors
    assert (first.name, first.shape, first.dtype) == ("pixels", (1, 4, 4, 2), np.int8)
    assert (first.scale.tolist(), first.zero_point.tolist()) == ([0.5], [-3])
    assert weights.axis == 3 and weights.scale.tolist() == [0.25, 0.125]
    assert weights.data is not None and weights.data.ravel().tolist() == list(range(-9, 9))
    assert bias.data is not None and bias.data.tolist() == [70_000, -5]
    assert out.data is None
    (op,) = model.operators
    assert op.name == "DEPTHWISE_CONV_2D"
    assert op.options == {
        "padding": "SAME",
        "stride_w": 2,
        "stride_h": 2,
        "dilation_w_factor": 1,
        "dilation_h_factor": 1,
        "depth_multiplier": 1,
        "fused_activation_function": "RELU6",
    }


def test_the_same_model_gives_the_same_bytes() -> None:
    (one, x, y), (two, _, _) = small(), small()
    assert one.build([x], [y], ["a"]) == two.build([x], [y], ["a"])


@pytest.mark.parametrize("operator", single_op.OPERATORS)
def test_litert_and_tflite_micro_load_every_operator(operator: str) -> None:
    case = single_op.make(operator, 1 if operator != "CONV_2D" else 0)
    for runtime in (Lite(case.model), Micro(case.model)):
        assert len(runtime.outputs(case.inputs[0])) == len(runtime.model.outputs)


def test_zero_points_alike_are_written_once_and_read_back_for_each_tensor() -> None:
    def built(tensors: int) -> bytes:
        net = Writer()
        scales = [np.linspace(0.1, 0.2 + k, 64) for k in range(tensors)]
        weights = [net.constant(np.full((64, 1), k, np.int8), scale=s) for k, s in enumerate(scales)]
        return net.build([weights[0]], [weights[0]])

    one, two = built(1), built(2)
    assert len(two) - len(one) < 64 + 64 * 4 + 64 * 8  # values, scales; no second vector of eight bytes each
    for tensor in load(two).tensors:
        assert list(tensor.zero_point) == [0] * 64
        assert len(set(tensor.scale)) == 64


def test_constants_are_aligned_for_kernels_that_read_int32_in_place() -> None:
    net, x, y = small()
    blob = net.build([x], [y])
    assert blob.index(np.array([70_000, -5], "<i4").tobytes()) % 16 == 0


def test_saving_is_whole_or_not_at_all(tmp_path: Path) -> None:
    net, x, y = small()
    net.save(tmp_path / "net.tflite", [x], [y])
    assert [p.name for p in tmp_path.iterdir()] == ["net.tflite"]
    assert load(tmp_path / "net.tflite").operators


def test_unknown_operators_and_options_are_refused() -> None:
    net, x, y = small()
    with pytest.raises(ValueError, match="COS"):
        net.add("COS", [x], [y])
    with pytest.raises(ValueError, match="strides"):
        net.add("MAX_POOL_2D", [x], [y], strides=2)


def test_shapes_left_open_for_the_batch_are_settled_for_one_picture() -> None:
    """Flatten as Keras converts it: SHAPE, STRIDED_SLICE, PACK and RESHAPE, declared with ones."""
    net = Writer()
    same = {"scale": 0.5, "zero_point": 3}
    x = net.tensor((1, 2, 3, 4), signature=(-1, 2, 3, 4), **same)
    dims, batch = net.tensor((4,), np.int32), net.tensor((), np.int32)
    size = net.tensor((2,), np.int32)
    y = net.tensor((1, 1), signature=(-1, -1), **same)
    zero, one, rest = (net.constant(v, np.int32) for v in ([0], [1], 24))
    net.add("SHAPE", [x], [dims])
    net.add("STRIDED_SLICE", [dims, zero, one, one], [batch], shrink_axis_mask=1)
    net.add("PACK", [batch, rest], [size], values_count=2, axis=0)
    net.add("RESHAPE", [x, size], [y])
    blob = net.build([x], [y])
    assert [op.name for op in tflite_model.read(blob).operators] == [
        "SHAPE",
        "STRIDED_SLICE",
        "PACK",
        "RESHAPE",
    ]
    model = load(blob)
    assert [(op.index, op.name) for op in model.operators] == [(3, "RESHAPE")]
    assert model.tensors[y].shape == (1, 24)
    settled = model.tensors[size].data
    assert settled is not None and settled.tolist() == [1, 24]
    values = np.arange(24, dtype=np.int8)
    assert Lite(blob).outputs([values])[0].tolist() == [values.tolist()]
    np.testing.assert_array_equal(reference.outputs(model, values)[0], [values])


def test_a_quantised_dimension_outside_its_tensor_is_read_as_zero() -> None:
    model = load(shared("tflite/person_detect.tflite"))
    assert all(t.axis < len(t.shape) for t in model.tensors if t.scale.size > 1)


@pytest.mark.parametrize("blob", [b"", b"TFL3", bytes(64), b"\x10\x00\x00\x00TFL3" + b"\xff" * 60])
def test_what_is_no_model_is_refused(blob: bytes) -> None:
    with pytest.raises(ModelFileError):
        load(blob)


def test_damaged_files_are_refused_and_nothing_worse() -> None:
    net, x, y = small()
    blob = net.build([x], [y], labels=["sea", "ship"])
    rng = np.random.default_rng(11)
    refused = 0
    for _ in range(1500):
        bad = bytearray(blob[: int(rng.integers(8, len(blob) + 1))] if rng.random() < 0.3 else blob)
        for at in rng.integers(0, len(bad), rng.integers(1, 4)):
            bad[at] = rng.integers(0, 256)
        try:
            tflite_model.load(bytes(bad))
        except ModelFileError:
            refused += 1
    assert refused > 300


def test_damaged_files_that_still_load_are_compiled_or_refused() -> None:
    rng = np.random.default_rng(12)
    verdicts = {"compiled": 0, "refused": 0}
    for number in range(300):
        operator = single_op.OPERATORS[number % len(single_op.OPERATORS)]
        bad = bytearray(single_op.make(operator, number % 7).model)
        for at in rng.integers(0, len(bad), rng.integers(1, 5)):
            bad[at] = rng.choice([0, 1, 2, 3, 4, 8, 127, 128, 255])
        try:
            compile_model(bytes(bad))
            verdicts["compiled"] += 1
        except (ModelFileError, ModelError):
            verdicts["refused"] += 1
    assert min(verdicts.values()) > 20


def test_a_second_threshold_replaces_the_first() -> None:
    model = b"flatbuffer" * 10
    labelled = with_file(model, "labels.txt", ["ship"])
    once, twice = (
        with_thresholds(labelled, (0.25,)),
        with_thresholds(with_thresholds(labelled, (0.5,)), (0.25,)),
    )
    assert once == twice
    assert twice.startswith(model)
    with zipfile.ZipFile(io.BytesIO(twice)) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == {
            "labels.txt": b"ship\n",
            "thresholds.txt": b"0.25\n",
        }
