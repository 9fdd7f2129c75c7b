"""Readers of labelled pictures and the rules by which crops get labels."""

import json
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from framekeep_models.data import DataError, Picture, read_coco, read_csv, read_folder, read_pictures
from framekeep_models.data_crops import (
    FAULTS,
    Draw,
    Pool,
    label_window,
    make_pool,
    read_rgb,
    recoloured,
    shrink,
    spoil,
)
from framekeep_models.data_duplicates import hashes_of, near_pairs, perceptual_hash
from framekeep_models.train_judge import near_copies
from PIL import Image
from scipy.stats import spearmanr


def picture(path: Path, colour: tuple[int, int, int], size: tuple[int, int] = (64, 48)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)
    return path


def test_subfolders_are_labels(tmp_path: Path) -> None:
    picture(tmp_path / "person/a.png", (1, 2, 3))
    picture(tmp_path / "no_person/deep/b.jpg", (1, 2, 3))
    (tmp_path / "person/notes.txt").write_text("not a picture")
    assert [(p.path.name, p.label) for p in read_folder(tmp_path)] == [("b.jpg", 0), ("a.png", 1)]


def test_an_unknown_class_name_asks_for_positive(tmp_path: Path) -> None:
    picture(tmp_path / "cat/a.png", (1, 2, 3))
    picture(tmp_path / "dog/b.png", (1, 2, 3))
    with pytest.raises(DataError, match="--positive NAME, one of cat, dog"):
        read_pictures(tmp_path)
    assert [p.label for p in read_pictures(tmp_path, "cat")] == [1, 0]


def test_a_class_beside_its_negation_is_the_wanted_one(tmp_path: Path) -> None:
    picture(tmp_path / "No_Cat/a.png", (1, 2, 3))
    picture(tmp_path / "cat/b.png", (1, 2, 3))
    assert [p.label for p in read_pictures(tmp_path)] == [0, 1]


def test_csv_rows_carry_split_licence_and_boxes(tmp_path: Path) -> None:
    table = tmp_path / "labels.csv"
    table.write_text(
        'file,label,split,license,boxes\na.jpg,1,train,4,"0.1,0.2,0.3,0.4;0,0,1,1"\nb.jpg,0,test,2,\n'
    )
    first, second = read_csv(table)
    boxes = ((0.1, 0.2, 0.3, 0.4), (0.0, 0.0, 1.0, 1.0))
    assert first == Picture(tmp_path / "a.jpg", 1, "train", "4", tmp_path.name, boxes=boxes, largest=1.0)
    assert (first.redistributable, second.redistributable) == (True, False)
    assert second.boxes is None


@pytest.mark.parametrize(
    "licence", ["1", "2", "3", "6", "unknown", "", "CC BY 4.0 (as tagged), COCO/Flickr photo"]
)
def test_non_commercial_no_derivatives_and_unknown_are_not_redistributable(licence: str) -> None:
    assert not Picture(Path("x"), 1, licence=licence).redistributable


def test_coco_label_needs_half_a_percent(tmp_path: Path) -> None:
    coco = {
        "images": [{"id": k, "file_name": f"{k}.jpg", "width": 200, "height": 100} for k in (1, 2, 3)],
        "annotations": [
            {"image_id": 1, "category_id": 1, "bbox": [0, 0, 10, 10]},  # 100 of 20,000: exactly 0.5 %
            {"image_id": 2, "category_id": 1, "bbox": [0, 0, 10, 9]},
            {"image_id": 3, "category_id": 2, "bbox": [0, 0, 200, 100]},
        ],
    }
    path = tmp_path / "annotations_val.json"
    path.write_text(json.dumps(coco))
    assert [(p.label, p.split) for p in read_coco(path)] == [(1, "val"), (0, "val"), (0, "val")]


def coco_of(path: Path, boxes: list[list[float]], names: dict[int, str], category: int) -> Path:
    """One picture of 200 x 100 pixels for each box, and one without."""
    pictures = [
        {"id": k, "file_name": f"{k}.jpg", "width": 200, "height": 100} for k in range(len(boxes) + 1)
    ]
    marks = [{"image_id": k, "category_id": category, "bbox": box} for k, box in enumerate(boxes)]
    categories = [{"id": key, "name": name} for key, name in names.items()]
    path.write_text(json.dumps({"images": pictures, "annotations": marks, "categories": categories}))
    return path


@pytest.mark.parametrize("first", [0, 1, 7])
def test_a_coco_category_is_known_by_its_name_whatever_its_number(tmp_path: Path, first: int) -> None:
    names = {first: "Carton", first + 1: "apple"}
    path = coco_of(tmp_path / "a.json", [[0, 0, 100, 50]], names, category=first)
    assert [p.label for p in read_pictures(path, "carton")] == [1, 0]
    assert [p.label for p in read_pictures(path, "apple")] == [0, 0]
    for wanted in (None, "pear"):
        with pytest.raises(DataError, match="say --positive NAME, one of Carton, apple"):
            read_pictures(path, wanted)


@pytest.mark.parametrize("names", [{5: "carton"}, {5: "Person", 6: "statue"}, {5: "carton", 9: "Carton"}])
def test_a_coco_category_that_can_be_no_other_need_not_be_named(
    tmp_path: Path, names: dict[int, str]
) -> None:
    assert [p.label for p in read_coco(coco_of(tmp_path / "a.json", [[0, 0, 9, 90]], names, 5))] == [1, 0]


def test_of_a_box_only_what_lies_in_the_picture_counts(tmp_path: Path) -> None:
    boxes = [[-10.0, -20, 30, 70], [190, 90, 500, 500], [-50, 0, 50, 50], [20, 20, 0, 30], [0, 0, 200, 100]]
    found = read_coco(coco_of(tmp_path / "a.json", boxes, {1: "carton"}, 1))
    assert [p.boxes for p in found[:2]] == [((0.0, 0.0, 0.1, 0.5),), ((0.95, 0.9, 0.05, 0.1),)]
    assert [p.boxes for p in found[2:]] == [(), (), ((0.0, 0.0, 1.0, 1.0),), ()]
    assert [p.label for p in found] == [1, 1, 0, 0, 1, 0]  # 5 %, 0.5 %, nothing, nothing, all, none
    (tmp_path / "labels.csv").write_text('file,label,boxes\na.jpg,1,"-0.5,0,1,0.5;1,0,0.5,0.5"\n')
    assert read_csv(tmp_path / "labels.csv")[0].boxes == ((0.0, 0.0, 0.5, 0.5),)


def test_annotations_of_other_pictures_are_left_out_unless_all_are(tmp_path: Path) -> None:
    path = coco_of(tmp_path / "a.json", [[0, 0, 9, 90]], {1: "carton"}, 1)
    whole = json.loads(path.read_text())
    other = {"image_id": "0", "category_id": 1, "bbox": [0, 0, 9, 90]}
    path.write_text(json.dumps(whole | {"annotations": [*whole["annotations"], other]}))
    assert [p.label for p in read_coco(path)] == [1, 0]
    for broken in ({"annotations": [other]}, {"images": whole["images"] * 2}):
        path.write_text(json.dumps(whole | broken))
        with pytest.raises(DataError, match="not COCO annotations"):
            read_coco(path)


def test_hidden_files_are_no_pictures(tmp_path: Path) -> None:
    """As macOS leaves them beside pictures that it packs; `fk-sim run` passes them by too."""
    picture(tmp_path / "cat/a.png", (1, 2, 3))
    picture(tmp_path / "no_cat/b.png", (1, 2, 3))
    picture(tmp_path / ".thumbnails/c.png", (1, 2, 3))
    (tmp_path / "cat/._a.png").write_bytes(b"\0\5\x16\7")
    assert [(p.path.name, p.label) for p in read_pictures(tmp_path)] == [("a.png", 1), ("b.png", 0)]


def test_a_folder_of_a_table_and_its_pictures_asks_for_the_table(tmp_path: Path) -> None:
    picture(tmp_path / "images/a.png", (1, 2, 3))
    (tmp_path / "annotations.json").write_text("{}")
    for positive in (None, "images"):
        with pytest.raises(DataError, match=r"give a table: annotations\.json"):
            read_pictures(tmp_path, positive)


def test_bad_tables_say_which_file(tmp_path: Path) -> None:
    bad = tmp_path / "labels.csv"
    bad.write_text("name,class\n")
    with pytest.raises(DataError, match=r"labels\.csv: needs a header"):
        read_csv(bad)
    bad.with_suffix(".json").write_text("[]")
    with pytest.raises(DataError, match="not COCO"):
        read_coco(bad.with_suffix(".json"))


@pytest.mark.parametrize(
    ("box", "label"),
    [
        ((0.25, 0.25, 0.25, 0.25), 1),  # wholly inside, a quarter of the window's area
        ((0.6, 0.6, 0.2, 0.2), 0),  # outside
        ((0.4, 0.25, 0.4, 0.2), -1),  # a quarter of it inside
        ((0.3, 0.3, 0.04, 0.04), -1),  # inside, but 0.64 % of the window
    ],
)
def test_crop_labels_follow_the_box(box: tuple[float, float, float, float], label: int) -> None:
    assert label_window((0.0, 0.0, 0.5, 0.5), [box]) == label


def test_shrinking_by_whole_numbers_is_the_mean() -> None:
    image = np.random.default_rng(1).integers(0, 256, (12, 12, 3), dtype=np.uint8)
    mean = image.reshape(4, 3, 4, 3, 3).mean((1, 3))
    assert np.abs(shrink(image, 4, 4) - mean).max() <= 0.5


def test_a_seed_gives_the_same_pool_again(tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (80, 90, 3), dtype=np.uint8)).save(file)
    draws = [Draw(Picture(file, 1, boxes=((0.2, 0.2, 0.5, 0.5),)), 12, 0.3)]
    pools = [make_pool(draws, 32, np.random.default_rng(5), lambda _: 0.5, mixed=0.3) for _ in range(2)]
    assert np.array_equal(pools[0].images, pools[1].images)
    assert np.array_equal(pools[0].hard, pools[1].hard)
    assert not np.array_equal(pools[0].images, make_pool(draws, 32, np.random.default_rng(6)).images)


def test_every_fault_keeps_shape_and_changes_the_picture() -> None:
    rng = np.random.default_rng(3)
    image = rng.integers(0, 256, (48, 48, 3), dtype=np.uint8)
    for fault in FAULTS:
        out = fault(image, rng)
        assert (out.shape, out.dtype) == (image.shape, np.uint8)
        assert not np.array_equal(out, image), fault.__name__
    assert spoil(image, rng).shape == image.shape


def test_other_cameras_colours_keep_what_is_light_and_what_is_dark() -> None:
    """Each channel may only be bent, not turned over, whatever is drawn; some pictures lose their colour, and
    a veil takes contrast."""
    image = skimage.data.astronaut()[::8, ::8].copy()
    before = image.copy()
    luma = image.mean(axis=2).ravel()
    rng = np.random.default_rng(4)
    grey, spans = 0, []
    for _ in range(200):
        out = recoloured(image, rng)
        assert (out.shape, out.dtype) == (image.shape, np.uint8)
        assert spearmanr(luma, out.mean(axis=2).ravel()).statistic > 0.9
        grey += bool((out == out[..., :1]).all())
        spans.append(float(np.ptp(np.percentile(out, (5, 95)))))
    assert np.array_equal(image, before)
    assert 20 <= grey <= 60  # one in five is to be
    usual = float(np.ptp(np.percentile(image, (5, 95))))
    assert min(spans) < 0.6 * usual and max(spans) > 0.9 * usual


def test_a_coloured_share_of_a_pool(tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    Image.fromarray(skimage.data.astronaut()).save(file)
    draws = [Draw(Picture(file, 1), 60, 0.9)]

    def pool(share: float) -> Pool:
        return make_pool(draws, 32, np.random.default_rng(5), spoiled=0.0, coloured=share)

    plain, half = pool(0.0), pool(0.5)
    assert not (plain.images == plain.images[..., :1]).all(axis=(1, 2, 3)).any()
    assert 1 <= (half.images == half.images[..., :1]).all(axis=(1, 2, 3)).sum() <= 15  # of 60, one in ten
    assert np.array_equal(plain.images, pool(0.0).images)


def test_demosaicing_keeps_flat_colours() -> None:
    """A flat colour has no edges, so a mosaic of it must give the colour back: the pattern codes are
    right."""
    bayer = next(f for f in FAULTS if f.__name__ == "bayer")
    flat = np.full((16, 16, 3), (200, 100, 50), np.uint8)
    for seed in range(8):  # the four patterns
        assert np.array_equal(bayer(flat, np.random.default_rng(seed)), flat)


def test_an_unreadable_picture_is_named(tmp_path: Path) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no jpeg")
    with pytest.raises(DataError, match=r"broken\.jpg: not a picture"):
        read_rgb(broken)


def test_near_copies_are_found_and_others_are_not(tmp_path: Path) -> None:
    """Bundled photographs: each against a smaller, recompressed copy of itself, and against all others."""
    photographs = [
        skimage.data.astronaut(),
        skimage.data.chelsea(),
        skimage.data.coffee(),
        skimage.data.rocket(),
    ]
    paths = []
    for k, photograph in enumerate(photographs):
        Image.fromarray(photograph).save(tmp_path / f"{k}.png")
        Image.fromarray(photograph).resize((160, 120)).save(tmp_path / f"{k}.jpg", quality=40)
        paths.append((Picture(tmp_path / f"{k}.png", 1), Picture(tmp_path / f"{k}.jpg", 1)))
    pairs = near_pairs(hashes_of([a for a, _ in paths]), hashes_of([b for _, b in paths]))
    assert sorted((p.first.path.stem, p.second.path.stem) for p in pairs) == [(c, c) for c in "0123"]


def test_copies_of_judged_pictures_are_counted_for_each_set(tmp_path: Path) -> None:
    """The astronaut was learned from, and stands smaller in the test; cat and cup were not."""
    photographs = {name: getattr(skimage.data, name)() for name in ("astronaut", "chelsea", "coffee")}
    for name, pixels in photographs.items():
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
        Image.fromarray(pixels).resize((160, 120)).save(tmp_path / f"{name}.jpg", quality=40)
    learned = [Picture(tmp_path / "astronaut.png", 1)]
    tests = {
        "test": [Picture(tmp_path / f"{name}.jpg", 1) for name in ("astronaut", "chelsea")],
        "other": [Picture(tmp_path / "coffee.jpg", 0)],
    }
    assert near_copies(learned, tests)["pictures"] == {"test": 1, "other": 0}


def test_flat_pictures_are_nobodys_copies() -> None:
    assert perceptual_hash(np.full((50, 50, 3), 77, np.uint8)) is None
