"""Model images: every operator, a picture's preprocessing, heads and labels."""

import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from framekeep_models.compile import Options, compile_model
from framekeep_models.contract import Wishes
from framekeep_models.layouts import Layout
from framekeep_models.program import ModelError

from tests.models.single_op import OPERATORS, make
from tests.models.small_nets import mobile_net


def seeds() -> Iterator[bytes]:
    for operator in OPERATORS:
        for seed in range(2):
            case = make(operator, seed)
            yield compile_model(case.model).image
            yield compile_model(case.model, options=Options(layout=Layout.ARMV7EM)).image
    yield compile_model(mobile_net(), options=Options(arena=1050)).image  # row by row
    for seed in range(40):
        case = make("CONV_2D", seed)
        try:
            compiled = compile_model(case.model, Wishes(picture=True, mean=(1.0, 2.0, 3.0)))
        except ModelError:
            continue  # its input has neither 1 nor 3 channels
        labels = tuple(f"class {i}" for i in range(compiled.contract.class_count))
        yield compile_model(case.model, Wishes(picture=True, labels=labels)).image
