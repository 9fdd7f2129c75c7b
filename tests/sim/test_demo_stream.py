"""The demo's frames: the same everywhere, and with all that a mission must cope with."""

import numpy as np
from framekeep_sim import demo


def test_the_stream_is_long_and_has_people_in_it() -> None:
    frames = list(demo.stream())
    labels = [frame.label() for frame in frames]
    assert len(frames) == demo.COUNT >= 60
    assert len({frame.name for frame in frames}) == len(frames)
    assert labels.count("person") >= 12 and labels.count("no_person") >= 40


def test_some_frames_are_dark_overexposed_or_blank() -> None:
    grey = {frame.name: np.asarray(frame.picture().convert("L")) for frame in demo.stream()}
    levels = {name: np.percentile(pixels, [5, 95]) for name, pixels in grey.items()}
    assert sum(high < 24 for _, high in levels.values()) >= 3
    assert sum(low > 235 for low, _ in levels.values()) >= 3
    assert any(high - low < 12 for low, high in levels.values() if high >= 24 and low <= 235)


def test_no_two_frames_are_the_same() -> None:
    assert len({frame.picture().tobytes() for frame in demo.stream()}) == demo.COUNT


def test_the_photographs_are_those_the_boxes_were_drawn_on() -> None:
    sizes = {f.scene.file: demo._photograph(f.scene.package, f.scene.file).size for f in demo.stream()}
    assert sizes["astronaut.png"] == sizes["camera.png"] == (512, 512)
    astronaut = np.asarray(demo._photograph("skimage", "astronaut.png"))
    assert (astronaut[400, 120] > astronaut[400, 120, ::-1]).tolist() == [True, False, False]  # orange suit
