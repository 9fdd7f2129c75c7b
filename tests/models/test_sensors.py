"""Pictures as other sensors might have taken them: what each does to a picture, and a model's figures."""

import json
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from framekeep_models.evaluate_sensors import SENSORS, main
from PIL import Image

PERSON = Path(__file__).resolve().parents[2] / "models/trained/person_96.tflite"


def taken(name: str, image: np.ndarray) -> np.ndarray:
    return SENSORS[name](image, np.random.default_rng(1))


def test_every_sensor_gives_a_picture_of_the_same_size_and_leaves_the_given_one() -> None:
    image = skimage.data.astronaut()[::4, ::5]
    before = image.copy()
    for name in SENSORS:
        out = taken(name, image)
        assert out.shape == image.shape and out.dtype == np.uint8, name
        assert np.array_equal(out, image) == (name == "as it is"), name
    assert np.array_equal(image, before)


def test_what_must_not_change_does_not() -> None:
    image = skimage.data.astronaut()[::4, ::4]
    flat = np.full((40, 60, 3), 90, np.uint8)
    for name in ("turned", "pixels x 3.5", "sharpened", "grey"):
        assert np.array_equal(taken(name, flat), flat), name
    assert np.ptp(taken("grey", image).astype(int), axis=2).max() == 0
    assert np.abs(taken("pixels x 3.5", image).mean() - image.mean()) < 1
    assert np.ptp(taken("haze", image)) < 0.65 * np.ptp(image), "little of the light is the scene's"
    assert taken("sharpened", image).std() > image.std()


def test_the_figures_by_sensor_are_one_object(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for label, name in (("person", "astronaut"), ("no_person", "coffee")):
        (tmp_path / label).mkdir()
        Image.fromarray(getattr(skimage.data, name)()).save(tmp_path / label / f"{name}.png")
    assert main([str(PERSON), "--data", str(tmp_path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)[str(PERSON)]
    assert set(found) == set(SENSORS)
    assert found["as it is"]["auc"] == found["turned"]["auc"] == 1.0
    assert main([str(PERSON), "--data", str(tmp_path)]) == 0
    assert "| as it is | 100.0 % (34.2 .. 100.0) | 1.000 " in capsys.readouterr().out
