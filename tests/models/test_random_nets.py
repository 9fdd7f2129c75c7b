"""The compiler's optimisations hold on random networks: every tensor that survives equals the twin's."""

import numpy as np
import pytest
from framekeep_models import reference
from framekeep_models.compile import Options, compile_model
from framekeep_models.layouts import Layout
from framekeep_models.tflite_model import load
from framekeep_models.verify import seeded_inputs, verify
from framekeep_onboard import Model

from tests.models import random_net
from tests.models.oracles import Micro

EACH = 8  # inputs a network


def check(seed: int) -> None:
    made = random_net.make(seed)
    result = verify(made.model, seeded_inputs(made.shape, EACH))
    assert result.differences == [], seed
    assert result.complete, seed


@pytest.mark.parametrize("tens", range(10))
def test_engine_equals_the_twin(tens: int) -> None:
    for seed in range(10 * tens, 10 * tens + 10):
        check(seed)


@pytest.mark.parametrize("seed", [119, 154, 353])
def test_padding_is_not_folded_into_what_reads_it_flattened(seed: int) -> None:
    check(seed)


def test_a_pointwise_window_over_a_map_padded_below_is_not_in_place() -> None:
    made = random_net.make(442)
    assert verify(made.model, seeded_inputs(made.shape, EACH), backend="portable").passed


def test_ranges_follow_a_map_that_is_read_with_other_channels() -> None:
    check(659)


@pytest.mark.soak
@pytest.mark.parametrize("hundreds", range(10, 60))
def test_engine_equals_the_twin_at_length(hundreds: int) -> None:
    for seed in range(100 * hundreds, 100 * hundreds + 100):
        check(seed)


def test_the_twin_equals_tflite_micro_on_them() -> None:
    for seed in range(40):
        micro = Micro(random_net.make(seed).model)
        for x in seeded_inputs(micro.model.tensors[micro.model.inputs[0]].shape, 4)[2:]:
            micro.outputs([x])
            for index, values in reference.run(micro.model, x).items():
                np.testing.assert_array_equal(values, micro.tensor(index), f"{seed}: tensor {index}")


def test_the_networks_exercise_what_they_are_meant_to() -> None:
    reports = [compile_model(random_net.make(seed).model).report for seed in range(60)]
    assert sum(r["channels_removed"] > 0 for r in reports) > 10
    assert sum(r["macs"] < r["before"]["macs"] for r in reports) > 10
    models = [load(random_net.make(seed).model) for seed in range(60)]
    assert sum(len(m.outputs) > 1 for m in models) > 10
    assert len({op.name for m in models for op in m.operators}) > 20


def test_every_layout_of_the_weights_gives_the_same_outputs() -> None:
    for seed in (*range(40), 154, 180):  # the last two: a pointwise convolution over a map padded below
        made = random_net.make(seed)
        inputs = seeded_inputs(made.shape, 4)
        engines = [
            Model(compile_model(made.model, options=Options(layout=layout)).image) for layout in Layout
        ]
        for x in inputs:
            first, *others = [_outputs(engine, x) for engine in engines]
            for outputs in others:
                for a, b in zip(first, outputs, strict=True):
                    np.testing.assert_array_equal(a, b, str(seed))


def _outputs(engine: Model, x: np.ndarray) -> list[np.ndarray]:
    result = engine.run(x)
    return list(result) if isinstance(result, (list, tuple)) else [result]
