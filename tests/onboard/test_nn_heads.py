"""Scores and boxes from heads of every kind, against float arithmetic."""

from pathlib import Path

import numpy as np
import pytest
from framekeep_models.cli import main
from framekeep_models.compile import compile_model
from framekeep_models.contract import Wishes
from framekeep_models.program import ModelError
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


def test_of_equal_cells_the_first_is_shown() -> None:
    model = Model(compile_model(grid_net(1), Wishes(head="logits")).image)
    flat = np.full((1, 16, 16, 3), 5, np.int8)
    cells = real_output(model, flat)[0, :, :, 0]
    assert (cells == cells.max()).sum() > 1, "the middle of an even picture is all alike"
    row, column = np.unravel_index(cells.argmax(), cells.shape)  # of several, the first row by row
    left, top = model.score(0)[1][:2]
    assert (round(left * 4 / 65535), round(top * 4 / 65535)) == (column, row)


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


ANCHORS = (
    ((2.0, 3.0), (5.0, 4.0)),
    ((9.0, 6.0), (3.0, 12.0)),
)  # pixels of 16 x 16, of a grid of 8 and one of 4


def yolo_net(classes: int) -> bytes:
    """Grids of 8x8 and 4x4 cells with two anchors each."""
    net = Net(side=16).conv(2 * (5 + classes), 3, 2)
    fine = net.at
    net.conv(2 * (5 + classes), 3, 2)
    return net.writer.build([net.input], [fine, net.at])


def best_box(outputs: list[np.ndarray], wanted: int) -> tuple[float, list[tuple[float, ...]]]:
    """YOLOv3's arithmetic in float: the best score, and the boxes that come near it, as shares."""
    found = []
    for grid, anchors in zip(outputs, ANCHORS, strict=True):
        rows, columns, channels = grid.shape
        cells = ((np.asarray(grid, np.float64) + 128) * 6 / 255).reshape(rows, columns, 2, channels // 2)
        for (y, x, a), _ in np.ndenumerate(cells[..., 0]):
            tx, ty, tw, th, there, *classes = cells[y, x, a]
            score = 1 / (1 + np.exp(-there)) / (1 + np.exp(-classes[wanted]))
            cx, cy = (x + 1 / (1 + np.exp(-tx))) / columns, (y + 1 / (1 + np.exp(-ty))) / rows
            w, h = anchors[a][0] / 16 * np.exp(tw), anchors[a][1] / 16 * np.exp(th)
            left, top = max(0, cx - w / 2), max(0, cy - h / 2)
            box = (left, top, min(1, cx + w / 2) - left, min(1, cy + h / 2) - top)
            found.append((score, box))
    best = max(score for score, _ in found)
    return best, [box for score, box in found if score > best - 2 / 255]


@pytest.mark.parametrize("classes", [1, 2])
def test_a_yolo_gives_the_box_of_its_best_anchor(classes: int) -> None:
    model = Model(compile_model(yolo_net(classes), Wishes(anchors=ANCHORS)).image)
    for x in inputs(6):
        outputs = [np.asarray(out)[0] for out in model.run(x)]
        assert [out.shape[0] for out in outputs] == [8, 4]
        for c in range(classes):
            score, box = model.score(c)
            best, near = best_box(outputs, c)
            assert abs(score - 255 * best) <= 2
            assert min(np.abs(np.subtract(np.array(box) / 65535, other)).max() for other in near) < 1e-3


@pytest.mark.parametrize(
    ("anchors", "says"),
    [
        (ANCHORS[:1], "anchors for 1 outputs; the model has 2"),
        ((ANCHORS[0], (*ANCHORS[1], *ANCHORS[1])), r"output 1 of shape .* is no grid of 4 anchors"),
        ((((1.0, 1.0),), ANCHORS[1]), "the outputs have 1 and 7 classes"),
    ],
)
def test_anchors_that_do_not_fit_the_outputs_are_refused(anchors: tuple, says: str) -> None:
    with pytest.raises(ModelError, match=says):
        compile_model(yolo_net(1), Wishes(anchors=anchors))


def test_anchors_are_read_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, image = tmp_path / "y.tflite", tmp_path / "y.fkm"
    source.write_bytes(yolo_net(1))
    words = ["compile", str(source), "-o", str(image), "--labels", "person", "--anchors"]
    assert main([*words, "2,3 5,4 / 9,6 3,12"]) == 0
    assert image.read_bytes() == compile_model(source, Wishes(labels=("person",), anchors=ANCHORS)).image
    for wrong in ("", "2,3 5", "2,3 /", "2,3,4", "a,b", "0,3", "-1,2", "5000,3"):
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([*words[:-1], f"--anchors={wrong}"])
        assert ended.value.code == 2
        assert "anchors" in capsys.readouterr().err
