"""The engine on emulated cores equals TensorFlow Lite Micro's reference kernels bit for bit."""

import numpy as np
import pytest
from framekeep_models.compile import Options, compile_model
from framekeep_models.layouts import Layout
from framekeep_models.verify import golden_file, verify
from framekeep_onboard.network import run_network

from tests.shared_data import shared

pytestmark = pytest.mark.qemu

MODELS = ["vww_96_int8", "person_detect", "pretrainedResnet_quant", "kws_ref_model", "ad01_int8"]


@pytest.mark.parametrize("target", ["qemu-m4", "qemu-m7", "qemu-m55"])
@pytest.mark.parametrize("layout", Layout)
@pytest.mark.parametrize("name", MODELS)
def test_outputs_equal_the_golden_file(target: str, name: str, layout: Layout) -> None:
    golden = np.load(shared(f"tflite/golden/{name}.npz"))
    image = compile_model(shared(f"tflite/{name}.tflite"), options=Options(layout=layout)).image
    run = run_network(target, image, list(golden["inputs"][::13]))
    assert [np.ravel(out[0]).tolist() for out in run.outputs] == golden["outputs"][::13].tolist()


@pytest.mark.parametrize("variant", [0, 1, 2])
@pytest.mark.parametrize("name", ["vww_96_int8", "pretrainedResnet_quant", "kws_ref_model", "ad01_int8"])
def test_packed_outputs_of_perturbed_scales_equal_the_golden_file(name: str, variant: int) -> None:
    path = f"tflite/golden/perturbed/{name}_{variant}"
    inputs = np.load(shared(f"tflite/golden/{name}.npz"))["inputs"]
    outputs = np.load(shared(f"{path}.npz"))["outputs"]
    image = compile_model(shared(f"{path}.tflite"), options=Options(layout=Layout.ARMV7EM)).image
    run = run_network("qemu-m4", image, list(inputs[::13]))
    assert [np.ravel(out[0]).tolist() for out in run.outputs] == outputs[::13].tolist()


def test_operators_one_by_one_add_up_to_the_whole_run() -> None:
    golden = np.load(shared("tflite/golden/vww_96_int8.npz"))
    image = compile_model(shared("tflite/vww_96_int8.tflite")).image
    whole = run_network("qemu-m4", image, list(golden["inputs"][:1]))
    steps = run_network("qemu-m4", image, list(golden["inputs"][:1]), stepwise=True)
    assert np.array_equal(whole.outputs[0][0], steps.outputs[0][0])
    total = sum(c.instructions for c in steps.counts)
    # stepping adds a call and two checks to each operator, no more
    assert 0 <= total - whole.counts[0].instructions < 100 * len(steps.counts)


def test_verify_compares_every_tensor_on_the_core() -> None:
    inputs, outputs = golden_file(shared("tflite/golden/kws_ref_model.npz"))
    result = verify(shared("tflite/kws_ref_model.tflite"), inputs[:3], outputs[:3], backend="qemu-m4")
    assert result.passed, result.differences
    assert (result.inputs, result.golden, result.compared) == (3, 3, 14)
