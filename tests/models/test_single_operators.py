"""Thousands of random models of one operator: the engine against the twin, which is held to TFLite Micro."""

import numpy as np
import pytest
from framekeep_models.compile import compile_model
from framekeep_models.program import ModelError
from framekeep_models.verify import verify

from tests.models.single_op import OPERATORS, make

EACH = 25
SOAK = 2000


def as_engine_input(x: np.ndarray, scale: float, zero: int) -> np.ndarray:
    if x.dtype == np.uint8:
        return (x.astype(np.int16) - 128).astype(np.int8)
    if x.dtype == np.float32:
        return np.clip(np.round(x / np.float32(scale)) + zero, -128, 127).astype(np.int8)
    return x


def check(operator: str, seed: int) -> bool:
    """False where the compiler refused the model."""
    case = make(operator, seed)
    try:
        program = compile_model(case.model).program
    except ModelError:
        return False
    buffers = [program.buffers[b] for b in program.inputs]
    samples = [
        [as_engine_input(x, b.scale, b.zero_point) for x, b in zip(sample, buffers, strict=True)]
        for sample in case.inputs
    ]
    result = verify(case.model, samples)
    assert result.differences == [], f"{case}"
    assert result.complete, f"{case}"
    return True


@pytest.mark.parametrize("operator", OPERATORS)
def test_engine_equals_the_twin(operator: str) -> None:
    accepted = [check(operator, seed) for seed in range(EACH)]
    assert all(accepted), f"refused: {[i for i, ok in enumerate(accepted) if not ok]}"


@pytest.mark.soak
@pytest.mark.parametrize("operator", OPERATORS)
def test_engine_equals_the_twin_at_length(operator: str) -> None:
    assert all(check(operator, seed) for seed in range(EACH, SOAK))
