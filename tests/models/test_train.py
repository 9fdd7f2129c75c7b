"""Training to the end, on toys: a folder of pictures becomes a model that flies."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

pytest.importorskip("torch", reason="training is an extra: pip install 'framekeep[train]'")

import torch
from framekeep_models import nets, train_loop
from framekeep_models.cli import main
from framekeep_models.data import DataError, Picture
from framekeep_models.data_crops import Pool
from framekeep_models.evaluate_flight import FlightModel
from framekeep_models.evaluate_metrics import auc
from framekeep_models.train import doubt, train
from framekeep_models.train_export import int8_scores
from framekeep_models.train_judge import many_looks, threshold_of
from framekeep_models.train_loop import seed_all, targets
from framekeep_models.train_options import FitConfig, Options
from framekeep_models.train_ship_teacher import FIT, opinion, taught, teacher_net
from framekeep_models.train_tasks import recipe_for
from framekeep_models.train_warm import resized, with_batch_norm, without_constants
from torch import nn


def draw(rng: np.random.Generator, disc: bool) -> Image.Image:
    """Coloured bars, and a bright disc on half of them."""
    bars = np.repeat(rng.integers(0, 140, (8, 1, 3), dtype=np.uint8), 5, axis=0)
    image = Image.fromarray(np.repeat(bars, 48, axis=1))
    if disc:
        x, y, r = (int(v) for v in rng.integers([14, 12, 7], [34, 28, 10]))
        ImageDraw.Draw(image).ellipse((x - r, y - r, x + r, y + r), fill=(255, 240, 120))
    return image


def toy_folder(root: Path, count: int, seed: int) -> Path:
    rng = np.random.default_rng(seed)
    for name in ("disc", "no_disc"):
        (root / name).mkdir(parents=True)
        for k in range(count):
            draw(rng, name == "disc").save(root / name / f"{k:03d}.png")
    return root


def framed(sheet: Path) -> int:
    """Pictures in a contact sheet of mistakes."""
    pixels = np.asarray(Image.open(sheet))[2::110, 2::110]
    return int((pixels != 255).any(axis=2).sum())


def test_a_folder_of_toys_becomes_a_model_that_flies(tmp_path: Path) -> None:
    folder = toy_folder(tmp_path / "pictures", 40, seed=1)
    options = Options(data=folder, positive="disc", side=32, crops=0.5, epochs=6)
    facts = train(recipe_for("classifier", options), options, tmp_path / "out", "fk-models train classifier")
    out = tmp_path / "out"
    endings = ("tflite", "fkm", "json", "md", "png")
    assert {p.name for p in out.iterdir()} == {f"classifier.{s}" for s in endings}
    confusion = facts["validation"]["confusion"]
    assert framed(out / "classifier.png") == confusion["fp"] + confusion["fn"]
    assert json.loads((out / "classifier.json").read_text())["threshold"] == facts["threshold"]

    rng = np.random.default_rng(99)  # pictures that training never saw
    labels = np.arange(60) % 2
    images = np.stack([np.asarray(draw(rng, bool(label)).resize((32, 32))) for label in labels])
    flight = FlightModel(out / "classifier.fkm")
    flown = np.array([flight.score(image) for image in images], float)
    assert auc(labels, flown) > 0.95
    assert flight.threshold == facts["threshold"]
    # score 0..255 of a probability p/256 is the nearest, so the two may differ by one step
    assert np.abs(flown - int8_scores(out / "classifier.tflite", images)).max() <= 1


def test_the_same_seed_gives_the_same_model(tmp_path: Path) -> None:
    folder = toy_folder(tmp_path / "pictures", 10, seed=1)
    options = Options(data=folder, positive="disc", side=32, crops=0.3, epochs=1)
    for out in ("a", "b"):
        train(recipe_for("classifier", options), options, tmp_path / out, "")
    assert (tmp_path / "a/classifier.tflite").read_bytes() == (tmp_path / "b/classifier.tflite").read_bytes()


def test_a_model_of_too_few_steps_is_not_handed_over_in_silence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = toy_folder(tmp_path / "pictures", 10, seed=1)
    options = Options(data=folder, positive="disc", side=32, crops=0.3, epochs=1)
    facts = train(recipe_for("classifier", options), options, tmp_path / "out", "")
    assert facts["validation"]["auc"] < 0.6
    assert "give it more --epochs" in capsys.readouterr().err
    assert doubt(before=0.9, after=0.6)  # learned, and lost by quantisation
    assert not doubt(before=0.935, after=0.934)


def test_one_class_alone_is_refused(tmp_path: Path) -> None:
    draw(np.random.default_rng(1), True).save((tmp_path / "disc").mkdir() or tmp_path / "disc/a.png")
    with pytest.raises(DataError, match="1 pictures with the wanted class and 0 without"):
        recipe_for("classifier", Options(data=tmp_path, positive="disc"))


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        (["--side", "8"], "--side 8: choose one from 24 to 320"),
        (["--crops", "-1"], "--crops -1.0: choose one from 0.01"),
        (["--epochs", "0"], "--epochs 0: choose one from 1"),
        (["--threads", "0"], "--threads 0: choose one from 1"),
        (["--seed", "-1"], "--seed -1: choose one from 0"),
        (["--out", "PICTURES/disc/000.png"], "000.png: is a file; --out names a folder"),
        (["--out", "PICTURES/disc/000.png/out"], "000.png/out: Not a directory"),
        (["--start", "a.tflite"], "--start is read by person_grid, ship_grid, shelf_fill; classifier would"),
        (
            ["--teachers", "a"],
            "--teachers is read by person_96, person_96_scratch, person_96_all, person_grid;",
        ),
    ],
)
def test_wishes_that_cannot_be_met_are_refused_at_once(
    wish: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = toy_folder(tmp_path / "pictures", 5, seed=1)
    wanted = [w.replace("PICTURES", str(folder)) for w in wish]
    common = ["train", "classifier", "--data", str(folder), "--positive", "disc"]
    assert main([*common, "--out", str(tmp_path / "out"), *wanted]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_pictures_without_a_split_of_their_own_are_held_back_from_those_to_learn_from(tmp_path: Path) -> None:
    rows = [f"{k}.png,{k % 2},{'test' if k >= 20 else 'Train'}" for k in range(24)]
    (tmp_path / "labels.csv").write_text("\n".join(["file,label,split", *rows]))
    recipe = recipe_for("classifier", Options(data=tmp_path))
    learned = {int(p.path.stem) for p in recipe.pictures(Options(data=tmp_path))}
    held = {int(p.path.stem) for p in recipe.validation(Options(data=tmp_path))}
    assert (len(held), len(learned), learned & held, learned | held) == (4, 16, set(), set(range(20)))


def test_coco_pictures_teach_a_classifier_too(tmp_path: Path) -> None:
    coco = {
        "images": [{"id": k, "file_name": f"{k}.png", "width": 10, "height": 10} for k in range(20)],
        "annotations": [{"image_id": k, "category_id": 4, "bbox": [0, 0, 5, 5]} for k in range(10)],
        "categories": [{"id": 3, "name": "apple"}, {"id": 4, "name": "carton"}],
    }
    (tmp_path / "annotations_train.json").write_text(json.dumps(coco))
    options = Options(data=tmp_path / "annotations_train.json", positive="carton")
    recipe = recipe_for("classifier", options)
    assert sorted(p.label for p in recipe.pictures(options)) == [0] * 8 + [1] * 8
    assert sorted(p.label for p in recipe.validation(options)) == [0, 0, 1, 1]


@pytest.mark.parametrize("side", [24, 31, 32, 33, 47, 48, 56, 57, 63, 64, 97, 320])
def test_a_network_of_any_side_that_may_be_wished_sees_the_whole_picture(side: int, tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("\n".join(["file,label", *(f"{k}.png,{k % 2}" for k in range(20))]))
    options = Options(data=tmp_path, side=side)
    nothing = Pool(np.zeros((0, side, side, 3), np.uint8), np.zeros(0, np.int8), np.zeros(0, np.float32))
    torch.manual_seed(1)
    net = recipe_for("classifier", options).net(options, nothing)
    image = torch.rand(1, 3, side, side, requires_grad=True)
    logits = net.eval()(image)
    assert logits.shape == (1, 2)
    logits[0, 1].backward()
    assert image.grad is not None
    seen = image.grad[0].abs().sum(0)
    eighth = side // 8
    for corner in (
        seen[:eighth, :eighth],
        seen[:eighth, -eighth:],
        seen[-eighth:, :eighth],
        seen[-eighth:, -eighth:],
    ):
        assert corner.max() > 0


def test_fewer_crops_than_a_batch_are_learned_from_all_the_same() -> None:
    net = nets.chain(nets.TOY_32)
    before = net[-1].weight.detach().clone()
    pool = Pool(
        np.zeros((8, 32, 32, 3), np.uint8), np.arange(8, dtype=np.int8) % 2, np.full(8, np.nan, np.float32)
    )
    losses: list[float] = []
    train_loop.fit(net, pool, FitConfig(epochs=2), lambda _epoch, loss, _kept: losses.append(loss))
    assert np.isfinite(losses).all()
    assert not torch.equal(net[-1].weight, before)


def test_targets_blend_boxes_and_teachers() -> None:
    pool = Pool(
        np.zeros((4, 1, 1, 3), np.uint8),
        np.array([1, 0, -1, -1], np.int8),
        np.array([0.5, np.nan, 0.7, np.nan], np.float32),
    )
    aim, weight = targets(pool, hard_share=0.4)
    assert aim.tolist() == pytest.approx([0.4 * 1 + 0.6 * 0.5, 0.0, 0.7, 0.0])
    assert weight.tolist() == [1, 1, 1, 0]


def test_a_teacher_speaks_of_every_view_also_of_those_nobody_labelled() -> None:
    """Bright discs on dark ground are told from plain ground after a few steps, labelled or not."""
    rng = np.random.default_rng(1)
    images = np.stack([np.asarray(draw(rng, bool(k % 2)).resize((32, 32))) for k in range(480)])
    truth = np.arange(480) % 2
    hard = np.where(np.arange(480) < 400, truth, -1).astype(np.int8)
    pool = Pool(images, hard, np.full(480, np.nan, np.float32))
    seed_all(1)
    found = taught(images, pool, 1, replace(FIT, epochs=3, batch=32, average=0.9))
    assert np.array_equal(found.hard, hard)
    assert auc(truth[400:], found.soft[400:].astype(np.float64)) > 0.9


def test_a_teacher_says_the_same_of_a_view_and_of_its_quarter_turns() -> None:
    seed_all(1)
    teacher = teacher_net((8, 8, 16, 16))
    images = np.random.default_rng(1).integers(0, 256, (5, 32, 32, 3), dtype=np.uint8)
    images[:, :16] //= 4  # unlike on two sides
    upright = opinion(teacher, images, batch=2)
    turned = opinion(teacher, np.rot90(images, 1, (1, 2)))
    assert np.ptp(upright) > 0
    assert np.allclose(upright, turned, rtol=0, atol=1e-6)


class Brightness:
    """Stands in for a model: the mean of the picture, and lower where a camera fault darkens it."""

    def score(self, image: np.ndarray) -> int:
        return round(float(image.mean()))


def test_the_threshold_of_many_looks_lies_between_both_kinds(tmp_path: Path) -> None:
    pictures = []
    for k, level in enumerate((40, 60, 160, 200)):
        path = tmp_path / f"{k}.png"
        Image.new("RGB", (24, 24), (level, level, level)).save(path)
        pictures.append(Picture(path, int(level > 100), "val", "", ""))
    looks = many_looks(Brightness(), pictures)  # type: ignore[arg-type]
    assert looks.shape == (4, 16)
    assert np.array_equal(looks[:, :8], np.repeat([[40], [60], [160], [200]], 8, 1))
    assert np.abs(looks[:, 8:] - looks[:, :8]).max() > 5
    recipe = recipe_for("ship_80", Options(tmp_path))
    seen = threshold_of(recipe, Brightness(), pictures, looks[:, 0])  # type: ignore[arg-type]
    right = [((looks >= t) == (np.arange(4) > 1)[:, None]).sum() for t in range(1, 256)]
    assert ((looks >= seen) == (np.arange(4) > 1)[:, None]).sum() == max(right)


def small_chain() -> nn.Sequential:
    """3 -> 6 -> 8 channels, with biases and without batch norm, as a file gives it."""
    torch.manual_seed(3)
    net = nn.Sequential(
        nets.SameConv2d(3, 6, 3, 2), nn.ReLU6(),
        nets.SameConv2d(6, 6, 3, 1, groups=6), nn.ReLU6(),
        nets.SameConv2d(6, 8, 1, 1), nn.ReLU6(),
        nn.AvgPool2d(8), nn.Flatten(), nn.Linear(8, 2),
    ).eval()  # fmt: skip
    for layer in net:
        if isinstance(layer, nn.Conv2d):
            layer.bias.data.fill_(0.5)  # so that every channel fires
    return net


def test_batch_norm_put_back_changes_nothing() -> None:
    images = np.random.default_rng(1).integers(0, 256, (16, 16, 16, 3), dtype=np.uint8)
    x = torch.rand(4, 3, 16, 16)
    net = small_chain()
    again = with_batch_norm(net, images).eval()
    assert any(isinstance(layer, nn.BatchNorm2d) for layer in again)
    assert torch.allclose(net(x), again(x), atol=1e-5)


def test_dead_channels_go_and_the_function_stays() -> None:
    images = np.random.default_rng(1).integers(0, 256, (16, 16, 16, 3), dtype=np.uint8)
    net = small_chain()
    net[0].bias.data[2] = -100.0  # never fires; the depthwise layer makes a constant of it
    net[4].bias.data[5] = 3.0
    net[4].weight.data[5] = 0.0  # fires always alike
    x = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
    lean = without_constants(net, images)
    assert (lean[0].out_channels, lean[2].out_channels, lean[4].out_channels) == (5, 5, 7)
    assert torch.allclose(net(x), lean(x), atol=1e-4)


def test_wider_layers_start_near_the_old_function() -> None:
    net = small_chain()
    x = torch.rand(4, 3, 16, 16)
    wide = resized(net, (8, 12))
    assert (wide[0].out_channels, wide[2].out_channels, wide[4].out_channels) == (8, 8, 12)
    assert torch.allclose(net(x), wide(x), atol=0.2)
    same = resized(net, (6, 8))
    assert torch.allclose(net(x), same(x), atol=1e-5)


def test_macs_and_bytes_counted_by_hand() -> None:
    """First layer 16x16x8 outputs of 27 each; depthwise 8x8x8 of 9; 1x1 8x8x16 of 8; ... of the toy chain."""
    net = nets.chain(nets.ChainConfig(side=32, first=8, blocks=((16, 2),)))
    assert nets.macs(net, 3, 32) == 16 * 16 * 8 * 27 + 8 * 8 * 8 * 9 + 8 * 8 * 16 * 8 + 16 * 2
    assert nets.weights_bytes(net) == 8 * 27 + 8 * 9 + 16 * 8 + 2 * 16 + 4 * (8 + 8 + 16 + 2)


def test_macs_of_a_transposed_convolution_are_those_of_its_inputs() -> None:
    """Each of 6x5 pixels of 3 channels spreads over 2x2 pixels of 4."""
    assert nets.macs(torch.nn.ConvTranspose2d(3, 4, 2, 2), 3, (6, 5)) == 6 * 5 * 3 * 2 * 2 * 4
