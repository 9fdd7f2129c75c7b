"""The mission language: what is said is what flies, and every mistake is answered with its line."""

import random
import re
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

import pytest
from framekeep_onboard import check
from framekeep_onboard._fk import ffi, lib
from framekeep_onboard.pipeline import _chip, _store_config
from framekeep_onboard.store import FlashEmulator, Profile, Store
from framekeep_onboard.targets import FlashSetup
from framekeep_sim import mission
from framekeep_sim.errors import UserError
from framekeep_sim.mission import Camera, Fit, JpegMode, Layout, PixelFormat, Rect
from framekeep_sim.play import flash_setup

SMALL = """\
[camera]
format = "gray8"
width = 96
height = 64
[model]
file = "m.fkm"
[trigger.classes.person]
output = 1
"""


@pytest.fixture
def write(tmp_path: Path):
    def to_file(text: str) -> Path:
        path = tmp_path / "m.toml"
        path.write_text(text, "utf-8")
        return path

    return to_file


def with_key(section: str, line: str) -> tuple[str, int]:
    """SMALL with `line` added to `section`, and the number of that line."""
    lines = SMALL.splitlines()
    if f"[{section}]" not in lines:
        lines.append(f"[{section}]")
    at = lines.index(f"[{section}]") + 1
    key = line.split("=", maxsplit=1)[0].strip()
    end = next((i for i in range(at, len(lines)) if lines[i].startswith("[")), len(lines))
    lines[at:end] = [row for row in lines[at:end] if row.split("=")[0].strip() != key]
    lines.insert(at, line)
    return "\n".join(lines) + "\n", at + 1


def test_what_is_left_out_has_the_documented_default(write) -> None:
    m = mission.load(write(SMALL))
    assert m.name == "m"
    assert m.camera == Camera(
        PixelFormat.GRAY8, 96, 64, Rect(), Fit.CROP, Fraction(1), datetime(2026, 1, 1, tzinfo=UTC)
    )
    assert (m.screen.dark_below, m.screen.bright_above, m.screen.contrast_below) == (12, 245, 8)
    assert (m.codec.quality, m.codec.mode, m.codec.restart_interval, m.codec.max_bytes) == (
        60,
        JpegMode.YUV420,
        10,
        16384,
    )
    assert (m.store.segment_size, m.store.segment_count, m.store.program_unit) == (4096, 1024, 256)
    assert (m.store.layout, m.store.log_segments, m.store.frames_max) == (Layout.PACKED, 4, 512)
    assert (m.downlink.record_apid, m.downlink.image_apid, m.downlink.chunk_bytes) == (100, 101, 200)
    assert m.model == m.path.parent / "m.fkm"


@pytest.mark.parametrize(
    ("section", "line", "says"),
    [
        ("camera", "width = 9000", "camera.width = 9000; allowed are whole numbers 16..4096 pixels"),
        ("camera", "width = 96.0", "camera.width = 96.0; allowed are whole numbers"),
        ("camera", "width = true", "camera.width = true; allowed are whole numbers"),
        ("camera", 'format = "rgb555"', 'camera.format = "rgb555"; did you mean "rgb565'),
        ("camera", "widht = 3", 'camera.widht is not a key of a mission; did you mean "width"?'),
        ("camera", "cadence_s = 0", "camera.cadence_s = 0; allowed are numbers 0.001..86400 seconds"),
        ("camera", "start = 1999-12-31T23:59:59Z", "allowed are the years 2000..2099"),
        ("camera", 'start = "2026-01-01"', "without quotes"),
        ("camera", "crop = [90, 0, 10, 10]", "is not inside the frame of 96 x 64"),
        ("camera", "crop = [1, 2]", "write [x, y, width, height] in pixels"),
        ("codec", "window = [97, 10]", "is not inside the frame of 96 x 64"),
        ("codec", "window = [10, 65]", "is not inside the frame of 96 x 64"),
        ("codec", "window = [0, 5]", "is not inside the frame of 96 x 64"),
        ("codec", "window = [5]", "write [width, height] in pixels"),
        ("codec", "window = 5", "write [width, height] in pixels"),
        ("camera", "tiles = [0, 1]", "camera.tiles = [0, 1]; allowed are 1..16 across and down"),
        ("camera", "tiles = [1, 17]", "allowed are 1..16 across and down"),
        ("camera", "tiles = 4", "camera.tiles = 4; write [across, down]"),
        ("camera", "tiles = [16, 1]\ncrop = [0, 0, 12, 12]", "leaves no pixel in a tile of 12 x 12"),
        ("screen", "dark_below = 256", "screen.dark_below = 256; allowed are whole numbers 0..255"),
        ("screen", "drak_below = 1", 'did you mean "dark_below"?'),
        ("trigger", "threshold = 1.5", "trigger.threshold = 1.5; allowed are numbers 0..1"),
        ("trigger", "treshold = 0.5", 'did you mean "threshold"?'),
        ("trigger.classes.person", "weight = -1", "allowed are numbers 0..1"),
        ("trigger.classes.person", "wieght = 1", 'did you mean "weight"?'),
        ("codec", "quality = 0", "codec.quality = 0; allowed are whole numbers 1..100"),
        ("codec", 'mode = "colour"', "known are grey, yuv420"),
        ("store", "segment_size = 5000", "a power of two is wanted"),
        (
            "store",
            "segment_count = 8",
            "= 8; at least 13 hold a picture of codec.max_bytes beside 4 of the log",
        ),
        ("store", "segment_size = 1024", "at least 8 program units of 256"),
        ("codec", "max_bytes = 300000", "allowed are whole numbers 1024..195584 bytes"),
        ("store", "program_unit = 2", "allowed are 1, 8, 16, 32, 256"),
        ("store", 'chip = "nor_page"', 'did you mean "nor-page"?'),
        ("store", "fill = 1.5", "store.fill = 1.5; allowed are numbers 0.25..0.99"),
        ("store", "spare_segments = 1", "allowed are whole numbers 2..31"),
        ("store", "wear_spread = 0", "allowed are whole numbers 1..65535"),
        ("store", "quotas = 3", "store.quotas = 3 is a value; make it a table"),
        (
            "store",
            "quotas = { persons = { floor = 1 } }",
            "store.quotas.persons is none of trigger.classes; did",
        ),
        ("store.quotas.person", "flor = 1", 'did you mean "floor"?'),
        ("store.quotas.person", "floor = 1.5", "allowed are whole numbers 0.."),
        ("store.quotas.person", "floor = 4000000", "bytes, what pictures can take of this flash"),
        ("store.quotas.person", "ceiling = 16383", "not even a picture of codec.max_bytes would fit"),
        ("store.quotas.person", "ceiling = -1", "allowed are whole numbers 0..4294967295 bytes"),
        ("downlink", "image_apid = 100", "equals record_apid"),
        ("downlink", "pass_bytes = 100", "no effect without pass_every"),
        ("downlink", "pass_bytes = 233\npass_every = 9", "a pass needs 234 for its largest packet"),
        ("downlink", "last_pass_bytes = 217\nchunk_bytes = 16", "a pass needs 218 for its largest packet"),
        ("downlink", "chunk_bytes = 5000", "allowed are whole numbers 16..4096 bytes"),
        ("privacy", "mask = 1", 'privacy.mask is not a key of a mission; did you mean "masks"?'),
        ("privacy", "masks = [[0, 0, 97, 1]]", "is not inside the frame of 96 x 64"),
        ("privacy", "masks = [[0, 0, 1]]", "write [x, y, width, height] in pixels"),
        ("privacy", "masks = [0, 0, 1, 1]", "write [x, y, width, height] in pixels"),
        ("privacy", "masks = [[0,0,1,1], [0,0,1,1], [0,0,1,1], [0,0,1,1], [0,0,1,1]]", "at most 4 masks"),
        ("audit", "every = -1", "audit.every = -1; allowed are whole numbers 0..65535 frames"),
        ("audit", "evry = 5", 'audit.evry is not a key of a mission; did you mean "every"?'),
        ("secrecy", "mask = 1", "secrecy is not a key of a mission"),
    ],
)
def test_a_mistake_is_answered_with_its_line(write, section: str, line: str, says: str) -> None:
    text, number = with_key(section, line)
    path = write(text)
    with pytest.raises(UserError) as caught:
        mission.load(path)
    answer = str(caught.value)
    wanted = number - 1 if section == "secrecy" else number  # a table stands on its header's line
    assert answer.startswith(f"{path}:{wanted}: ")
    assert says in answer
    assert "\n" not in answer


def test_a_missing_key_is_named(write) -> None:
    with pytest.raises(UserError, match=r":1: camera lacks the key width"):
        mission.load(write(SMALL.replace("width = 96\n", "")))
    with pytest.raises(UserError, match=r':3: camera\.widht is not a key of a mission; did you mean "width"'):
        mission.load(write(SMALL.replace("width", "widht")))
    with pytest.raises(UserError, match="lacks the key model"):
        mission.load(write(SMALL.replace('[model]\nfile = "m.fkm"\n', "")))


def test_broken_toml_is_answered_with_its_line(write) -> None:
    with pytest.raises(UserError, match=r"m\.toml:3: not TOML: "):
        mission.load(write(SMALL.replace("width = 96", "width = = 96")))
    with pytest.raises(UserError, match=r"m\.toml:9: not TOML: "):
        mission.load(write(SMALL + "weight = "))


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="not a text in UTF-8"):
        mission.load(path)


def test_classes_are_counted(write) -> None:
    none = SMALL.replace("[trigger.classes.person]\noutput = 1\n", "[trigger.classes]\n")
    with pytest.raises(UserError, match=r"names 0 classes; allowed are 1\.\.8"):
        mission.load(write(none))
    nine = SMALL + "".join(f"[trigger.classes.c{i}]\n" for i in range(8))
    with pytest.raises(UserError, match="names 9 classes"):
        mission.load(write(nine))


def test_a_class_is_found_by_label_and_else_by_number(write) -> None:
    m = mission.load(write(SMALL))
    assert m.outputs(("person", "cat")) == (0,)
    assert m.outputs(()) == (1,)
    unnumbered = mission.load(write(SMALL.replace("output = 1\n", "")))
    with pytest.raises(UserError, match=r':7: .*person is no class of the model; did you mean "persons"'):
        unnumbered.outputs(("persons", "cat"))
    with pytest.raises(UserError, match="the model carries no labels; add output = N"):
        unnumbered.outputs(())


def test_an_output_that_the_model_does_not_have_is_refused(write) -> None:
    m = mission.load(write(SMALL))
    m.check_outputs((), 2)
    with pytest.raises(UserError, match=r":7: .*person.output = 1; the model's outputs are 0\.\.0"):
        m.check_outputs((), 1)


def test_two_classes_of_one_output_are_refused(write) -> None:
    m = mission.load(write(SMALL + "[trigger.classes.human]\noutput = 1\n"))
    with pytest.raises(UserError, match=r"human is output 1 of the model, as person; one is enough"):
        m.check_outputs((), 2)
    with pytest.raises(UserError, match=r"human is output 1 of the model, as person"):
        m.check_outputs(("none", "person"), 2)
    m.check_outputs(("person", "none"), 2)  # found by its label


def test_a_threshold_is_the_classs_or_the_missions_or_the_models(write) -> None:
    cat = SMALL + "[trigger.classes.cat]\noutput = 0\n"
    assert mission.load(write(cat)).thresholds((10, 20)) == (10, 20)
    assert mission.load(write(cat)).thresholds() == (128, 128)
    one = cat + "threshold = 0.2\n"
    assert mission.load(write(one)).thresholds((10, 20)) == (10, 51)
    both = one.replace("[trigger.classes.person]", "[trigger]\nthreshold = 1\n[trigger.classes.person]")
    assert mission.load(write(both)).thresholds((10, 20)) == (255, 51)


def test_the_policy_is_the_bytes_worked_out_by_hand(write) -> None:
    text = SMALL.replace("height = 64", "height = 64\ncrop = [1, 2, 32, 48]\ntiles = [3, 2]")
    text += "threshold = 0.5\nweight = 0.5\n[codec]\nmode = 'grey'\nwindow = [33, 17]\n"
    text += "[privacy]\nmasks = [[5, 6, 7, 8]]\n[audit]\nevery = 513\n"
    text += "[store.quotas.person]\nfloor = 4096\nceiling = 65536\n"
    policy = mission.load(write(text)).policy()
    by_hand = (
        "464b504f 01 00b1"  # FKPO, version 1, 177 bytes
        "0060 0040 0001 0002 0020 0030 03 02 00"  # 96 x 64, crop, tiles, GRAY8
        "0c f5 08"  # screen: 12, 245, 8
        "3c 00 000a 00004000"  # quality 60, grey, 10 MCUs, 16384 bytes
        "0021 0011"  # a window of 33 x 17
        "0064 0065 00c8"  # APIDs 100 and 101, chunks of 200
        "01 01 80 0080 00001000 00010000"  # one class: output 1, threshold 128, weight 128 of 257, quotas
    )
    assert policy[:56] == bytes.fromhex(re.sub(" ", "", by_hand))
    assert policy[56:140] == bytes(84)
    assert policy[140:151] == bytes.fromhex("0201 01 0005 0006 0007 0008")  # every 513th frame, one mask
    assert policy[151:175] == bytes(24)
    assert len(policy) == 177


@pytest.mark.parametrize(("said", "flown"), [("0", 0), ("0.7", 180), ("0.999", 257), ("1", 257)])
def test_a_weight_is_the_nearest_of_257(write, said: str, flown: int) -> None:
    (person,) = mission.load(write(SMALL + f"weight = {said}\n")).classes
    assert person.weight == flown  # 0.7 is 179.9 of 257


def geometries() -> list[str]:
    rnd = random.Random(4)
    return [
        f"[codec]\nmax_bytes = {rnd.choice((1024, 4096, 16384, 65536, 150000, mission.PICTURE_MAX))}\n"
        f"[store]\nsegment_size = {1 << rnd.randrange(10, 18)}\n"
        f"segment_count = {rnd.choice((8, 9, 12, 16, 24, 64))}\n"
        f"program_unit = {rnd.choice((1, 8, 16, 32, 256))}\nlog_segments = {rnd.choice((2, 3, 4, 8))}\n"
        f'layout = "{rnd.choice(("packed", "chain"))}"\nframes_max = 40\n'
        + rnd.choice(("", "spare_segments = 2\n", "spare_segments = 10\n", "fill = 0.25\n", "fill = 0.99\n"))
        for _ in range(400)
    ]


def test_a_picture_that_does_not_fit_is_refused_with_what_would(write) -> None:
    wanted = "[store]\nsegment_count = 23\nfill = 0.5\n"
    with pytest.raises(UserError, match=r"m\.toml:9: .*codec.max_bytes = 16384 cannot be kept") as caught:
        mission.load(write(SMALL + wanted.replace("23", "16")))
    most = int(re.search(r"make it (\d+) or less", str(caught.value))[1])
    fits = f"[codec]\nmax_bytes = {most}\n"
    assert mission.load(write(SMALL + wanted.replace("23", "16") + fits)).codec.max_bytes == most


def test_a_mission_that_loads_can_keep_its_largest_picture(write) -> None:
    """Or it is refused in one line; nothing is found out in flight."""
    kept, refused = 0, 0
    for text in geometries():
        try:
            plan = mission.load(write(SMALL + text))
        except UserError as error:
            refused += "segment_" in str(error) and "\n" not in str(error)
            continue
        setup, size = flash_setup(plan.store), plan.codec.max_bytes
        config = FlashConfig(setup)
        assert config.append(bytes(size)) >= 0, text
        kept += 1
    assert kept > 100 and refused > 100 and kept + refused == 400


class FlashConfig:
    """A store on an emulated flash of any geometry."""

    def __init__(self, setup: FlashSetup) -> None:
        self._chip = _chip(setup, None)
        self._held = _store_config(setup, self._chip)
        self._store = ffi.new("fk_store *")
        check(lib.fk_store_mount(self._store, self._held.config))

    def append(self, data: bytes) -> int:
        meta = ffi.new("fk_frame_meta *")
        meta.frame_id, meta.value = 1, 9
        return int(lib.fk_store_append(self._store, meta, data, len(data)))


def test_quotas_that_contradict_each_other_are_refused(write) -> None:
    quotas = "[store.quotas.person]\nfloor = 20000\nceiling = 19999\n"
    with pytest.raises(
        UserError, match=r"m\.toml:10: store\.quotas\.person\.floor = 20000 is above ceiling = 19999"
    ):
        mission.load(write(SMALL + quotas))
    two = SMALL + "[trigger.classes.cat]\noutput = 0\n[store.quotas.person]\nfloor = 2000000\n"
    assert mission.load(write(two)).store.quotas == {"person": mission.Quota(floor=2000000)}
    with pytest.raises(
        UserError, match=r"m\.toml:\d+: store\.quotas promise 4000000 bytes; pictures can take 3"
    ):
        mission.load(write(two + "[store.quotas.cat]\nfloor = 2000000\n"))


def test_spare_segments_need_room(write) -> None:
    wanted = "[store]\nspare_segments = 13\nsegment_count = 22\n"
    with pytest.raises(UserError, match=r"m\.toml:11: store\.segment_count = 22; at least 23 hold a picture"):
        mission.load(write(SMALL + wanted))
    store = mission.load(write(SMALL + wanted.replace("22", "60") + "fill = 0.5\nwear_spread = 9\n")).store
    assert (store.spare_segments, store.fill, store.wear_spread) == (13, 128, 9)


@pytest.mark.parametrize("layout", ["packed", "chain"])
@pytest.mark.parametrize("more", ["", "spare_segments = 20", "fill = 0.99", "log_segments = 32"])
@pytest.mark.parametrize("chip", ["nor", "nor-page", "u5"])
def test_what_can_be_promised_is_what_the_store_has(write, chip: str, more: str, layout: str) -> None:
    text = f'{SMALL}[store]\nchip = "{chip}"\nlayout = "{layout}"\nsegment_count = 100\n{more}\n'
    plan = mission.load(write(text)).store
    setup = flash_setup(plan)
    store = Store(
        FlashEmulator(chip, setup.size),
        slots=setup.slot_count,
        profile=Profile(setup.profile),
        log_segments=setup.log_segments,
        spare_segments=setup.spare_segments,
        fill=setup.fill,
    )
    capacity = store.stats()["capacity"]
    assert 0.85 * capacity <= plan.room <= capacity


def test_time_counts_from_the_year_2000(write) -> None:
    text = SMALL.replace("width = 96", "width = 96\nstart = 2026-01-01T00:00:00Z")
    camera = mission.load(write(text)).camera
    seconds = (26 * 365 + 7) * 86400  # seven leap days from 2000 to 2024
    assert camera.time(Fraction(0)) == seconds << 16
    assert camera.time(Fraction(3, 2)) == (seconds + 1 << 16) + 0x8000
    offset = SMALL.replace("width = 96", "width = 96\nstart = 2026-01-01T02:00:00+02:00")
    assert mission.load(write(offset)).camera.time(Fraction(0)) == seconds << 16


@pytest.mark.parametrize(
    "path", sorted(Path(__file__).parents[2].glob("missions/*.toml")), ids=lambda p: p.stem
)
def test_shipped_missions_load_and_compile(path: Path) -> None:
    m = mission.load(path)
    assert m.name == path.stem
    assert len(m.policy()) == 177
    assert m.description


def test_a_mask_in_yuyv_grows_to_whole_pairs_of_pixels(write) -> None:
    text = SMALL.replace("gray8", "yuyv") + "[privacy]\nmasks = [[3, 1, 2, 4], [0, 0, 96, 64]]\n"
    assert mission.load(write(text)).camera.masks == (Rect(2, 1, 4, 4), Rect(0, 0, 96, 64))
    grey = text.replace("yuyv", "gray8")
    assert mission.load(write(grey)).camera.masks == (Rect(3, 1, 2, 4), Rect(0, 0, 96, 64))
