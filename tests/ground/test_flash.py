"""`fk-ground flash` against the flight store that wrote the dump, and against damage."""

import json
import os
import random
import threading
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from framekeep_ground import flash_layout
from framekeep_ground.cli import main
from framekeep_ground.flash_records import records
from framekeep_ground.flash_store import Contents, newer, read
from framekeep_ground.formats import STORE_RECORD_MIN
from framekeep_onboard import FkError
from framekeep_onboard.store import CHIPS, Bad, FlashEmulator, FrameMeta, Profile, Store, Tear
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

SIZES = {"nor": 1 << 16, "nor-page": 1 << 17, "l4": 1 << 15, "u5": 1 << 17, "h7": 1 << 20, "f4": 0}
KNOWS_TEARS = ("l4", "u5", "h7")  # chips with ECC refuse to read a torn unit; a dump has its bytes


@dataclass
class History:
    """A store with a random past, and all that was ever put into it."""

    chip: str
    profile: Profile
    rnd: random.Random
    ring: int = 2
    offered: dict[int, tuple[FrameMeta, bytes]] = field(default_factory=dict)
    deleted: set[int] = field(default_factory=set)
    torn: bool = False
    moved: int = 0

    def __post_init__(self) -> None:
        self.flash = FlashEmulator(self.chip, SIZES[self.chip], seed=self.rnd.randrange(1 << 32))
        self.store = Store(self.flash, slots=400, profile=self.profile, log_segments=self.ring)

    def offer(self) -> None:
        frame_id = max(self.offered, default=0) + 1
        meta = FrameMeta(
            frame_id, self.rnd.randrange(256), time=frame_id << 20, class_index=frame_id % 3,
            score=frame_id % 256, tag=frame_id % 5, box=(1, 2, 3, frame_id), model_id=self.rnd.randbytes(8),
        )  # fmt: skip
        data = self.rnd.randbytes(self.rnd.randint(1, 6000))
        self.offered[frame_id] = meta, data
        self.store.offer(meta, data)

    def mark_sent(self) -> None:
        best = self.store.best()
        if best is not None:
            self.store.mark_sent(best.frame_id)

    def delete(self) -> None:
        kept = [meta.frame_id for meta in self.store.frames()]
        if kept:
            frame_id = self.rnd.choice(kept)
            self.store.delete(frame_id)
            if self.flash.powered:  # what returns after a loss of power, nobody sees
                self.deleted.add(frame_id)

    def log(self) -> None:
        self.store.log_append(self.rnd.randbytes(self.rnd.randint(1, 60)))

    def log_sent(self) -> None:
        for _ in range(self.rnd.randint(1, 9)):
            self.store.log_next()
        self.store.log_sent()

    def idle(self) -> None:
        self.store.idle()

    def live(self, steps: int, cuts: float = 0.0) -> None:
        calls: list[Callable[[], None]] = [self.offer, self.log, self.mark_sent, self.delete]
        calls += [self.log_sent, self.idle]
        for _ in range(steps):
            [call] = self.rnd.choices(calls, (10, 6, 2, 1, 1, 1))
            cut = self.rnd.random() < cuts
            if cut:
                self.flash.cut(self.rnd.randrange(20), self.rnd.choice(list(Tear)))
            try:
                call()
            except FkError:
                assert not self.flash.powered, "only a loss of power excuses a failure"
            if cut:
                self.torn = self.torn or not self.flash.powered
                self.flash.power_on()
                self.store.remount()

    def dump(self) -> bytes:
        self.store.sync()
        self.moved += self.store.stats()["moved"]
        self.store.remount()
        return self.flash.image()


def parsed(data: bytes, chip: str | None = None) -> Contents:
    banks, unit = flash_layout.CHIPS[chip] if chip else ((), None)
    layout = flash_layout.find(data, banks, unit)
    assert layout is not None
    return read(data, layout)


def whole(contents: Contents) -> dict[int, tuple[FrameMeta, bytes]]:
    return {
        f.frame_id: (
            FrameMeta(
                f.frame_id, f.value, f.size, f.time, f.class_index, f.score, f.tag, f.sent, f.box, f.model_id
            ),
            f.picture,
        )
        for f in contents.frames
        if f.status == "whole"
    }


def flown(store: Store) -> dict[int, tuple[FrameMeta, bytes]]:
    return {meta.frame_id: (meta, store.read(meta.frame_id)) for meta in store.frames()}


def unsent(store: Store) -> list[bytes]:
    out = []
    while (record := store.log_next()) is not None:
        out.append(record)
    return out


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("profile", list(Profile))
@pytest.mark.parametrize("chip", CHIPS)
def test_the_dump_shows_what_the_store_holds(chip: str, profile: Profile, seed: int) -> None:
    history = History(chip, profile, random.Random(seed))
    for turn in range(4):
        history.live(100)
        contents = parsed(history.dump())
        assert whole(contents) == flown(history.store)
        assert all(frame.status == "whole" for frame in contents.frames)
        waiting = unsent(history.store)
        shown = [record.data for record in contents.log if not record.sent]
        # a segment that the ring gave back is readable until it is erased
        assert shown[len(shown) - len(waiting) :] == waiting
        if turn == 0:  # later a segment used for the first time starts at the mean: mount takes it for lost
            wear = {s.number: s.wear for s in contents.segments if s.wear is not None}
            assert wear.items() <= dict(enumerate(history.flash.wear())).items()
    assert history.moved > 0 or profile == Profile.CHAIN or chip in ("h7", "f4")


@pytest.mark.parametrize("profile", list(Profile))
@pytest.mark.parametrize("chip", CHIPS)
def test_after_cuts_the_dump_shows_what_the_store_holds(chip: str, profile: Profile) -> None:
    extra = 0
    for seed in range(4):
        history = History(chip, profile, random.Random(100 + seed))
        for _ in range(6):
            history.live(40, cuts=0.2)
            contents = parsed(history.dump())
            ours, theirs = whole(contents), flown(history.store)
            assert theirs.items() <= ours.items()
            for frame_id in ours.keys() - theirs.keys():  # of a write or an erase that was cut short
                assert ours[frame_id][1] == history.offered[frame_id][1]
                extra += 1
            for frame in contents.frames:
                assert frame.frame_id not in history.deleted
                assert frame.status == "damaged" or frame.picture == history.offered[frame.frame_id][1]
        assert history.torn
    if chip not in KNOWS_TEARS:
        assert extra == 0


def spoilt(data: bytes, rnd: random.Random) -> bytes:
    out = bytearray(data)
    for _ in range(rnd.choice((1, 3, 30, 300))):
        out[rnd.randrange(len(out))] ^= 1 << rnd.randrange(8)
    if rnd.random() < 0.3:
        at = rnd.randrange(len(out))
        out[at : at + 512] = rnd.choice((b"\0", b"\xff")) * len(out[at : at + 512])
    return bytes(out)


@pytest.mark.parametrize("chip", ["nor", "u5", "f4"])
def test_no_flip_shows_a_wrong_picture_as_right(chip: str) -> None:
    rnd = random.Random(5)
    history = History(chip, Profile.PACKED, rnd)
    history.live(250)
    data = history.dump()
    statuses = set()
    for _ in range(25):
        for frame in parsed(spoilt(data, rnd), chip).frames:
            statuses.add(frame.status)
            if frame.status != "damaged":
                assert frame.picture == history.offered[frame.frame_id][1]
                assert frame.value == history.offered[frame.frame_id][0].value
            else:
                assert frame.picture == b"" and frame.verified < frame.size
    assert {"whole", "damaged"} <= statuses


def test_every_bit_of_a_frames_records_counts() -> None:
    history = History("nor", Profile.PACKED, random.Random(2))
    for _ in range(3):
        history.offer()
    data = history.dump()
    layout = parsed(data).layout
    bits: list[int] = []
    for number, (address, _) in enumerate(layout.segments):
        block = layout.block(data, number)
        for record in records(block, number, layout.grain):
            if getattr(record.head, "frame_id", 0) == 2:
                end = 8 * (address + record.place * layout.grain)
                bits += range(end - 8 * (STORE_RECORD_MIN + len(record.body)), end)
                start = 8 * (address + record.head.place * layout.grain)
                bits += range(start, start + 8 * record.head.length, 997)  # and of the payload
    assert len(bits) > 8 * STORE_RECORD_MIN
    for bit in bits:
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        found = {f.frame_id: f for f in parsed(bytes(flipped)).frames}
        assert 2 not in found or found[2].status == "damaged"
        assert found[1].status == found[3].status == "whole"


def test_a_lost_clean_record_still_gives_its_frames_as_recovered() -> None:
    history = History("nor", Profile.PACKED, random.Random(3))
    history.offer()
    history.store.idle()  # erases one more: the clean record that is left tells the geometry
    data = bytearray(history.dump())
    [frame] = parsed(bytes(data)).frames
    assert frame.status == "whole"
    data[frame.segments[0] * 4096 + 4095 - 5] ^= 1
    contents = parsed(bytes(data))
    [again] = contents.frames
    assert (again.status, again.picture) == ("recovered", history.offered[1][1])
    assert contents.segments[frame.segments[0]].state == "lost"


@given(st.binary(max_size=9000))
@settings(max_examples=150, deadline=None)
def test_any_bytes_are_read_without_an_error(data: bytes) -> None:
    padded = data + b"\xff" * (8192 - len(data) % 8192)
    for layout in (flash_layout.find(padded), flash_layout.Layout(((0, 4096), (4096, 4096)), 2, 8)):
        if layout is not None:
            assert not read(padded, layout).frames


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**31 - 1))
def test_newer_survives_the_wrap(number: int, step: int) -> None:
    later = (number + step) % 2**32
    assert newer(later, number) == (step > 0)
    assert not newer(number, later)


# --- The command ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def dump(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, History]:
    history = History("nor-page", Profile.PACKED, random.Random(1))
    history.live(200)
    path = tmp_path_factory.mktemp("dump") / "flash.bin"
    path.write_bytes(history.dump())
    return path, history


def one_line(capsys: pytest.CaptureFixture[str]) -> str:
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.count("\n") == 1 and captured.err.startswith("fk-ground: ")
    return captured.err


def test_extract_and_json(
    dump: tuple[Path, History], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, history = dump
    assert main(["flash", str(path), "--extract", str(tmp_path / "out"), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    theirs = flown(history.store)
    assert {int(p.stem): p.read_bytes() for p in (tmp_path / "out").iterdir()} == {
        frame_id: data for frame_id, (_, data) in theirs.items()
    }
    assert [f["frame_id"] for f in facts["frames"]] == sorted(theirs)
    assert (facts["segment_size"], facts["grain"], facts["segment_count"]) == (4096, 256, 32)
    assert sum(facts["states"].values()) == 32
    live = sum(segment["live"] for segment in facts["segments"])
    assert live == history.store.stats()["bytes"]


def test_the_report_and_the_picture(
    dump: tuple[Path, History], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, history = dump
    picture = ["--plot", str(tmp_path / "wear.png")]
    for options in (picture, ["--chip", "nor-page"], ["--segment-size", "4096", "--program-unit", "256"]):
        assert main(["flash", str(path), *options]) == 0
        text = capsys.readouterr().out
        assert "32 segments of 4096 bytes, grain 256" in text
        assert f"{len(flown(history.store))} whole" in text
    with Image.open(tmp_path / "wear.png") as image:
        assert image.size[0] > 500


@pytest.mark.parametrize("name", [b"no\xfftext", b"$^$_{x", b"<b>&"])
def test_any_name_can_stand_over_the_picture(name: bytes, dump: tuple[Path, History], tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(name)
    path.write_bytes(dump[0].read_bytes())
    assert main(["flash", str(path), "--plot", str(tmp_path / "wear.png")]) == 0
    assert (tmp_path / "wear.png").exists()


@pytest.mark.parametrize("options", [["--chip", "h7"], ["--chip", "nor"], ["--segment-size", "8192"]])
def test_a_wrong_geometry_is_one_line_and_writes_nothing(
    dump: tuple[Path, History], tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str]
) -> None:
    out = ["--extract", str(tmp_path / "out"), "--plot", str(tmp_path / "wear.png")]
    assert main(["flash", str(dump[0]), *out, *options]) == 2
    assert "its records say segments of 4096 bytes, grain 256" in one_line(capsys)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("content", [b"", b"\xff" * 65536, b"\0" * 65536, random.Random(1).randbytes(70000)])
def test_a_foreign_image_is_one_line_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes
) -> None:
    path = tmp_path / "card.img"
    path.write_bytes(content)
    out = ["--extract", str(tmp_path / "out"), "--plot", str(tmp_path / "wear.png")]
    assert main(["flash", str(path), *out]) == 2
    assert "no store found" in one_line(capsys)
    assert [p.name for p in tmp_path.iterdir()] == ["card.img"]


@pytest.mark.parametrize(
    "options",
    [
        ["--segment-size", "3000"],
        ["--segment-size", "-1"],
        ["--segment-size", "4096", "--program-unit", "0"],
        ["--program-unit", "8"],
        ["--chip", "nor", "--segment-size", "4096"],
        ["--offset", "-1"],
        ["--offset", "1000000000000"],
    ],
)
def test_wrong_options_are_one_line(
    dump: tuple[Path, History], capsys: pytest.CaptureFixture[str], options: list[str]
) -> None:
    assert main(["flash", str(dump[0]), *options]) == 2
    one_line(capsys)


def test_an_offset_at_the_end_of_the_dump_is_one_line(
    dump: tuple[Path, History], capsys: pytest.CaptureFixture[str]
) -> None:
    size = dump[0].stat().st_size
    assert main(["flash", str(dump[0]), "--offset", str(size)]) == 2
    assert f"has {size:,} bytes" in one_line(capsys)


def test_another_version_is_named(
    dump: tuple[Path, History], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = bytearray(dump[0].read_bytes())
    for start in range(0, len(data), 4096):
        data[start + 4096 - 2] = 2
    path = tmp_path / "new.bin"
    path.write_bytes(data)
    assert main(["flash", str(path)]) == 2
    assert "version 2" in one_line(capsys)


def test_a_segment_beyond_the_count_that_it_names_is_foreign(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tail = bytes.fromhex("00000001 00000000 00000001 0c03 0008 464b010f")
    clean = zlib.crc32(tail, zlib.crc32((9).to_bytes(2, "big"))).to_bytes(4, "big") + tail
    path = tmp_path / "card.img"
    path.write_bytes(b"\xff" * (10 * 4096 - len(clean)) + clean)
    assert main(["flash", str(path)]) == 2
    assert "no store found" in one_line(capsys)


def test_a_region_in_a_dump_of_the_whole_chip_is_pointed_at(
    dump: tuple[Path, History], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "chip.img"
    path.write_bytes(random.Random(3).randbytes(12288) + dump[0].read_bytes() + b"\xff" * 5000)
    assert main(["flash", str(path)]) == 2
    assert "starts at byte 12288 of it: add --offset 12288" in one_line(capsys)
    assert main(["flash", str(path), "--offset", "8192"]) == 2
    assert "starts at byte 12288 of it" in one_line(capsys)
    assert main(["flash", str(path), "--offset", "-1"]) == 2
    one_line(capsys)
    assert main(["flash", str(path), "--offset", "12288", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert main(["flash", str(dump[0]), "--json"]) == 0
    alone = json.loads(capsys.readouterr().out)
    assert found["frames"] == alone["frames"] and found["segments"] == alone["segments"]


def test_what_is_no_file_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["flash", str(tmp_path)]) == 2
    assert "a folder; name a raw dump" in one_line(capsys)
    assert main(["flash", str(tmp_path / "none.bin")]) == 2
    assert "no such file; name a raw dump" in one_line(capsys)


def test_a_dump_comes_through_a_pipe_too(
    dump: tuple[Path, History], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["flash", str(dump[0])]) == 0
    expected = capsys.readouterr().out
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(dump[0].read_bytes(),), daemon=True)
    writer.start()
    assert main(["flash", str(pipe)]) == 0
    writer.join()
    assert capsys.readouterr().out == expected.replace(str(dump[0]), str(pipe))


def test_a_frame_whose_clock_was_not_set_has_no_time(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flash = FlashEmulator("nor", 1 << 16, seed=1)
    store = Store(flash, slots=8, log_segments=2)
    times = {1: (1 << 48) - 1, 2: 1 << 48, 3: -946_684_800 % (1 << 64), 4: (1 << 64) - 1}
    for frame_id, when in times.items():
        store.offer(FrameMeta(frame_id, 5, time=when), b"a picture")
    (tmp_path / "x.bin").write_bytes(flash.image())
    assert main(["flash", str(tmp_path / "x.bin"), "--json"]) == 0
    frames = json.loads(capsys.readouterr().out)["frames"]
    # 2^32 s after 2000-01-01, less a tick of 15 us
    assert [frame["time"] for frame in frames] == ["2136-02-07T06:28:15.999985Z", "", "", ""]
    assert main(["flash", str(tmp_path / "x.bin")]) == 0
    assert "whole" in capsys.readouterr().out


def test_reports_in_the_ring_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flash = FlashEmulator("nor", 1 << 16, seed=1)
    store = Store(flash, slots=8, log_segments=2)
    # kind 5; 2026-11-22T12:00:00.5Z; the next frame is 61; delete, count 1 to APID 100; -5: no such frame
    store.log_append(bytes.fromhex("05 329595c08000 0000003d 1864 c001 42 fb"))
    (tmp_path / "x.bin").write_bytes(flash.image())
    assert main(["flash", str(tmp_path / "x.bin"), "--json"]) == 0
    (said,) = json.loads(capsys.readouterr().out)["records"]
    assert said.pop("number") >= 0 and said.pop("sent") is False
    assert said == {
        "time": "2026-11-22T12:00:00.500000Z", "command": "delete", "command_sequence": 1,
        "error": -5, "frame_id": 61,
    }  # fmt: skip
    assert main(["flash", str(tmp_path / "x.bin")]) == 0
    assert "\ndecisions  1 report; 1 not known to be sent\n" in capsys.readouterr().out


@pytest.mark.parametrize("how", [Bad.PROGRAM, Bad.ERASE, Bad.PROGRAM_LIE, Bad.ERASE_LIE])
def test_retired_segments_are_those_that_the_store_counts(how: Bad) -> None:
    history = History("nor", Profile.PACKED, random.Random(6))
    history.live(60)
    for segment in (4, 9):
        history.flash.set_bad(segment, how)
    history.live(200)
    contents, store = parsed(history.dump()), history.store.stats()
    assert store["retired"] == 2
    assert [s.number for s in contents.segments if s.state == "retired"] == [4, 9]
    assert (min(contents.wear()), max(contents.wear())) == (store["wear_min"], store["wear_max"])


def test_a_truncated_dump_gives_what_it_has(
    dump: tuple[Path, History], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, history = dump
    data = path.read_bytes()
    for size in (len(data) // 2, len(data) // 2 + 1000, len(data) - 1):
        cut = tmp_path / "cut.bin"
        cut.write_bytes(data[:size])
        assert main(["flash", str(cut), "--extract", str(tmp_path / str(size)), "--json"]) == 0
        facts = json.loads(capsys.readouterr().out)
        assert facts["segments_missing"] == 32 - -(-size // 4096)
        assert len(list((tmp_path / str(size)).iterdir())) >= 1
        for picture in (tmp_path / str(size)).iterdir():
            assert picture.read_bytes() == history.offered[int(picture.stem)][1]
