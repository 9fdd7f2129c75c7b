"""Scores and boxes from heads of every kind, against float arithmetic."""

import numpy as np
import pytest
from framekeep_models.compile import compile_model
from framekeep_models.contract import Wishes
from framekeep_onboard import Model

from tests.models.small_nets import Net


def grid_net(channels: int) -> bytes:
    """A 4x4 grid of `channels` logits."""
    return Net(side=16).conv(8, 3, 2).conv(channels, 3, 2).build()


def inputs(count: int) -> list[np.ndarray]:
    rng = np.random.default_rng(3)
    return [rng.integers(-128, 128, (1, 16, 16, 3)).astype(np.int8) for _ in range(count)]


def real_output(model: Model, x: np.ndarray) -> np.ndarray:
    return (np.asarray(model.run(x)).astype(np.float64) + 128) * 6 / 255


@pytest.mark.parametrize("background", [0, 1])
def test_a_grid_of_logits_gives_its_best_cell(background: int) -> None:
    model = Model(compile_model(grid_net(4), Wishes(background=background, head="logits")).image)
    for x in inputs(8):
        logits = real_output(model, x)[0]
        shares = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
        for c in range(4 - background):
            score, (left, top, width, height) = model.score(c)
            best = shares[:, :, background + c]
            assert abs(score - 255 * best.max()) <= 0.51
            row, column = (top + height // 2) * 4 // 65535, (left + width // 2) * 4 // 65535
            assert best[row, column] > best.max() - 1 / 255
            assert (width + 1) // 16384 == (height + 1) // 16384 == 1


def test_a_single_logit_becomes_its_sigmoid() -> None:
    model = Model(compile_model(grid_net(1), Wishes(head="logits")).image)
    for x in inputs(8):
        best = real_output(model, x).max()
        assert abs(model.score(0)[0] - 256 / (1 + np.exp(-best))) <= 1.01


def test_a_classifier_gives_no_box() -> None:
    model = Model(compile_model(Net().conv(8, 3, 2).classifier(5).build()).image)
    model.run(inputs(1)[0])
    assert model.score(3)[1] == (0, 0, 0, 0)


def test_grids_that_nobody_explained_give_no_scores() -> None:
    """Guessing what the channels of a detector mean would show something wrong as right."""
    net = Net(side=16).conv(8, 3, 2)
    first = net.at
    net.conv(8, 3, 2)
    blob = net.writer.build([net.input], [first, net.at])
    compiled = compile_model(blob)
    assert Model(compiled.image).labels == []
    assert any("--labels or --head" in note for note in compiled.report["notes"])
    assert compile_model(blob, Wishes(head="logits")).contract.class_count == 7
