"""A sample of random models of one operator, and of small networks, on each emulated core.

The portable kernels that they are compared with are held to the twin, and that to TensorFlow Lite Micro,
elsewhere.
"""

from collections.abc import Iterator

import numpy as np
import pytest
from framekeep_models.compile import Options, compile_model
from framekeep_models.layouts import FASTEST
from framekeep_onboard.network import run_network

from tests.models import random_net
from tests.models.oracles import portable
from tests.models.single_op import OPERATORS, make

pytestmark = pytest.mark.qemu

CORES = ["qemu-m4", "qemu-m7", "qemu-m55"]
EACH = 2
NETWORKS = range(3000, 3012)


def check(target: str, blob: bytes, seed: int) -> bool:
    """False where the model has several inputs or more outputs than a board returns."""
    image = compile_model(blob, options=Options(layout=FASTEST[target])).image
    wanted = portable(image, seed)
    if wanted is None:
        return False
    x, outputs = wanted
    for got, want in zip(run_network(target, image, [x]).outputs[0], outputs, strict=True):
        assert np.array_equal(got, want), f"{target}, seed {seed}"
    return True


def single_input(target: str, operator: str) -> Iterator[int]:
    """Seeds of models that ran, as far as the generator gives any with one input."""
    done = 0
    for seed in range(200, 220):
        if done < EACH and check(target, make(operator, seed).model, seed):
            done += 1
            yield seed


@pytest.mark.parametrize("target", CORES)
def test_every_operator_equals_the_portable_kernels(target: str) -> None:
    ran = {operator: list(single_input(target, operator)) for operator in OPERATORS}
    assert not [operator for operator, seeds in ran.items() if not seeds]


@pytest.mark.parametrize("target", CORES)
def test_small_networks_equal_the_portable_kernels(target: str) -> None:
    ran = [seed for seed in NETWORKS if check(target, random_net.make(seed).model, seed)]
    assert len(ran) > len(NETWORKS) // 2
