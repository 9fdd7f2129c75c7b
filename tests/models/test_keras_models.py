"""Networks made in Keras, quantised by TFLite's converter, through the compiler and the engine.

Outside the gate, as it needs TensorFlow: `tox -e keras`.
"""

from functools import cache
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="needs TensorFlow: run by tox -e keras")

from framekeep_models import cli, reference
from framekeep_models.compile import compile_model
from framekeep_models.verify import verify

from tests.models import keras_zoo
from tests.models.oracles import BUILTIN, Lite, Micro, noise

# TFLite Micro cannot run these: it lacks TILE, and takes the open batch of a dilated convolution for one.
NOT_IN_MICRO = {"pyramid", "shuffle"}

built = cache(keras_zoo.build)


@pytest.mark.parametrize("name", keras_zoo.ZOO)
def test_the_engine_computes_every_tensor_as_the_twin_does(name: str) -> None:
    result = verify(built(name))
    assert result.differences == []
    assert result.complete and result.inputs == 32


@pytest.mark.parametrize("name", [n for n in keras_zoo.ZOO if n not in NOT_IN_MICRO])
def test_the_twin_computes_every_tensor_as_tflite_micro_does(name: str) -> None:
    micro = Micro(built(name))
    x = noise(micro.model, 4)
    micro.outputs(x)
    for index, values in reference.run(micro.model, x).items():
        np.testing.assert_array_equal(values, micro.tensor(index), micro.model.tensors[index].name)


@pytest.mark.parametrize("name", sorted(NOT_IN_MICRO))
def test_each_node_differs_from_litert_by_at_most_one(name: str) -> None:
    lite = Lite(built(name), BUILTIN)
    model = lite.model
    lite.outputs(noise(model, 4))
    values = {t.index: lite.tensor(t.index) for t in model.tensors if t.data is None and t.dtype != np.int32}
    for op in model.operators:
        for index, got in reference.run_node(model, op, values).items():
            if got.dtype == np.int8:
                assert np.abs(got.astype(np.int64) - lite.tensor(index)).max() <= 1, op


@pytest.mark.parametrize("name", ["mobilenet_v2", "fomo"])
def test_compile_and_verify_from_the_command_line(name: str, tmp_path: Path) -> None:
    source, image = tmp_path / f"{name}.tflite", tmp_path / f"{name}.fkm"
    source.write_bytes(built(name))
    assert cli.main(["compile", str(source), "-o", str(image)]) == 0
    assert image.read_bytes() == compile_model(source).image
    assert cli.main(["verify", str(source)]) == 0
    assert cli.main(["info", str(image)]) == 0
