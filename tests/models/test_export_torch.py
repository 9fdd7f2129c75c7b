"""Networks trained in torch become int8 files that compute what the float network does, to a few quanta."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the train extra")

from framekeep_models import reference, tflite_model  # noqa: E402
from framekeep_models.export_torch import ExportError, SameConv2d, export  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from tests.models.oracles import Micro  # noqa: E402


def conv_norm_relu(inputs: int, outputs: int, kernel: int, **options: Any) -> nn.Sequential:
    conv = SameConv2d(inputs, outputs, kernel, bias=False, **options)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs), nn.ReLU6())


class Inverted(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        wide = inputs * 3
        self.body = nn.Sequential(
            conv_norm_relu(inputs, wide, 1),
            conv_norm_relu(wide, wide, 3, stride=stride, groups=wide),
            nn.Conv2d(wide, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Any) -> Any:
        return x + self.body(x) if self.residual else self.body(x)


class ManyHeads(nn.Module):
    """Every layer the exporter knows, in one network."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = conv_norm_relu(3, 8, 3, stride=2)
        self.blocks = nn.Sequential(Inverted(8, 8, 1), Inverted(8, 16, 2), Inverted(16, 16, 1))
        self.skip = nn.Sequential(nn.Conv2d(8, 16, 3, stride=2, padding=1), nn.LeakyReLU(0.1))
        self.same_by_hand = nn.Sequential(nn.ZeroPad2d((0, 1, 0, 1)), nn.Conv2d(16, 8, 3, stride=2))
        self.up = nn.ConvTranspose2d(8, 16, 2, stride=2)
        self.grid = nn.Conv2d(32, 2, 1)
        self.fc = nn.Linear(16, 3)
        self.fc_spatial = nn.Linear(8 * 4 * 4, 3)

    def forward(self, x: Any) -> Any:
        early = self.stem(x)
        late = self.blocks(early)
        small = F.max_pool2d(F.hardswish(self.same_by_hand(late)), 1)
        joined = torch.cat([F.relu(self.up(small)), F.avg_pool2d(self.skip(early), 1)], 1)
        probabilities = F.softmax(self.fc(F.dropout(late.mean((2, 3)), training=self.training)), dim=1)
        smooth = F.interpolate(small, scale_factor=2.0, mode="bilinear", align_corners=False)
        return (
            probabilities,
            torch.sigmoid(self.grid(joined)),
            self.fc_spatial(F.relu(small).flatten(1)),
            torch.tanh(late),
            F.interpolate(smooth, scale_factor=2.0),
        )


@pytest.fixture(scope="module")
def pictures() -> Any:
    rng = np.random.default_rng(7)
    coarse = rng.uniform(0, 255, (48, 4, 4, 3))
    return np.clip(coarse.repeat(8, 1).repeat(8, 2) + rng.normal(0, 20, (48, 32, 32, 3)), 0, 255).astype(
        np.uint8
    )


@pytest.fixture(scope="module")
def trained(pictures: Any) -> Any:
    torch.manual_seed(3)
    net = ManyHeads().train()
    for _ in range(3):
        net(torch.from_numpy(pictures.transpose(0, 3, 1, 2) / 255).float())
    return net.eval()


@pytest.fixture(scope="module")
def exported(trained: Any, pictures: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("export") / "net.tflite"
    return export(trained, pictures, path, labels=["none", "ship", "cloud"])


def test_stays_within_a_few_quanta_of_the_float_network(trained: Any, pictures: Any, exported: Path) -> None:
    model = tflite_model.load(exported)
    for picture in pictures[:8]:
        found = reference.outputs(model, (picture.astype(np.int16) - 128).astype(np.int8))
        with torch.no_grad():
            wanted = trained(torch.from_numpy(picture.transpose(2, 0, 1)[None] / 255).float())
        for index, got, want in zip(model.outputs, found, wanted, strict=True):
            tensor = model.tensors[index]
            real = (got.astype(np.float64) - tensor.zero_point[0]) * tensor.scale[0]
            expected = want.numpy() if want.ndim == 2 else want.numpy().transpose(0, 2, 3, 1)
            assert np.abs(real - expected).max() < 12 * tensor.scale[0]
            assert np.abs(real - expected).mean() < 2.5 * tensor.scale[0]


def test_tflite_micro_computes_the_same_bytes_as_the_twin(pictures: Any, exported: Path) -> None:
    micro = Micro(exported)
    for picture in pictures[:8]:
        x = (picture.astype(np.int16) - 128).astype(np.int8)
        for got, want in zip(micro.outputs([x]), reference.outputs(micro.model, x), strict=True):
            np.testing.assert_array_equal(got, want)


def test_labels_and_fused_forms_are_in_the_file(exported: Path) -> None:
    model = tflite_model.load(exported)
    names = [op.name for op in model.operators]
    assert model.labels == ("none", "ship", "cloud")
    assert (
        names.count("PAD") == 1
    )  # torch's own stride 2; neither SameConv2d nor ZeroPad2d like SAME needs one
    assert "RELU6" not in names
    assert model.operators[0].options["padding"] == "SAME"


def test_float_calibration_in_the_networks_units_gives_the_same_file(
    trained: Any, pictures: Any, exported: Path, tmp_path: Path
) -> None:
    again = export(
        trained, pictures.astype(np.float32) / 255, tmp_path / "f.tflite", labels=["none", "ship", "cloud"]
    )
    one, two = tflite_model.load(again), tflite_model.load(exported)
    for a, b in zip(one.tensors, two.tensors, strict=True):
        np.testing.assert_allclose(a.scale, b.scale, rtol=1e-5)


@pytest.mark.parametrize(
    ("module", "complaint"),
    [
        (nn.Sequential(nn.Conv2d(3, 4, 3), nn.GELU()), "GELU"),
        (nn.Conv2d(3, 6, 3, groups=3, padding_mode="reflect", padding=1), "padding"),
        (nn.Sequential(nn.Conv2d(3, 4, 1), nn.Linear(32, 2)), "flatten"),
        (nn.Sequential(nn.ReLU(), nn.BatchNorm2d(3)), "batch norm"),
        (nn.Sequential(nn.MaxPool2d(3, 2, 1)), "padding of a pool"),
    ],
)
def test_what_has_no_int8_form_is_refused_by_name(
    module: Any, complaint: str, pictures: Any, tmp_path: Path
) -> None:
    with pytest.raises(ExportError, match=complaint):
        export(module, pictures, tmp_path / "no.tflite")
    assert not list(tmp_path.iterdir())
