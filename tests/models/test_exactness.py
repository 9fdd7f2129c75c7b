"""Invariant: inference equals TensorFlow Lite Micro's, bit for bit. Truth: its own outputs."""

from pathlib import Path

import numpy as np
import pytest
from framekeep_models.compile import Options, compile_model
from framekeep_models.quantise import Multiplier, quantize_multiplier
from framekeep_models.tflite_model import Model as TfliteModel
from framekeep_models.tflite_model import Operator
from framekeep_models.verify import as_model_input, golden_file, host_backends, seeded_inputs, verify
from framekeep_onboard import Model
from PIL import Image

from tests.models.oracles import BUILTIN, Lite
from tests.shared_data import SHARED, shared

MODELS = ("vww_96_int8", "person_detect", "pretrainedResnet_quant", "kws_ref_model", "ad01_int8")
PERTURBED = [f"{m}_{i}" for m in MODELS if m != "person_detect" for i in range(3)]
PICTURES = 50
MCUNET = {"mcunet_vww": (1, 80, 80, 3), "mcunet_person_boxes": (1, 128, 160, 3)}


def golden_differences(tflite: Path, golden: Path) -> int:
    model = Model(compile_model(tflite).image)
    inputs, outputs = golden_file(golden)
    assert len(inputs) == 40
    return sum(
        not np.array_equal(np.ravel(model.run(x)), y.ravel()) for x, y in zip(inputs, outputs, strict=True)
    )


@pytest.mark.parametrize("name", MODELS)
def test_outputs_equal_tflite_micro(name: str) -> None:
    golden = shared(f"tflite/golden/{name}.npz")
    assert golden_differences(shared(f"tflite/{name}.tflite"), golden) == 0


@pytest.mark.parametrize("name", PERTURBED)
def test_outputs_equal_tflite_micro_with_other_multipliers(name: str) -> None:
    folder = "tflite/golden/perturbed"
    assert golden_differences(shared(f"{folder}/{name}.tflite"), shared(f"{folder}/{name}.npz")) == 0


@pytest.mark.parametrize("name", MODELS)
def test_every_tensor_equals_the_twin_and_the_golden_outputs(name: str) -> None:
    inputs, outputs = golden_file(shared(f"tflite/golden/{name}.npz"))
    result = verify(shared(f"tflite/{name}.tflite"), inputs[::8], outputs[::8])
    assert result.differences == []
    assert result.complete
    assert result.compared == result.tensors > 10


@pytest.mark.parametrize("name", ["mcunet_vww", "mcunet_person_boxes"])
def test_every_tensor_of_mcunet_equals_the_twin(name: str) -> None:
    result = verify(shared(f"tflite/{name}.tflite"), seeded_inputs(MCUNET[name], 5))
    assert result.differences == []
    assert result.complete
    assert result.compared == result.tensors > 60


@pytest.mark.parametrize("name", ["vww_96_int8", "person_detect", "pretrainedResnet_quant", "mcunet_vww"])
def test_every_tensor_equals_litert_over_real_pictures(name: str) -> None:
    """Equal, or a tie that LiteRT rounds the other way, and then shown to be one."""
    tflite = shared(f"tflite/{name}.tflite")
    compiled = compile_model(tflite, options=Options(keep_all=True, keep_dead=True))
    engine, peer = Model(compiled.image), Lite(tflite, BUILTIN)
    buffers = [compiled.program.buffers[b] for b in sorted(compiled.plan.offsets)]
    compared = dict.fromkeys((v.tensor for b in buffers for v in b.views), 0)
    for picture in real_pictures(engine):
        x = engine.preprocess(picture)
        peer.outputs([as_model_input(compiled.model, compiled, x)])
        for number, value in engine.steps(x):
            views = [view.tensor for view in buffers[number].views]
            if not np.array_equal(value.ravel(), peer.tensor(views[0]).ravel()):
                assert_rounding_ties(compiled.model, views[0], value, peer)
                engine.put(number, peer.tensor(views[0]))  # the next operator has LiteRT's input
            for tensor in views:
                assert np.array_equal(peer.tensor(views[0]).ravel(), peer.tensor(tensor).ravel())
                compared[tensor] += 1
    assert set(compared.values()) == {PICTURES}


def assert_rounding_ties(model: TfliteModel, tensor: int, ours: np.ndarray, peer: Lite) -> None:
    """The first rounding left a half: LiteRT takes it upwards, TFLite Micro (and we) away from zero."""
    node = next(n for n in model.operators if tensor in n.outputs)
    out = model.tensors[tensor]
    sums, multipliers = sums_of(model, node, peer)
    zero = int(out.zero_point[0])
    differ = np.argwhere(ours.reshape(sums.shape) != peer.tensor(tensor).reshape(sums.shape))
    for at in map(tuple, differ):
        mantissa, shift = multipliers[at[-1] % len(multipliers)]
        half = 1 << (-shift - 1)
        high = (int(sums[at]) * mantissa + (1 << 30)) >> 31  # the first of the two roundings
        assert high % (2 * half) == half, "after the first rounding the value is not halfway"
        mine, its = ours.reshape(sums.shape)[at], peer.tensor(tensor).reshape(sums.shape)[at]
        assert (mine, its) == ((high - half) // (2 * half) + zero, (high + half) // (2 * half) + zero)


def sums_of(model: TfliteModel, node: Operator, peer: Lite) -> tuple[np.ndarray, list[Multiplier]]:
    """The 32-bit sums of a node, from LiteRT's own input to it, and what they are multiplied with."""
    source, weights = model.tensors[node.inputs[0]], model.tensors[node.inputs[1]]
    out, bias = model.tensors[node.outputs[0]], model.tensors[node.inputs[2]].data
    x = peer.tensor(source.index).astype(np.int64) - int(source.zero_point[0])
    assert weights.data is not None
    assert bias is not None
    w = weights.data.astype(np.int64)
    if node.name == "FULLY_CONNECTED":
        product = np.float32(source.scale[0]) * np.float32(weights.scale[0])
        return w @ x.ravel() + bias, [quantize_multiplier(float(product) / float(out.scale[0]))]
    assert node.name == "CONV_2D", f"{node.name} differs from LiteRT"
    (_, kh, kw, _), (_, rows, cols, _) = w.shape, out.shape
    sy, sx = node.options["stride_h"], node.options["stride_w"]
    below, right = ((rows - 1) * sy + kh - x.shape[1], (cols - 1) * sx + kw - x.shape[2])
    pads = [(max(n, 0) // 2, max(n, 0) - max(n, 0) // 2) for n in (0, below, right, 0)]
    x = np.pad(x, pads)[0]
    windows = np.lib.stride_tricks.sliding_window_view(x, (kh, kw), axis=(0, 1))[::sy, ::sx]
    ratios = [float(source.scale[0]) * float(s) / float(out.scale[0]) for s in weights.scale]
    return np.einsum("yxcij,oijc->yxo", windows, w) + bias, [quantize_multiplier(r) for r in ratios]


def real_pictures(engine: Model) -> list[np.ndarray]:
    """The first pictures of a folder of photographs, as the model's input wants them."""
    shared("person_vww")
    paths = sorted((SHARED / "person_vww").rglob("*.jpg"))[:PICTURES]
    assert len(paths) == PICTURES
    pictures = []
    for path in paths:
        with Image.open(path) as image:
            mode = "L" if engine.channels == 1 else "RGB"
            pictures.append(np.asarray(image.convert(mode).resize((engine.width, engine.height))))
    return pictures


@pytest.mark.parametrize("backend", host_backends())
def test_every_instruction_set_of_the_host_is_exact(backend: str) -> None:
    inputs, outputs = golden_file(shared("tflite/golden/kws_ref_model.npz"))
    path = shared("tflite/kws_ref_model.tflite")
    assert verify(path, inputs[::4], outputs[::4], backend=backend).passed
