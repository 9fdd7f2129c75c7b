"""A masked pixel reaches neither flash nor a packet: it could have been any other, and nobody could tell."""

import re
from pathlib import Path

import numpy as np
import pytest
from framekeep_onboard import firmware
from framekeep_onboard.events import Frame, Pass
from framekeep_sim import cli as sim
from framekeep_sim import dataset, mission, model
from framekeep_sim.camera import fit
from framekeep_sim.events import Flight
from framekeep_sim.mission import Camera, PixelFormat
from framekeep_sim.play import play
from PIL import Image

SECURITY = Path(__file__).resolve().parents[2] / "missions" / "security.toml"
MASKS = "masks = [[0, 0, 61, 40], [101, 50, 59, 70]]"


def plan(folder: Path, pixel_format: str, masks: str) -> mission.Mission:
    """The security mission with every frame of interest, in another format and with masks."""
    text = SECURITY.read_text()
    for old, new in (
        ('format = "rgb565be"', f'format = "{pixel_format}"'),
        ("masks = []", masks),
        ("# threshold = 0.5", "threshold = 0.0"),
        ('file = "../models', f'file = "{SECURITY.parents[1]}/models'),
    ):
        assert old in text
        text = text.replace(old, new)
    path = folder / "mission.toml"
    path.write_text(text)
    return mission.load(path)


def scrambled(frame: Frame, camera: Camera, seed: int) -> Frame:
    """The frame with noise where the masks are: other pixels, if nobody looks there."""
    rows = np.frombuffer(frame.data, np.uint8).reshape(camera.height, -1).copy()
    pixel = rows.shape[1] // camera.width
    for m in camera.masks:
        part = rows[m.y : m.y + m.height, m.x * pixel : (m.x + m.width) * pixel]
        part[:] = np.random.default_rng(seed).integers(0, 256, part.shape)
    return Frame(rows.tobytes(), frame.time)


class Scene(Flight):
    """A flight whose frames were changed before the camera delivered them."""

    def events(self):
        masked = mission.load(self.mission.path.with_name("masked.toml")).camera
        for n, event in enumerate(super().events()):
            yield event if isinstance(event, Pass) else scrambled(event, masked, n)


def flown(plan: mission.Mission, kind: type[Flight], target: str = "host") -> tuple[bytes, bytes]:
    person = model.load(plan.model)
    pictures = [item for n, item in enumerate(dataset.load("demo")) if n % 11 == 0]
    done = play(target, kind(plan, pictures), plan.policy(person.labels), person, lambda _: None)
    assert any(d.size for d in done.decisions), "no frame was kept: nothing is shown"
    return done.flash, done.downlink


@pytest.mark.parametrize("pixel_format", [name.name.lower() for name in PixelFormat])
def test_what_is_masked_changes_no_byte(tmp_path: Path, pixel_format: str) -> None:
    hidden = plan(tmp_path, pixel_format, MASKS)
    (tmp_path / "masked.toml").write_text(hidden.path.read_text())
    assert flown(hidden, Flight) == flown(hidden, Scene)
    seen = plan(tmp_path, pixel_format, "masks = []")
    assert flown(seen, Flight) != flown(seen, Scene), "the noise makes no difference: the test shows nothing"


def shown(folder: Path, mission_file: Path) -> list[str]:
    """The pictures of a report, as they stand in it."""
    out = folder.with_suffix(".run")
    assert sim.main(["run", str(folder), "--mission", str(mission_file), "--out", str(out), "--json"]) == 0
    return re.findall(r'src="(data:image[^"]*)"', (out / "report.html").read_text())


def test_nor_is_it_seen_in_the_report(tmp_path: Path) -> None:
    hidden = plan(tmp_path, "rgb888", MASKS)
    (tmp_path / "hidden.toml").write_text(hidden.path.read_text())
    seen = plan(tmp_path, "rgb888", "masks = []")
    for name in ("plain", "noisy"):
        (tmp_path / name).mkdir()
    for n, item in enumerate([item for n, item in enumerate(dataset.load("demo")) if n % 11 == 0]):
        pixels = np.array(fit(item.open(), hidden.camera))
        Image.fromarray(pixels).save(tmp_path / "plain" / f"{n}.png")
        for m in hidden.camera.masks:
            part = pixels[m.y : m.y + m.height, m.x : m.x + m.width]
            part[:] = np.random.default_rng(n).integers(0, 256, part.shape)
        Image.fromarray(pixels).save(tmp_path / "noisy" / f"{n}.png")
    reports = [shown(tmp_path / name, tmp_path / "hidden.toml") for name in ("plain", "noisy")]
    assert len(reports[0]) >= 3
    assert reports[0] == reports[1]
    assert shown(tmp_path / "plain", seen.path) != shown(tmp_path / "noisy", seen.path)


@pytest.mark.qemu
@pytest.mark.parametrize("target", list(firmware.BOARDS)[:2])
def test_nor_on_a_microcontroller(tmp_path: Path, target: str) -> None:
    hidden = plan(tmp_path, "rgb565be", MASKS)
    (tmp_path / "masked.toml").write_text(hidden.path.read_text())
    assert flown(hidden, Scene, target) == flown(hidden, Flight)
