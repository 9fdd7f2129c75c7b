"""Telecommands: which are taken, what they change, and that no order of them does lasting harm."""

from binascii import crc_hqx
from collections.abc import Callable
from typing import Any

import pytest
from framekeep_ground import command, formats
from framekeep_onboard import ErrorCode, Frame, Pass, Pipeline, Reason
from framekeep_onboard._fk import ffi, lib
from framekeep_onboard.events import Command
from framekeep_onboard.targets import FlashSetup
from framekeep_sim import dataset, mission, model
from framekeep_sim.events import Flight
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.contract.agree import crc_by_stdlib
from tests.onboard.test_pipeline import ROOT, resealed

APID = 100
SETUP = FlashSetup(4096, 32, 256)
Flown = tuple[bytes, bytes, list[Frame]]
REFUSED = {code.name: int(code) for code in ErrorCode}


@pytest.fixture(scope="module")
def flown() -> Flown:
    """The security mission with a threshold that everything passes: policy, model, frames."""
    plan = mission.load(ROOT / "missions" / "security.toml")
    person = model.load(plan.model)
    events = Flight(plan, dataset.load("demo", limit=44)).events()
    frames = [event for event in events if isinstance(event, Frame)]
    return plan.policy(person.labels, (1,)), person.image, frames[20:]  # by daylight


def parsed(packet: bytes, apid: int = APID) -> tuple[int, Any]:
    out = ffi.new("fk_command *")
    return int(lib.fk_command_parse(out, packet, len(packet), apid)), out


def sealed(hex_before_crc: str) -> bytes:
    return crc_by_stdlib(hex_before_crc)


# --- Packets ------------------------------------------------------------------------------------------


def test_a_resend_by_hand_from_the_standard() -> None:
    # version 0, type 1, secondary header, APID 100; unsegmented, count 5; 25 bytes in all
    packet = sealed("1864 c005 0012" + "20 80 41 0000" + "00000007 00000190 0000031f")
    status, said = parsed(packet)
    assert status == 0
    assert (said.packet_id, said.sequence, said.subtype) == (0x1864, 0xC005, 65)
    assert (said.frame_id, said.first, said.last) == (7, 400, 799)
    assert command.resend(7, 400, 799).packet(APID, 5) == packet


def every_command() -> list[bytes]:
    wanted = [command.ping(), command.resend(3), command.delete(9), command.policy(bytes(177))]
    return [one.packet(APID, n) for n, one in enumerate(wanted)]


@pytest.mark.parametrize("packet", every_command(), ids=["ping", "resend", "delete", "policy"])
def test_a_flipped_bit_or_a_missing_byte_is_nobodys_command(packet: bytes) -> None:
    assert parsed(packet)[0] == 0
    for bit in range(8 * len(packet)):
        damaged = bytearray(packet)
        damaged[bit // 8] ^= 1 << bit % 8
        status, said = parsed(bytes(damaged))
        assert (status, said.packet_id) == (lib.FK_ERR_CORRUPT, 0)
    for cut in range(len(packet)):
        assert parsed(packet[:cut])[0] == lib.FK_ERR_CORRUPT
    assert parsed(packet + b"\0")[0] == lib.FK_ERR_CORRUPT


@pytest.mark.parametrize(
    "primary",
    [
        "1864 0005 0012",  # a piece from the middle of a segmented one
        "1864 4005 0012",  # the first piece
        "1864 8005 0012",  # the last piece
        "0864 c005 0012",  # telemetry
        "3864 c005 0012",  # another version of packets
        "1064 c005 0012",  # without a secondary header
        "1864 c005 0013",  # a byte less than it says
        "1864 c005 0011",  # a byte more
    ],
)
def test_what_is_no_whole_telecommand_is_nobodys_though_its_crc_is_right(primary: str) -> None:
    packet = sealed(primary + "20 80 41 0000" + "00000007 00000190 0000031f")
    status, said = parsed(packet)
    assert (status, said.packet_id) == (lib.FK_ERR_CORRUPT, 0)


def test_a_command_to_another_application_is_left_alone() -> None:
    status, said = parsed(every_command()[0], apid=101)
    assert (status, said.packet_id) == (lib.FK_ERR_NOENT, 0)


@pytest.mark.parametrize(
    ("hex_before_crc", "error"),
    [
        ("1864 c000 0007 20 80 40 0000 00", "FK_ERR_INVAL"),  # a ping with data
        ("1864 c000 000a 20 80 41 0000 00000001", "FK_ERR_INVAL"),  # a resend without its range
        ("1864 c000 0012 20 80 41 0000 00000001 00000002 00000001", "FK_ERR_INVAL"),  # backwards
        ("1864 c000 0006 20 80 42 0000", "FK_ERR_INVAL"),  # a delete of nothing
        ("1864 c000 0008 20 80 43 0000 464b", "FK_ERR_INVAL"),  # a policy cut short
        ("1864 c000 0006 20 80 44 0000", "FK_ERR_UNSUPPORTED"),  # no such subtype
        ("1864 c000 0006 20 03 01 0000", "FK_ERR_UNSUPPORTED"),  # no such service
        ("1864 c000 0006 10 80 40 0000", "FK_ERR_UNSUPPORTED"),  # PUS-A
    ],
)
def test_what_cannot_be_meant_is_refused_and_can_be_reported(hex_before_crc: str, error: str) -> None:
    status, said = parsed(sealed(hex_before_crc))
    assert status == REFUSED[error]
    assert said.packet_id == 0x1864


# --- What they do -------------------------------------------------------------------------------------


class Camera:
    """A pipeline with the downlink taken apart."""

    def __init__(self, flown: Flown, policy: bytes | None = None) -> None:
        self.policy, self.image, self.frames = flown[0] if policy is None else policy, flown[1], flown[2]
        self.sent = 0
        self.pipeline = Pipeline(self.policy, self.image, SETUP)

    def give(self, wanted: command.Telecommand) -> int:
        self.sent += 1
        return self.pipeline.command(Command(wanted.packet(APID, self.sent)))

    def other(self, subtype: int, data: bytes) -> int:
        """A sound packet with anything in it."""
        self.sent += 1
        body = command.Telecommand("ping", data).packet(APID, self.sent)[:-2]
        body = body[:8] + bytes([subtype]) + body[9:]
        return self.pipeline.command(Command(body + crc_hqx(body, 0xFFFF).to_bytes(2, "big")))

    def reset(self) -> None:
        """The power goes; nothing is synchronised."""
        self.pipeline = Pipeline(self.policy, self.image, SETUP, flash=self.pipeline.flash())

    def packets(self) -> list[bytes]:
        return list(self.pipeline.downlink(Pass()))


def reports(packets: list[bytes]) -> list[tuple[int, int, int, int]]:
    """Count and subtype of the command, error, id of the next frame."""
    said = [formats.ReportPacket.parse(p).data for p in packets if p[8] == formats.SUBTYPE_REPORT]
    assert {r.command_id for r in said} <= {0x1800 | APID}
    return [(r.command_sequence & 0x3FFF, r.command_subtype, r.error, r.frame_id) for r in said]


def chunks(packets: list[bytes]) -> list[tuple[int, int, bytes]]:
    found = [formats.ChunkPacket.parse(p) for p in packets if p[8] == formats.SUBTYPE_CHUNK]
    return [(c.data.frame_id, c.data.offset, c.bytes) for c in found]


def test_a_ping_is_answered_in_its_turn_among_the_decisions(flown: Flown) -> None:
    camera = Camera(flown)
    first = camera.pipeline.frame(camera.frames[0])
    assert camera.give(command.ping()) == 0
    second = camera.pipeline.frame(camera.frames[1])
    packets = camera.packets()
    assert [p[8] for p in packets[:3]] == [1, 5, 1]
    assert reports(packets) == [(1, 64, 0, second.frame_id)]
    answer = formats.ReportPacket.parse(packets[1])
    assert answer.header.time == first.time
    assert reports(camera.packets()) == [], "it is sent once"


def test_a_report_survives_a_reset(flown: Flown) -> None:
    camera = Camera(flown)
    camera.give(command.delete(77))
    camera.reset()
    assert [r[:3] for r in reports(camera.packets())] == [(1, 66, lib.FK_ERR_NOENT)]


def test_bytes_of_a_picture_come_again_behind_its_announcement(flown: Flown) -> None:
    camera = Camera(flown)
    frame_id = camera.pipeline.frame(camera.frames[0]).frame_id
    before = camera.packets()
    picture = b"".join(data for _, _, data in chunks(before))
    assert camera.give(command.resend(frame_id, 100, 499)) == 0
    assert camera.give(command.resend(frame_id, len(picture) - 3)) == 0
    again = camera.packets()
    announced = [p for p in again if p[8] == formats.SUBTYPE_FRAME]
    assert [formats.FramePacket.parse(p).data for p in announced] == [
        formats.FramePacket.parse(p).data for p in before if p[8] == formats.SUBTYPE_FRAME
    ] * 2
    parts = chunks(again)
    assert {part[0] for part in parts} == {frame_id}
    there = dict.fromkeys(range(100, 500)) | dict.fromkeys(range(len(picture) - 3, len(picture)))
    came = [at + k for _, at, data in parts for k in range(len(data))]
    assert came == list(there), "these bytes and no others, in order"
    assert all(data == picture[at : at + len(data)] for _, at, data in parts)
    assert camera.packets() == []


def test_bytes_past_the_end_of_a_picture_are_refused_and_nothing_comes(flown: Flown) -> None:
    camera = Camera(flown)
    taken = camera.pipeline.frame(camera.frames[0])
    camera.packets()
    for first, last, answer in (
        (taken.size - 1, taken.size + 9, 0),
        (taken.size, taken.size, lib.FK_ERR_INVAL),
        (0xFFFF_FFFF, 0xFFFF_FFFF, lib.FK_ERR_INVAL),
    ):
        assert camera.give(command.resend(taken.frame_id, first, last)) == answer
        assert [(at, len(data)) for _, at, data in chunks(camera.packets())] == [(first, 1)] * (answer == 0)


def test_a_resend_waits_for_the_frame_under_way_and_goes_before_the_next(flown: Flown) -> None:
    camera = Camera(flown)
    old = camera.pipeline.frame(camera.frames[0]).frame_id
    camera.packets()
    new = [camera.pipeline.frame(frame).frame_id for frame in camera.frames[1:3]]
    link = camera.pipeline.downlink(Pass())
    begun = next(p for p in link if p[8] == formats.SUBTYPE_CHUNK)
    camera.give(command.resend(old))
    order = [formats.FramePacket.parse(p).data.frame_id for p in link if p[8] == formats.SUBTYPE_FRAME]
    first = formats.ChunkPacket.parse(begun).data.frame_id
    assert order == [old, next(n for n in new if n != first)]


def test_the_seventeenth_resend_is_refused_and_none_is_lost(flown: Flown) -> None:
    camera = Camera(flown)
    frame_id = camera.pipeline.frame(camera.frames[0]).frame_id
    camera.packets()
    answers = [camera.give(command.resend(frame_id, n, n)) for n in range(17)]
    assert answers == [0] * 16 + [lib.FK_ERR_TOOSMALL]
    assert [at for _, at, _ in chunks(camera.packets())] == list(range(16))
    assert camera.give(command.resend(frame_id, 0, 0)) == 0


def test_a_frame_that_goes_before_its_resend_is_passed_over(flown: Flown) -> None:
    camera = Camera(flown)
    ids = [camera.pipeline.frame(frame).frame_id for frame in camera.frames[:2]]
    camera.packets()
    for frame_id in ids:
        camera.give(command.resend(frame_id, 0, 9))
    assert camera.give(command.delete(ids[0])) == 0
    assert [part[:2] for part in chunks(camera.packets())] == [(ids[1], 0)]
    assert camera.give(command.resend(ids[0])) == lib.FK_ERR_NOENT


def test_a_deleted_frame_is_gone_for_good_and_deleting_it_twice_does_no_harm(flown: Flown) -> None:
    camera = Camera(flown)
    ids = [camera.pipeline.frame(frame).frame_id for frame in camera.frames[:4]]
    assert camera.give(command.delete(ids[2])) == 0
    assert camera.give(command.delete(ids[2])) == lib.FK_ERR_NOENT
    camera.reset()
    assert camera.pipeline.frame_ids() == [ids[0], ids[1], ids[3]]


def test_a_policy_counts_from_the_next_frame_until_a_reset(flown: Flown) -> None:
    camera = Camera(flown)
    assert camera.pipeline.frame(camera.frames[0]).reason == Reason.KEPT
    classes = formats.Policy.parse(flown[0]).classes
    classes[0].threshold = 255
    assert camera.give(command.policy(resealed(flown[0], classes=classes, jpeg_quality=11))) == 0
    after = camera.pipeline.frame(camera.frames[0])
    assert after.reason == Reason.LOW_SCORE
    assert reports(camera.packets()) == [(1, 67, 0, after.frame_id)], "the ground learns from where on"
    camera.reset()
    assert camera.pipeline.frame(camera.frames[0]).reason == Reason.KEPT


def masked(policy: bytes, *masks: tuple[int, int, int, int]) -> bytes:
    rows = [dict(zip(("x", "y", "width", "height"), mask, strict=True)) for mask in masks]
    rows += [{"x": 0, "y": 0, "width": 0, "height": 0}] * (4 - len(rows))
    return resealed(policy, masks=rows, mask_count=len(masks))


FIXED: dict[str, Callable[[bytes], bytes]] = {
    "width": lambda p: resealed(p, width=formats.Policy.parse(p).width - 2),
    "height": lambda p: resealed(p, height=formats.Policy.parse(p).height - 2),
    "pixel_format": lambda p: resealed(p, pixel_format=formats.Policy.parse(p).pixel_format ^ 1),
    "window": lambda p: resealed(p, window_width=96, window_height=96),
    "record_apid": lambda p: resealed(p, record_apid=102),
    "image_apid": lambda p: resealed(p, image_apid=103),
    "chunk_bytes": lambda p: resealed(p, chunk_bytes=formats.Policy.parse(p).chunk_bytes + 1),
    "quota": lambda p: resealed(
        p, classes=[dict(formats.Policy.parse(p).classes[0]) | {"ceiling": 50000}] * 8
    ),
    "mask_lifted": masked,  # by none
    "mask_not_counted": lambda p: resealed(p, mask_count=0),  # though its place is still there
    "mask_moved": lambda p: masked(p, (10, 8, 16, 16)),
}


@pytest.mark.parametrize("change", FIXED.values(), ids=FIXED.keys())
def test_what_is_fixed_until_a_reset_cannot_be_uploaded(
    flown: Flown, change: Callable[[bytes], bytes]
) -> None:
    camera = Camera(flown, masked(flown[0], (8, 8, 16, 16)))
    before = camera.pipeline.frame(camera.frames[0])
    assert camera.give(command.policy(camera.policy)) == 0, "the same one is welcome"
    assert camera.give(command.policy(change(camera.policy))) == lib.FK_ERR_STATE
    after = camera.pipeline.frame(camera.frames[0])
    assert (after.reason, after.score, after.size) == (before.reason, before.score, before.size)


@pytest.mark.parametrize(("width", "height"), [(64, 96), (96, 64), (0, 0)])
def test_a_window_that_flies_keeps_its_size(flown: Flown, width: int, height: int) -> None:
    camera = Camera(flown, resealed(flown[0], window_width=96, window_height=96))
    other = resealed(camera.policy, window_width=width, window_height=height)
    assert camera.give(command.policy(other)) == lib.FK_ERR_STATE


def test_a_mask_may_be_added(flown: Flown) -> None:
    camera = Camera(flown, masked(flown[0], (8, 8, 16, 16)))
    before = camera.pipeline.frame(camera.frames[0])
    more = masked(flown[0], (8, 8, 16, 16), (32, 0, 100, 100))
    assert camera.give(command.policy(more)) == 0
    assert camera.pipeline.frame(camera.frames[0]).mean < before.mean


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"jpeg_quality": 0}, "FK_ERR_INVAL"),
        ({"version": 2}, "FK_ERR_VERSION"),
        ({"magic": 0}, "FK_ERR_CORRUPT"),
        ({"picture_bytes_max": 48 * 4096}, "FK_ERR_TOOSMALL"),
        ({"picture_bytes_max": 0xFFFF_FFFF}, "FK_ERR_INVAL"),
    ],
)
def test_a_policy_that_cannot_fly_is_refused_whole(flown: Flown, fields: dict[str, int], error: str) -> None:
    camera = Camera(flown)
    before = camera.pipeline.frame(camera.frames[0])
    assert camera.give(command.policy(resealed(flown[0], **fields))) == REFUSED[error]
    after = camera.pipeline.frame(camera.frames[0])
    assert (after.reason, after.score, after.size) == (before.reason, before.score, before.size)


def test_a_class_that_the_model_has_not_is_refused(flown: Flown) -> None:
    camera = Camera(flown)
    classes = formats.Policy.parse(flown[0]).classes
    classes[0].index = 9
    assert camera.give(command.policy(resealed(flown[0], classes=classes))) == lib.FK_ERR_INVAL


# --- No order of commands can brick it ----------------------------------------------------------------

U32 = st.one_of(st.integers(0, 30), st.integers(0, 0xFFFFFFFF))
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "jpeg_quality": st.integers(0, 101),
        "dark_below": st.integers(0, 255),
        "bright_above": st.integers(0, 255),
        "contrast_below": st.integers(0, 255),
        "tiles_across": st.integers(0, 17),
        "tiles_down": st.integers(0, 3),
        "audit_every": st.integers(0, 3),
        "picture_bytes_max": U32,
        "class_count": st.integers(0, 9),
        "width": st.sampled_from([0, 1, 160, 320, 65535]),
        "record_apid": st.integers(99, 102),
    },
)
STEPS = st.one_of(
    st.tuples(st.just("frame"), st.integers(0, 23)),
    st.tuples(st.just("resend"), U32, U32, U32),
    st.tuples(st.just("delete"), U32),
    st.tuples(st.just("policy"), FIELDS),
    st.tuples(st.just("other"), st.integers(0, 255), st.binary(max_size=20)),
    st.tuples(st.just("noise"), st.binary(max_size=40)),
    st.tuples(st.just("pass"), st.integers(300, 4000)),
    st.tuples(st.just("reset")),
)


def perform(camera: Camera, step: tuple[Any, ...]) -> int | None:
    """The answer to a command that must be reported, else None."""
    name, *values = step
    if name == "resend":
        return camera.give(command.resend(*values))
    if name == "delete":
        return camera.give(command.delete(*values))
    if name == "policy":
        return camera.give(command.policy(resealed(camera.policy, **values[0])))
    if name == "other":
        return camera.other(*values)
    if name == "noise":
        assert camera.pipeline.command(Command(values[0])) == lib.FK_ERR_CORRUPT
    elif name == "reset":
        camera.reset()
    return None


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEPS, max_size=14))
def test_after_any_order_of_commands_it_answers_and_a_reset_brings_back_the_mission(
    flown: Flown, steps: list[tuple[Any, ...]]
) -> None:
    camera = Camera(flown)
    told: list[tuple[int, int]] = []  # what the ground must hear: count and error of every command
    heard: list[tuple[int, int]] = []
    taken: list[int] = []
    decided: set[int] = set()

    def listen(packets: list[bytes]) -> None:
        heard.extend((count, error) for count, _, error, _ in reports(packets))
        decided.update(formats.DecisionPacket.parse(p).data.frame_id for p in packets if p[8] == 1)

    for step in steps:
        if step[0] == "frame":
            taken.append(camera.pipeline.frame(camera.frames[step[1]]).frame_id)
        elif step[0] == "pass":
            listen(list(camera.pipeline.downlink(Pass(step[1]))))
        elif (answer := perform(camera, step)) is not None:
            told.append((camera.sent, answer))
        if step[0] == "reset":  # the decisions of a batch may be lost with the power
            taken = [frame_id for frame_id in taken if frame_id in decided]
    assert camera.give(command.ping()) == 0
    told.append((camera.sent, 0))
    listen(camera.packets())
    # a record that a cut of power left unmarked is sent again
    assert list(dict.fromkeys(heard)) == told, "every command has its report, in order"
    assert decided >= set(taken), "every frame has its decision"
    camera.reset()
    fresh = Camera(flown)
    for frame in camera.frames[:2]:
        after, as_built = camera.pipeline.frame(frame), fresh.pipeline.frame(frame)
        assert (after.reason, after.score, after.size) == (as_built.reason, as_built.score, as_built.size)
