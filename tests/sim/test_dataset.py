"""Every kind of dataset is listed as documented; what is no dataset is answered in one line."""

import json
import os
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from framekeep_sim import dataset
from framekeep_sim.errors import UserError
from PIL import Image

from tests.shared_data import shared

os.environ["OPENCV_FFMPEG_LOGLEVEL"] = "-8"  # as dataset.py sets it, before any other use of OpenCV


def picture(path: Path, colour: str = "red") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 6), colour).save(path)
    return path


def listed(source: object, **options: object) -> list[tuple[str, object]]:
    return [(item.name, item.labels) for item in dataset.load(str(source), **options)]  # type: ignore[arg-type]


def test_subfolders_are_labels_and_other_files_are_left_alone(tmp_path: Path) -> None:
    picture(tmp_path / "top.png")
    picture(tmp_path / "person" / "b.JPG")
    picture(tmp_path / "deep" / "no_person" / "a.bmp")
    picture(tmp_path / ".hidden" / "c.png")
    (tmp_path / "labels.csv").write_text("file,label\n")
    assert listed(tmp_path) == [
        ("top.png", None),
        ("deep/no_person/a.bmp", frozenset({"no_person"})),
        ("person/b.JPG", frozenset({"person"})),
    ]
    assert dataset.load(str(tmp_path)).labels == {"person", "no_person"}


def test_a_table_names_files_and_labels(tmp_path: Path) -> None:
    picture(tmp_path / "images" / "a.png")
    (tmp_path / "t.csv").write_text(
        "\ufefffile,label,any\nimages/a.png,1,x\nimages/b.png,-1,y\nimages/c.png,,z\n", "utf-8"
    )
    assert listed(tmp_path / "t.csv") == [
        ("images/a.png", frozenset({"1"})),
        ("images/b.png", None),
        ("images/c.png", None),
    ]
    assert listed(tmp_path / "t.csv", label="any")[1] == ("images/b.png", frozenset({"y"}))


def test_coco_gives_the_categories_in_each_picture(tmp_path: Path) -> None:
    picture(tmp_path / "images" / "b.png")
    whole = {
        "images": [{"id": 1, "file_name": "a.png"}, {"id": 2, "file_name": "b.png"}],
        "annotations": [
            {"image_id": 1, "category_id": 7, "bbox": [0, 0, 1, 1]},
            {"image_id": 1, "category_id": 7, "bbox": [2, 0, 1, 1]},
            {"image_id": 2, "category_id": 7, "bbox": [0, 0, 1, 1], "iscrowd": 1},
        ],
        "categories": [{"id": 7, "name": "person"}, {"id": 8, "name": "dog"}],
    }
    (tmp_path / "c.json").write_text(json.dumps(whole))
    assert listed(tmp_path / "c.json") == [("a.png", frozenset({"person"})), ("b.png", frozenset({"person"}))]
    loaded = dataset.load(str(tmp_path / "c.json"))
    assert loaded.labels == {"person", "dog"}
    assert list(loaded)[1].open().size == (8, 6)  # found in images/ beside the file


def test_a_video_brings_its_own_clock_and_can_be_played_twice(tmp_path: Path) -> None:
    path = tmp_path / "v.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 25, (64, 48))  # type: ignore[attr-defined]
    for level in range(0, 250, 25):
        writer.write(np.full((48, 64, 3), level, np.uint8))
    writer.release()
    video = dataset.load(str(path), limit=4)
    assert video.count == 4
    assert [item.time for item in video] == [Fraction(i, 25) for i in range(4)]
    again = [np.asarray(item.open()).mean() for item in video]
    assert again == pytest.approx([0, 25, 50, 75], abs=4)


def test_frames_at_uneven_times_keep_them(tmp_path: Path) -> None:
    path = tmp_path / "v.gif"
    levels = [Image.new("L", (64, 48), 40 * i) for i in range(6)]
    lasting = [100, 100, 100, 2000, 5000, 100]  # milliseconds
    levels[0].save(path, save_all=True, append_images=levels[1:], duration=lasting)
    times = [item.time for item in dataset.load(str(path))]
    assert times == [Fraction(sum(lasting[:i]), 1000) for i in range(6)]


def test_a_frame_is_never_earlier_than_the_one_before() -> None:
    frames = dataset._VideoFrames(Path("v.mp4"), Fraction(25), None)
    assert frames._time(1, 40.0004, Fraction(0)) == Fraction(1, 25)  # by the rate, exact
    assert frames._time(2, 500.0, Fraction(1, 25)) == Fraction(1, 2)
    assert frames._time(3, 90.0, Fraction(1, 2)) == Fraction(1, 2)
    assert frames._time(4, 0.0, Fraction(3, 25)) == Fraction(4, 25)  # a container without stamps
    assert dataset._VideoFrames(Path("v.mp4"), Fraction(0), None)._time(2, 0.0, None) is None


def test_a_folder_that_is_linked_to_is_read_once(tmp_path: Path) -> None:
    picture(tmp_path / "elsewhere" / "a.png")
    root = tmp_path / "set"
    root.mkdir()
    (root / "person").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "circle").symlink_to(root)
    assert listed(root) == [("person/a.png", frozenset({"person"}))]


def test_seed_draws_the_same_order_again_and_limit_takes_the_first(tmp_path: Path) -> None:
    for i in range(12):
        picture(tmp_path / f"{i:02d}.png")
    in_order = listed(tmp_path)
    drawn = listed(tmp_path, seed=3)
    assert drawn != in_order and sorted(drawn) == in_order
    assert listed(tmp_path, seed=3) == drawn
    assert listed(tmp_path, seed=4) != drawn
    assert listed(tmp_path, seed=3, limit=5) == drawn[:5]


def test_pictures_are_not_opened_before_their_turn(tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    (item,) = dataset.load(str(tmp_path))
    with pytest.raises(OSError, match="cannot identify"):
        item.open()


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("gone.csv", None, "no such file or folder"),
        ("a.csv", "name,label\nx,1\n", ":1: no column `file`"),
        ("b.csv", "file,label\n,1\n", ":2: the column `file` is empty"),
        ("c.csv", "file,label\n", "no pictures in it; name some"),
        ("d.csv", "", "no column `file`"),
        ("a.json", "{", "not COCO JSON"),
        ("b.json", "[]", "not COCO JSON"),
        ("c.json", "[" * 100_000, "not COCO JSON"),
        ("c.json", '{"images": [], "annotations": []}', "no 'categories'"),
        ("a.mp4", "no video", "OpenCV cannot read it as a video"),
        ("a.txt", "x", ".txt is no kind of dataset"),
    ],
)
def test_what_is_no_dataset_is_answered_in_one_line(
    tmp_path: Path, name: str, content: str | None, says: str, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_text(content)
    with pytest.raises(UserError) as caught:
        dataset.load(str(path))
    assert str(caught.value).startswith(str(path)) and says in str(caught.value)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr().err == ""  # nor does a library speak in between


def test_an_empty_folder_and_a_binary_table_are_answered(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no pictures in it \(looked for .bmp"):
        dataset.load(str(tmp_path))
    (tmp_path / "x.csv").write_bytes(b"\xff\x00\xfe")
    with pytest.raises(UserError, match="not a CSV in UTF-8"):
        dataset.load(str(tmp_path / "x.csv"))
    (tmp_path / "y.csv").write_text("file,label\na.png,1\n")
    with pytest.raises(UserError, match="no column `labels`; there are file, label"):
        dataset.load(str(tmp_path / "y.csv"), label="labels")


def test_real_annotations_are_read() -> None:
    loaded = dataset.load(str(shared("person_frames/annotations_test.json")))
    assert loaded.count == 109
    assert sum("person" in (item.labels or ()) for item in loaded) == 62  # as its README says
    assert next(iter(loaded)).open().size[0] > 0
