"""The Helium kernels on the emulated Cortex-M55: exact, and how many instructions a model takes."""

import numpy as np
import pytest
from framekeep_models.compile import compile_model
from framekeep_models.verify import golden_file
from framekeep_onboard import Model
from framekeep_onboard.network import run_network

from tests.models.single_op import make
from tests.shared_data import shared

pytestmark = pytest.mark.qemu

TARGET = "qemu-m55"
# instructions of TFLite Micro with CMSIS-NN on this core, and the share of them that is the goal
PEERS = {
    "vww_96_int8": (6_436_907, 0.45),
    "person_detect": (6_386_236, 0.65),
    "pretrainedResnet_quant": (4_812_799, 0.80),
}


@pytest.mark.parametrize("name", PEERS)
def test_instructions_beside_cmsis_nn(name: str) -> None:
    inputs, outputs = golden_file(shared(f"tflite/golden/{name}.npz"))
    run = run_network(TARGET, compile_model(shared(f"tflite/{name}.tflite")).image, inputs[:1])
    assert np.array_equal(np.ravel(run.outputs[0][0]), outputs[0].ravel())
    peer, goal = PEERS[name]
    assert run.counts[0].instructions <= goal * peer


@pytest.mark.parametrize(
    "name", ["vww_96_int8_0", "pretrainedResnet_quant_2", "kws_ref_model_1", "ad01_int8_1"]
)
def test_other_multipliers(name: str) -> None:
    folder = "tflite/golden/perturbed"
    inputs, outputs = golden_file(shared(f"{folder}/{name}.npz"))
    run = run_network(TARGET, compile_model(shared(f"{folder}/{name}.tflite")).image, inputs[::13])
    assert [np.ravel(o[0]).tolist() for o in run.outputs] == [y.ravel().tolist() for y in outputs[::13]]


@pytest.mark.parametrize("operator", ["CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"])
def test_single_operators_equal_the_host(operator: str) -> None:
    """The host's kernels are held to the twin elsewhere."""
    for seed in range(100, 106):
        image = compile_model(make(operator, seed).model).image
        host = Model(image)
        x = np.random.default_rng(seed).integers(-128, 128, host.input_shape).astype(np.int8)
        assert np.array_equal(run_network(TARGET, image, [x]).outputs[0][0], host.run(x)), seed
