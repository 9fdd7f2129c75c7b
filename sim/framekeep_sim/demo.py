"""The demo: a camera stream cut from photographs that scikit-image and scikit-learn bring along.

Nothing is downloaded and nothing is random: a scene is a picture, a path of
the view over it and a course of the exposure, all in integers, so that every
machine sees the same frames. A frame is labelled `person` where a person (its
boxes were drawn by hand) fills at least a tenth of the view, else `no_person`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from PIL import Image

from framekeep_sim.errors import UserError

Box = tuple[int, int, int, int]  # left, upper, right, lower

FOLDERS = {"skimage": "data", "sklearn": "datasets/images"}
PERSON_SHARE = 10  # a person is in sight when it fills 1/10 of the view


@dataclass(frozen=True, slots=True)
class View:
    """Where the camera looks: the centre and the width, in thousandths of the picture's width."""

    x: int
    y: int
    width: int
    exposure: int = 256  # 256: as photographed
    fog: int = 0  # 256: nothing but grey


@dataclass(frozen=True, slots=True)
class Scene:
    package: str
    file: str
    frames: int
    begin: View
    end: View
    person: tuple[Box, ...] = ()  # boxes over it that do not overlap


ASTRONAUT = ((170, 10, 285, 215), (60, 215, 400, 512))  # head, body
PHOTOGRAPHER = ((170, 60, 285, 165), (20, 165, 310, 512))

SCENES = (
    Scene("skimage", "rocket.jpg", 4, View(500, 333, 700, 6), View(500, 333, 700, 20)),
    Scene("skimage", "rocket.jpg", 6, View(400, 300, 700, 120), View(560, 360, 500, 256)),
    Scene("sklearn", "china.jpg", 6, View(350, 340, 600), View(640, 340, 500)),
    Scene("skimage", "astronaut.png", 8, View(820, 300, 330), View(420, 400, 800), ASTRONAUT),
    Scene("skimage", "coffee.png", 5, View(400, 300, 800), View(500, 300, 500)),
    Scene("sklearn", "china.jpg", 4, View(750, 150, 360, 320), View(780, 130, 320, 4000)),
    Scene("skimage", "chelsea.png", 6, View(300, 330, 600), View(550, 330, 700)),
    Scene("skimage", "camera.png", 8, View(800, 400, 380), View(380, 500, 760), PHOTOGRAPHER),
    Scene("skimage", "brick.png", 3, View(400, 400, 600), View(600, 500, 600)),
    Scene("skimage", "moon.png", 4, View(400, 400, 700), View(600, 600, 500)),
    Scene("sklearn", "flower.jpg", 5, View(380, 330, 600), View(600, 330, 700)),
    Scene("sklearn", "flower.jpg", 4, View(600, 330, 700, 256, 200), View(600, 330, 700, 256, 256)),
    Scene("skimage", "motorcycle_left.png", 6, View(350, 330, 600), View(640, 330, 600)),
    Scene("skimage", "astronaut.png", 8, View(450, 380, 860, 60), View(440, 280, 480, 300), ASTRONAUT),
    Scene("skimage", "grass.png", 3, View(500, 500, 800), View(600, 500, 600)),
    Scene("skimage", "hubble_deep_field.jpg", 4, View(400, 400, 500), View(600, 400, 300)),
    Scene("skimage", "rocket.jpg", 4, View(500, 333, 700, 64), View(500, 333, 700, 4)),
)
COUNT = sum(scene.frames for scene in SCENES)


@dataclass(frozen=True, slots=True)
class DemoFrame:
    """One frame of the stream, not yet rendered."""

    name: str
    scene: Scene
    view: View

    def picture(self) -> Image.Image:
        """The view at 4:3, with its exposure and fog."""
        source = _photograph(self.scene.package, self.scene.file)
        cut = source.crop(self._box(source.width))
        exposure, fog = self.view.exposure, self.view.fog
        levels = [(min(255, v * exposure >> 8) * (256 - fog) + 150 * fog) >> 8 for v in range(256)]
        return cut.point(levels * 3)

    def label(self) -> str:
        source = _photograph(self.scene.package, self.scene.file)
        left, upper, right, lower = self._box(source.width)
        shared = sum(
            max(0, min(right, c) - max(left, a)) * max(0, min(lower, d) - max(upper, b))
            for a, b, c, d in self.scene.person
        )
        in_sight = shared * PERSON_SHARE >= (right - left) * (lower - upper)
        return "person" if in_sight else "no_person"

    def _box(self, unit: int) -> Box:
        wide = self.view.width * unit // 1000
        high = wide * 3 // 4
        left = self.view.x * unit // 1000 - wide // 2
        upper = self.view.y * unit // 1000 - high // 2
        return left, upper, left + wide, upper + high


def stream() -> Iterator[DemoFrame]:
    """All frames of the demo in order."""
    for number, scene in enumerate(SCENES, 1):
        for step in range(scene.frames):
            name = f"{number:02d}-{Path(scene.file).stem}-{step}"
            yield DemoFrame(name, scene, _between(scene.begin, scene.end, step, scene.frames - 1))


def _between(a: View, b: View, step: int, steps: int) -> View:
    def mix(start: int, end: int) -> int:
        return start + (end - start) * step // steps

    return View(
        mix(a.x, b.x), mix(a.y, b.y), mix(a.width, b.width), mix(a.exposure, b.exposure), mix(a.fog, b.fog)
    )


@cache
def _photograph(package: str, file: str) -> Image.Image:
    spec = find_spec(package)  # found without importing it, which takes a second
    places = spec.submodule_search_locations if spec else None
    for place in places or []:
        path = Path(place) / FOLDERS[package] / file
        if path.is_file():
            with Image.open(path) as picture:
                return picture.convert("RGB")
    wheel = {"skimage": "scikit-image", "sklearn": "scikit-learn"}[package]
    raise UserError(f"demo: {file} of {wheel} is missing; type: pip install --force-reinstall {wheel}")
