"""Host time of whole models beside LiteRT with XNNPACK, one thread each, the same inputs, in one run.

Only ratios within one run mean something. Both calls copy nothing: the input is in place, the output is left
where it is. `pytest tests/bench/test_nn_host.py --benchmark-columns=min,median`
"""

from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from framekeep_models.compile import Options, compile_model
from framekeep_onboard import Model
from framekeep_onboard._fk import lib
from pytest_benchmark.fixture import BenchmarkFixture

from tests.models.oracles import without_bad_dimensions
from tests.shared_data import shared

MODELS = ["vww_96_int8", "person_detect", "pretrainedResnet_quant", "kws_ref_model", "ad01_int8"]
VARIANTS = {"eliminated": Options(), "as-given": Options(keep_dead=True)}


def tflite(name: str) -> Path:
    return shared(f"tflite/{name}.tflite")


def sample(shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(1).integers(-128, 128, shape).astype(np.int8)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("name", MODELS)
def test_framekeep(benchmark: BenchmarkFixture, name: str, variant: str) -> None:
    benchmark.group = f"{name}, one thread"
    model = Model(compile_model(tflite(name), options=VARIANTS[variant]).image)
    model.run(sample(model.input_shape))
    arena = model._bytes(model._arena)
    assert benchmark(lib.fk_model_run, model._fk, arena, len(model._arena)) == 0


@pytest.mark.parametrize("name", MODELS)
def test_litert_xnnpack(benchmark: BenchmarkFixture, name: str) -> None:
    benchmark.group = f"{name}, one thread"
    peer = Interpreter(model_content=without_bad_dimensions(tflite(name).read_bytes()), num_threads=1)
    peer.allocate_tensors()
    details = peer.get_input_details()[0]
    peer.set_tensor(details["index"], sample(tuple(details["shape"])).astype(details["dtype"]))
    benchmark(peer.invoke)
