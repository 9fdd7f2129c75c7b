"""Operators that run row by row compute what they compute whole, in less memory."""

from collections.abc import Iterator

import numpy as np
import pytest
from framekeep_models import fkm
from framekeep_models.compile import Options, compile_model
from framekeep_models.contract import Wishes, make_contract
from framekeep_models.lower import lower
from framekeep_models.plan import plan
from framekeep_models.program import ModelError
from framekeep_models.stream import chain
from framekeep_models.tflite_model import load
from framekeep_models.verify import golden_file, verify
from framekeep_onboard import Model
from framekeep_onboard._fk import lib

from tests.models import random_net
from tests.models.small_nets import Net, mobile_net
from tests.shared_data import shared


@pytest.fixture(autouse=True)
def rows() -> Iterator[None]:
    """The portable kernels: the host's fast ones have room to run these operators whole."""
    before = lib.fk_backend_chosen()
    assert lib.fk_backend_force(lib.FK_BACKEND_PORTABLE) == 0
    yield
    lib.fk_backend_force(before)


def engine(blob: bytes, streamed: int) -> Model:
    """The image in which the first `streamed` operators run row by row."""
    program, _ = lower(load(blob))
    planned = plan(program, streamed=streamed, tries=0)
    return Model(fkm.write(program, planned, make_contract(program, Wishes()), bytes(8)))


NETS = {
    "mobile": mobile_net(),
    "strides": Net(side=23).conv(5, 5, 3).depthwise(2).conv(7, 3).conv(6, 1, 2).classifier().build(),
    "kernel taller than the map": Net(side=16).conv(4, 3, 4).depthwise(4).conv(4, 5).classifier().build(),
    "grey": Net(side=17, channels=1).conv(6, 7, 2).depthwise().depthwise(2).classifier(3).build(),
}


@pytest.mark.parametrize("name", NETS)
def test_every_length_of_the_chain_gives_the_same_output(name: str) -> None:
    blob = NETS[name]
    length = len(chain(lower(load(blob))[0]))
    assert length >= 4
    whole = engine(blob, 0)
    for streamed in range(1, length + 1):
        model = engine(blob, streamed)
        for seed in range(4):
            x = np.random.default_rng(seed).integers(-128, 128, model.input_shape).astype(np.int8)
            assert np.array_equal(model.run(x), whole.run(x)), f"{streamed} streamed, seed {seed}"


def test_rows_of_a_picture_are_drawn_as_they_are_wanted() -> None:
    """The same scores as from the whole tensor, in an arena too small for the picture."""
    model = engine(mobile_net(), 4)
    assert model.arena_size < model._fk.run_size
    picture = np.random.default_rng(2).integers(0, 256, (16, 16, 3)).astype(np.uint8)
    model.infer(picture)
    scores = [model.score(c) for c in (0, 1)]
    model.run(model.preprocess(picture))
    assert [model.score(c) for c in (0, 1)] == scores


def test_a_limit_is_kept_with_as_little_streaming_as_will_do() -> None:
    blob = Net(side=80).conv(8, 3, 2).depthwise().conv(16).depthwise(2).conv(16).classifier().build()
    least = compile_model(blob).report
    assert least["streamed_operators"] >= 2
    for limit in (least["arena_bytes"], 2 * least["arena_bytes"], 100_000):
        report = compile_model(blob, options=Options(arena=limit)).report
        assert report["arena_bytes"] <= limit
    assert report["streamed_operators"] == 0
    with pytest.raises(ModelError, match=r"the least is [\d,]+"):
        compile_model(blob, options=Options(arena=least["arena_bytes"] // 2))


def test_the_least_that_is_named_is_a_limit_that_is_met() -> None:
    for seed in range(12):
        blob = random_net.make(seed).model
        with pytest.raises(ModelError, match=r"the least is [\d,]+") as refusal:
            compile_model(blob, options=Options(arena=1))
        least = int(str(refusal.value).rsplit(" ", 1)[1].replace(",", ""))
        assert compile_model(blob, options=Options(arena=least)).report["arena_bytes"] == least
        with pytest.raises(ModelError, match=f"the least is {least:,}$"):
            compile_model(blob, options=Options(arena=least - 1))


def test_vww_needs_a_sixth_of_its_largest_tensors() -> None:
    tflite = shared("tflite/vww_96_int8.tflite")
    compiled = compile_model(tflite, options=Options(keep_dead=True))
    assert compiled.report["arena_bytes"] <= 16 * 1024
    assert Model(compiled.image).arena_size <= 18 * 1024
    inputs, outputs = golden_file(shared("tflite/golden/vww_96_int8.npz"))
    result = verify(tflite, inputs[:6], outputs[:6], backend="portable")
    assert result.passed
    assert result.surviving < result.tensors
