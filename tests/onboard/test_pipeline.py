"""The stages together: what fk_pipeline promises, whatever the stages do inside."""

import zlib
from binascii import crc_hqx
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from framekeep_ground.formats import (
    ChunkPacket,
    DecisionPacket,
    DecisionRecord,
    FramePacket,
    Policy,
    ThumbnailPacket,
    TmHeader,
)
from framekeep_onboard import ErrorCode, FkError, Frame, Pass, Pipeline, Reason, check, imaging
from framekeep_onboard._fk import ffi, lib
from framekeep_onboard.pipeline import Decision
from framekeep_onboard.targets import FlashSetup
from framekeep_sim import dataset, mission, model
from framekeep_sim.events import Flight

from tests.reference import pixels
from tests.reference.camera import area_average

ROOT = Path(__file__).parents[2]
SMALL = FlashSetup(4096, 16, 256)  # room for some ten pictures: the demo's stream overflows it
LARGE = FlashSetup(4096, 256, 256)


@pytest.fixture(scope="module")
def flown() -> tuple[bytes, bytes, list[Frame]]:
    """The security mission with a threshold that everything passes: policy, model, and the demo's frames."""
    plan = mission.load(ROOT / "missions" / "security.toml")
    person = model.load(plan.model)
    flight = Flight(plan, dataset.load("demo"))
    frames = [event for event in flight.events() if isinstance(event, Frame)]
    return plan.policy(person.labels, (1,)), person.image, frames


def packets(pipeline: Pipeline, budget: int = 0) -> Iterator[tuple[int, bytes]]:
    """Subtype and bytes of each packet of a pass."""
    for packet in pipeline.downlink(Pass(budget)):
        yield TmHeader.parse(packet).subtype, packet


def pictures(pipeline: Pipeline) -> dict[int, bytes]:
    """Each picture of a lossless pass, put together from its chunks."""
    parts: dict[int, bytes] = {}
    for subtype, packet in packets(pipeline):
        if subtype == 3:
            chunk = ChunkPacket.parse(packet)
            parts[chunk.data.frame_id] = parts.get(chunk.data.frame_id, b"") + chunk.bytes
    return parts


def test_every_frame_has_one_decision_and_one_packet_that_says_the_same(
    flown: tuple[bytes, bytes, list[Frame]],
) -> None:
    policy, image, frames = flown
    pipeline = Pipeline(policy, image, LARGE)
    decisions = [pipeline.frame(frame) for frame in frames]
    sent = [packet for subtype, packet in packets(pipeline) if subtype == 1]
    assert [d.frame_id for d in decisions] == list(range(1, len(frames) + 1))
    assert len(sent) == len(frames)
    for decision, packet in zip(decisions, sent, strict=True):
        parsed, record = DecisionPacket.parse(packet), DecisionRecord.parse(decision.record)
        assert parsed.header.time == record.time == decision.time
        assert parsed.data == record.decision


@pytest.mark.parametrize("name", ["person_96", "person_grid"])
def test_the_surest_tile_is_what_a_camera_that_sees_only_it_would_say(
    flown: tuple[bytes, bytes, list[Frame]], name: str
) -> None:
    """Frames of 160 x 120 in 2 x 2 parts: 160 / 1.75 = 91 wide, 120 / 1.75 = 68 high."""
    policy, _, frames = flown
    policy, image = with_model(policy, name)
    corners = [(0, 0), (69, 0), (0, 52), (69, 52)]
    tiled = Pipeline(resealed(policy, tiles_across=2, tiles_down=2), image, LARGE)
    looks = [
        Pipeline(resealed(policy, crop={"x": x, "y": y, "width": 91, "height": 68}), image, LARGE)
        for x, y in corners
    ]
    won = set()
    for frame in frames[:24]:
        alone = [look.frame(frame) for look in looks]
        decision = tiled.frame(frame)
        best = max(range(4), key=lambda i: alone[i].score)
        assert decision.score == alone[best].score
        if decision.reason not in (Reason.KEPT, Reason.LOW_SCORE):
            continue
        won.add(best)
        if name == "person_grid":
            assert decision.box == alone[best].box
        else:  # it names no place, so the tile is where it saw it
            sides = np.array(decision.box) * (160, 120, 160, 120) / 65535
            np.testing.assert_allclose(sides, [*corners[best], 91, 68], atol=0.01)
    assert len(won) > 2, "the tiles were meant to differ"


@pytest.mark.parametrize("name", ["person_96", "person_grid"])
def test_a_window_of_the_frame_is_kept_around_what_was_found(
    flown: tuple[bytes, bytes, list[Frame]], name: str
) -> None:
    """The same bytes as a camera that has only that part, and the ground is told which it is."""
    policy, _, frames = flown
    policy, image = with_model(policy, name)
    windowed = Pipeline(resealed(policy, window_width=64, window_height=48), image, LARGE)
    decisions = {d.frame_id: (d, frame) for frame in frames[20:44] for d in [windowed.frame(frame)]}
    told, parts = {}, {}
    for subtype, packet in packets(windowed):
        if subtype == 2:
            said = FramePacket.parse(packet).data
            told[said.frame_id] = said
        elif subtype == 3:
            chunk = ChunkPacket.parse(packet)
            parts[chunk.data.frame_id] = parts.get(chunk.data.frame_id, b"") + chunk.bytes
    assert len(told) > 10
    places = set()
    for frame_id, said in told.items():
        decision, frame = decisions[frame_id]
        assert (said.width, said.height, said.frame_width, said.frame_height) == (64, 48, 160, 120)
        x, y, width, height = decision.box
        if name == "person_96":  # it names no place: the middle of the frame
            assert (said.left, said.top) == (48, 36)
        else:
            middle = (x + width / 2) * 160 / 65535, (y + height / 2) * 120 / 65535
            assert abs(said.left + 32 - min(max(middle[0], 32), 128)) <= 2
            assert abs(said.top + 24 - min(max(middle[1], 24), 96)) <= 1
        places.add((said.left, said.top))
        rows = np.frombuffer(frame.data, np.uint8).reshape(120, 320)  # RGB565: two bytes a pixel
        shown = np.ascontiguousarray(rows[said.top : said.top + 48, 2 * said.left : 2 * (said.left + 64)])
        view = imaging.Frame(shown, 64, 48, imaging.PixelFormat(Policy.parse(policy).pixel_format))
        assert parts[frame_id] == imaging.jpeg(view, quality=60, restart_interval=10)
    assert name == "person_96" or len(places) > 5


def test_a_full_flash_holds_the_most_valuable_frames_and_sends_the_best_first(
    flown: tuple[bytes, bytes, list[Frame]],
) -> None:
    policy, image, frames = flown
    pipeline = Pipeline(policy, image, SMALL)
    decisions = {d.frame_id: d for d in map(pipeline.frame, frames)}
    offered = [d for d in decisions.values() if d.size]
    sent = [FramePacket.parse(p).data for subtype, p in packets(pipeline) if subtype == 2]
    assert 0 < len(sent) < len(offered), "the flash was meant to overflow"
    assert [f.value for f in sent] == sorted((f.value for f in sent), reverse=True)
    # Pictures differ in size, so the best set may leave out a large one for two small ones; but nothing
    # that was left out may be worth more than everything that stayed.
    held = {f.frame_id for f in sent}
    left_out = [d for d in offered if d.frame_id not in held]
    assert max(f.value for f in sent) == max(d.value for d in offered)
    assert np.mean([f.value for f in sent]) > np.mean([d.value for d in left_out])


def resealed(policy: bytes, **fields: object) -> bytes:
    """The policy with some fields changed, and its CRC."""
    body = Policy.build(Policy.parse(policy) | fields)[:-2]
    return bytes(body + crc_hqx(body, 0xFFFF).to_bytes(2, "big"))


def with_model(policy: bytes, name: str) -> tuple[bytes, bytes]:
    """The policy for another model that ships, and its image."""
    classes = Policy.parse(policy).classes
    classes[0]["index"] = {"person_96": 1, "person_grid": 0}[name]
    image = model.load(ROOT / "models" / "trained" / f"{name}.tflite").image
    return resealed(policy, classes=classes), image


def with_quotas(policy: bytes, **quotas: tuple[int, int]) -> bytes:
    """Both classes wanted, people worth more, with (floor, ceiling) of each."""
    classes = Policy.parse(policy).classes
    for i, (name, weight) in enumerate((("empty", 1), ("person", 257))):
        floor, ceiling = quotas.get(name, (0, 0))
        row = {"index": i, "threshold": 60 * i, "weight": weight, "floor": floor, "ceiling": ceiling}
        classes[i].update(row)
    return resealed(policy, class_count=2, classes=classes)


def held(pipeline: Pipeline, decisions: list[Decision]) -> list[int]:
    """Bytes of pictures that the store holds of each class."""
    there = set(pipeline.frame_ids())
    sums = [0, 0]
    for d in decisions:
        if d.frame_id in there:
            sums[d.class_index] += d.size
    return sums


def test_the_policys_ceiling_binds_the_store(flown: tuple[bytes, bytes, list[Frame]]) -> None:
    policy, image, frames = flown
    pipeline = Pipeline(with_quotas(policy, person=(0, 30000)), image, LARGE)
    decisions = []
    for frame in frames:
        decisions.append(pipeline.frame(frame))
        assert held(pipeline, decisions)[1] <= 30000
    assert sum(d.size for d in decisions if d.class_index == 1) > 60000, "more was offered than allowed"
    assert held(pipeline, decisions)[1] > 20000


def test_the_policys_floor_keeps_what_would_go_first(flown: tuple[bytes, bytes, list[Frame]]) -> None:
    """Empty frames come first and are worth little: people push them out, but not below their floor."""
    policy, image, frames = flown
    probe = Pipeline(with_quotas(policy), image, LARGE)
    seen = [(probe.frame(frame), frame) for frame in frames]
    empty = [frame for d, frame in seen if d.size and d.class_index == 0][:4]
    people = [frame for d, frame in seen if d.size and d.class_index == 1]
    left = {}
    for floor in (0, 4000):
        pipeline = Pipeline(with_quotas(policy, empty=(floor, 0)), image, SMALL)
        order = [pipeline.frame(frame) for frame in [*empty, *people]]
        assert sum(d.size for d in order[:4]) > 4000
        left[floor] = held(pipeline, order)[0]
    assert left[0] == 0
    assert left[4000] >= 4000


def test_pictures_come_down_as_they_were_stored(flown: tuple[bytes, bytes, list[Frame]]) -> None:
    policy, image, frames = flown
    pipeline = Pipeline(policy, image, LARGE)
    sizes = {d.frame_id: d.size for d in map(pipeline.frame, frames) if d.reason == Reason.KEPT}
    infos = {}
    parts: dict[int, bytes] = {}
    for subtype, packet in packets(pipeline):
        if subtype == 2:
            info = FramePacket.parse(packet).data
            infos[info.frame_id] = info
        if subtype == 3:
            chunk = ChunkPacket.parse(packet)
            parts[chunk.data.frame_id] = parts.get(chunk.data.frame_id, b"") + chunk.bytes
    assert set(parts) == set(sizes) == set(infos)
    for frame_id, picture in parts.items():
        assert len(picture) == sizes[frame_id] == infos[frame_id].size
        assert zlib.crc32(picture) == infos[frame_id].crc32


def test_what_was_sent_is_not_sent_again_and_makes_room_first(
    flown: tuple[bytes, bytes, list[Frame]],
) -> None:
    policy, image, frames = flown
    pipeline = Pipeline(policy, image, SMALL)
    for frame in frames[:40]:
        pipeline.frame(frame)
    first = pictures(pipeline)
    assert first
    assert pictures(pipeline) == {}
    for frame in frames[40:]:
        pipeline.frame(frame)
    assert not first.keys() & pictures(pipeline).keys()


def test_a_reset_loses_no_kept_frame_and_reuses_no_id(flown: tuple[bytes, bytes, list[Frame]]) -> None:
    policy, image, frames = flown
    before = Pipeline(policy, image, LARGE)
    ids = {before.frame(frame).frame_id for frame in frames[:50]}
    kept = before.report()["frames"]
    after = Pipeline(policy, image, LARGE, flash=before.flash())  # no sync: the power just went
    assert after.report()["frames"] == kept
    again = {after.frame(frame).frame_id for frame in frames[50:60]}
    assert not ids & again
    assert min(again) > max(ids)


@pytest.mark.parametrize("count", range(36, 36 + lib.FK_PIPELINE_BATCH))
def test_ids_of_frames_that_were_not_kept_are_not_reused_after_a_reset(
    count: int, flown: tuple[bytes, bytes, list[Frame]]
) -> None:
    policy, image, frames = flown
    black = [Frame(bytes(len(frame.data)), frame.time) for frame in frames[:count]]
    before = Pipeline(policy, image, LARGE)
    ids = [before.frame(frame).frame_id for frame in black]
    assert before.report()["frames"] == 0
    after = Pipeline(policy, image, LARGE, flash=before.flash())
    assert after.frame(black[0]).frame_id > max(ids)


def test_ids_of_a_batch_whose_write_was_cut_are_not_reused(flown: tuple[bytes, bytes, list[Frame]]) -> None:
    policy, image, frames = flown
    black = Frame(bytes(len(frames[0].data)), frames[0].time)
    before = Pipeline(policy, image, LARGE)
    ids = [before.frame(black).frame_id for _ in range(2 * lib.FK_PIPELINE_BATCH - 1)]
    lib.fk_flash_emulator_cut(before._chip, 0, lib.FK_TEAR_NONE, 0)
    with pytest.raises(FkError, match="decision log"):
        before.frame(black)  # its id is the next: the batch is full and goes to flash
    lib.fk_flash_emulator_power_on(before._chip)
    after = Pipeline(policy, image, LARGE, flash=before.flash())
    assert after.frame(black).frame_id > ids[-1] + 1


def test_a_thumbnail_takes_its_id_from_the_first_frame_on(flown: tuple[bytes, bytes, list[Frame]]) -> None:
    """Its frame was not kept and its decision went with the power; the thumbnail is on flash."""
    policy, image, frames = flown
    policy = resealed(policy, audit_every=1, bright_above=0, contrast_below=255)
    before = Pipeline(policy, image, LARGE)
    ids = [before.frame(frame).frame_id for frame in frames[20:22]]
    assert before.report()["frames"] == 0
    after = Pipeline(policy, image, LARGE, flash=before.flash())
    ids.append(after.frame(frames[22]).frame_id)
    assert [ThumbnailPacket.parse(p).data.frame_id for kind, p in packets(after) if kind == 4] == ids
    assert len(set(ids)) == 3


def test_ids_end_and_none_is_given_twice(flown: tuple[bytes, bytes, list[Frame]]) -> None:
    policy, image, frames = flown
    last = (1 << 32) - 1
    camera = Pipeline(policy, image, LARGE)
    camera._pipeline.next_id = last - 1
    assert [camera.frame(frame).frame_id for frame in frames[20:22]] == [last - 1, last]
    for _ in range(2):
        with pytest.raises(FkError, match="FK_ERR_STATE"):
            camera.frame(frames[22])
        assert camera.frame_ids() == [last - 1, last]
        sent = [DecisionPacket.parse(p).data.frame_id for kind, p in packets(camera) if kind == 1]
        assert sent in ([last - 1, last], [])
        camera = Pipeline(policy, image, LARGE, flash=camera.flash())


@pytest.mark.parametrize("left", [1, lib.FK_PIPELINE_BATCH, lib.FK_PIPELINE_BATCH + 1])
def test_a_reset_near_the_last_id_does_not_begin_again(
    left: int, flown: tuple[bytes, bytes, list[Frame]]
) -> None:
    policy, image, frames = flown
    before = Pipeline(policy, image, LARGE)
    before._pipeline.next_id = (1 << 32) - left - 1
    before.frame(frames[20])
    after = Pipeline(policy, image, LARGE, flash=before.flash())
    if left > lib.FK_PIPELINE_BATCH:
        assert after.frame(frames[21]).frame_id == (1 << 32) - left + lib.FK_PIPELINE_BATCH
    else:
        with pytest.raises(FkError, match="FK_ERR_STATE"):
            after.frame(frames[21])


def test_a_frame_whose_masks_were_not_made_leaves_no_thumbnail(
    flown: tuple[bytes, bytes, list[Frame]],
) -> None:
    """A camera that was set to another size gives frames on which the masks have no place."""
    policy, image, frames = flown
    pipeline = Pipeline(resealed(policy, audit_every=1), image, LARGE)
    data = bytes(range(256)) * (2 * 80 * 60 // 256 + 1)
    owner = ffi.from_buffer(data)
    view = ffi.new("fk_frame *", {"size": len(data), "width": 80, "height": 60, "stride": 160})
    view.data, view.format = ffi.cast("uint8_t *", owner), lib.FK_PIXEL_RGB565BE
    out = ffi.new("fk_decision *")
    assert lib.fk_pipeline_frame(pipeline._pipeline, out, view, 0) == lib.FK_REASON_ERROR
    assert out.error == lib.FK_ERR_INVAL
    assert pipeline.frame(frames[20]).error == 0
    subtypes = [subtype for subtype, _ in packets(pipeline)]
    assert subtypes.count(1) == 2
    assert subtypes.count(4) == 1


def test_a_frame_of_another_shape_is_an_error_that_the_next_frame_survives(
    flown: tuple[bytes, bytes, list[Frame]],
) -> None:
    policy, image, frames = flown
    pipeline = Pipeline(policy, image, LARGE)
    short = pipeline.frame(Frame(frames[20].data[:-1], frames[20].time))
    assert short.reason == Reason.ERROR
    assert short.error == ErrorCode.FK_ERR_INVAL
    assert pipeline.frame(frames[20]).reason == Reason.KEPT


def test_a_pass_keeps_to_its_budget_and_the_next_goes_on(flown: tuple[bytes, bytes, list[Frame]]) -> None:
    policy, image, frames = flown
    whole, pieces = Pipeline(policy, image, LARGE), Pipeline(policy, image, LARGE)
    for frame in frames[:40]:
        whole.frame(frame)
        pieces.frame(frame)
    at_once = [packet for _, packet in packets(whole)]
    bit_by_bit: list[bytes] = []
    while True:
        part = [packet for _, packet in packets(pieces, budget=3000)]
        if not part:
            break
        assert sum(map(len, part)) <= 3000
        bit_by_bit += part
    assert bit_by_bit == at_once


@pytest.mark.parametrize(
    "record",
    [b"\x63" + bytes(37), b"\x01" + bytes(37), b"\x63" + bytes(239)],
    ids=["unknown", "short", "longest"],
)
def test_a_record_of_another_build_is_not_in_the_way_for_ever(
    record: bytes, flown: tuple[bytes, bytes, list[Frame]]
) -> None:
    policy, image, frames = flown
    pipeline = Pipeline(policy, image, LARGE)
    store = ffi.addressof(pipeline._pipeline.store)
    check(lib.fk_store_log_append(store, record, len(record)))
    ids = [pipeline.frame(frame).frame_id for frame in frames[:12]]
    pipeline.sync()
    packet = ffi.new("uint8_t[]", 4096)
    sent, refused = [], 0
    while size := lib.fk_pipeline_downlink(pipeline._pipeline, packet, len(packet)):
        if size > 0 and TmHeader.parse(data := bytes(ffi.buffer(packet, size))).subtype == 1:
            sent.append(DecisionPacket.parse(data).data.frame_id)
        refused += size < 0
        assert refused < 2
    assert sent == ids


@pytest.mark.parametrize("work", [0, 8], ids=["none", "misaligned"])
def test_a_work_area_that_no_stage_could_use_is_refused(
    work: int, flown: tuple[bytes, bytes, list[Frame]]
) -> None:
    pipeline = Pipeline(*flown[:2], SMALL)
    config = pipeline._config
    config.work = config.work + work if work else ffi.NULL
    assert lib.fk_pipeline_init(pipeline._pipeline, config) == lib.FK_ERR_INVAL


def test_a_pipeline_that_was_refused_does_nothing(flown: tuple[bytes, bytes, list[Frame]]) -> None:
    """As FK_ERR_STATE says; what an earlier start left in its memory is not used either."""
    pipeline = Pipeline(*flown[:2], SMALL)
    p, config = pipeline._pipeline, pipeline._config
    config.work_size = 0
    assert lib.fk_pipeline_init(p, config) == lib.FK_ERR_TOOSMALL
    packet, out, frame = ffi.new("uint8_t[]", 4200), ffi.new("fk_decision *"), ffi.new("fk_frame *")
    assert lib.fk_pipeline_frame(p, out, frame, 0) == lib.FK_ERR_STATE
    assert lib.fk_pipeline_idle(p) == lib.FK_ERR_STATE
    assert lib.fk_pipeline_sync(p) == lib.FK_ERR_STATE
    assert lib.fk_pipeline_downlink(p, packet, len(packet)) == lib.FK_ERR_STATE


def test_a_store_without_room_for_decisions_is_refused(flown: tuple[bytes, bytes, list[Frame]]) -> None:
    with pytest.raises(FkError, match="FK_ERR_INVAL"):
        Pipeline(*flown[:2], FlashSetup(4096, 16, 256, log_segments=0))


def test_what_was_done_while_idle_is_not_done_when_a_picture_is_kept(
    flown: tuple[bytes, bytes, list[Frame]],
) -> None:
    """Counted in erases of the chip while frames are kept."""
    policy, image, frames = flown
    erases = {}
    for idle in (False, True):
        pipeline, during = Pipeline(policy, image, SMALL), 0
        for frame in frames:
            while idle and pipeline.idle():
                pass
            before = pipeline._chip.count.erases
            during += (pipeline.frame(frame).reason == Reason.KEPT) * (pipeline._chip.count.erases - before)
        erases[idle] = during
    assert erases[False] > 10
    assert erases[True] < erases[False] / 4


def test_a_model_and_a_policy_that_do_not_fit_are_refused(flown: tuple[bytes, bytes, list[Frame]]) -> None:
    policy, image, _ = flown
    with pytest.raises(FkError, match="FK_ERR_CORRUPT"):
        Pipeline(policy[:-1] + bytes([policy[-1] ^ 1]), image, SMALL)
    with pytest.raises(FkError, match="FK_ERR_"):
        Pipeline(policy, image[: len(image) // 2], SMALL)
    plan = mission.load(ROOT / "missions" / "security.toml")
    beyond = plan.policy(("a", "b", "c", "person"), (1,))  # class 3 of a model that has two
    with pytest.raises(FkError, match="FK_ERR_INVAL"):
        Pipeline(beyond, image, SMALL)


def test_an_audit_shows_every_nth_frame_whatever_was_decided(
    tmp_path: Path, flown: tuple[bytes, bytes, list[Frame]]
) -> None:
    _, image, frames = flown
    text = (ROOT / "missions" / "security.toml").read_text()
    for old, new in (("every = 20 ", "every = 7 "), ("masks = []", "masks = [[40, 30, 60, 50]]")):
        assert old in text
        text = text.replace(old, new)
    (tmp_path / "m.toml").write_text(text.replace("../models", f"{ROOT}/models"))
    plan = mission.load(tmp_path / "m.toml")
    pipeline = Pipeline(plan.policy(("no_person", "person"), (128,)), image, LARGE)
    decisions = [pipeline.frame(frame) for frame in frames]
    sent = [ThumbnailPacket.parse(packet) for subtype, packet in packets(pipeline) if subtype == 4]
    assert [t.data.frame_id for t in sent] == list(range(7, len(frames) + 1, 7))
    assert len({decisions[t.data.frame_id - 1].reason for t in sent}) > 2
    for packet in sent:
        frame = frames[packet.data.frame_id - 1]
        assert packet.header.time == frame.time
        luma, _ = pixels.read(
            imaging.Frame(np.frombuffer(frame.data, np.uint8), 160, 120, imaging.PixelFormat.RGB565BE)
        )
        luma = luma.copy()
        luma[30:80, 40:100] = 0
        small = area_average(luma[..., None], 16, 12)
        assert packet.data.pixels == small.tobytes()
