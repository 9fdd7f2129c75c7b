"""Weights packed for a core's kernels give the same outputs, here through the kernels' plain C twins."""

import numpy as np
import pytest
from framekeep_models.compile import Options, compile_model
from framekeep_models.layouts import Channels, Layout, pack_pairs
from framekeep_onboard.model import Model

from tests.shared_data import shared

MODELS = ["vww_96_int8", "person_detect", "pretrainedResnet_quant", "kws_ref_model", "ad01_int8"]
PACKED = Options(layout=Layout.ARMV7EM)


def int32(*values: int) -> np.ndarray:
    return np.array(values, np.int32)


@pytest.mark.parametrize("name", MODELS)
def test_golden_outputs_are_met(name: str) -> None:
    golden = np.load(shared(f"tflite/golden/{name}.npz"))
    compiled = compile_model(shared(f"tflite/{name}.tflite"), options=PACKED)
    assert compiled.report["packed_operators"] >= compiled.report["operators"] // 2
    model = Model(compiled.image)
    for x, y in zip(golden["inputs"][::3], golden["outputs"][::3], strict=True):
        assert np.array_equal(np.ravel(model.run(x)), np.ravel(y))


@pytest.mark.parametrize("variant", [0, 1, 2])
@pytest.mark.parametrize("name", ["vww_96_int8", "pretrainedResnet_quant", "kws_ref_model", "ad01_int8"])
def test_golden_outputs_of_perturbed_scales_are_met(name: str, variant: int) -> None:
    path = f"tflite/golden/perturbed/{name}_{variant}"
    inputs = np.load(shared(f"tflite/golden/{name}.npz"))["inputs"]
    outputs = np.load(shared(f"{path}.npz"))["outputs"]
    model = Model(compile_model(shared(f"{path}.tflite"), options=PACKED).image)
    for x, y in zip(inputs[::5], outputs[::5], strict=True):
        assert np.array_equal(np.ravel(model.run(x)), np.ravel(y))


def test_a_stream_is_the_bytes_worked_out_by_hand() -> None:
    # two channels of three taps; 256 * c1 + c0 for taps 0, 2, 1 and a tap of weight 0
    weights = np.array([[1, 2, -3], [4, -5, 6]], np.int8)
    channels = Channels.prepare(weights, int32(10, -20), int32(1 << 30, 3 << 29), int32(-2, -5), 7)
    stream = pack_pairs(channels)
    assert stream is not None
    taps = [256 * 4 + 1, 256 * 6 - 3, -256 * 5 + 2, 0]
    rows = [20, 1 << 30, 2 + (7 << 2), 2, -40, 3 << 29, 16 + (7 << 5), 5]
    assert np.frombuffer(stream[:8], "<i2").tolist() == taps
    assert np.frombuffer(stream[8:], "<i4").tolist() == rows


@pytest.mark.parametrize(
    ("weights", "shift"),
    [
        (np.full((2, 4), 1, np.int8), 1),  # a left shift
        (np.full((2, 4), 1, np.int8), 0),  # nothing to round
        (np.tile(np.array([[-1], [-128]], np.int8), 4), -3),  # 256 * -128 - 1 is below 16 bits
        (np.full((2, 600), 127, np.int8), -3),  # the sum of c1 may reach 2^23
    ],
)
def test_what_the_kernels_cannot_do_exactly_is_not_packed(weights: np.ndarray, shift: int) -> None:
    n = len(weights)
    numbers = (np.zeros(n, np.int32), np.full(n, 1 << 30, np.int32), np.full(n, shift, np.int32))
    assert pack_pairs(Channels.prepare(weights, *numbers, 0)) is None
