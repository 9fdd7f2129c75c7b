"""A mission's policy: what Python builds is what the flight code reads; anything else is refused."""

from binascii import crc_hqx
from pathlib import Path
from typing import Any

import pytest
from framekeep_ground.formats import POLICY_CLASSES_MAX, Policy
from framekeep_onboard import ErrorCode
from framekeep_onboard._fk import ffi, lib
from framekeep_sim.mission import load

MISSIONS = sorted((Path(__file__).parents[2] / "missions").glob("*.toml"))
LABELS = ("no person", "person")


def parse(data: bytes) -> tuple[int, Any]:
    out = ffi.new("fk_policy *")
    return lib.fk_policy_parse(out, data, len(data)), out


def resealed(fields: dict[str, Any]) -> bytes:
    """The bytes of `fields` with a right CRC, so that only a field's range can be at fault."""
    body = Policy.build(fields)[:-2]
    return bytes(body + crc_hqx(body, 0xFFFF).to_bytes(2, "big"))


@pytest.fixture
def fields() -> dict[str, Any]:
    return dict(Policy.parse(load(MISSIONS[0]).policy(LABELS)))


def sides(rect: Any) -> tuple[int, int, int, int]:
    return rect.x, rect.y, rect.width, rect.height


@pytest.mark.parametrize("mission", MISSIONS, ids=lambda path: path.stem)
def test_flight_code_reads_every_field_as_the_declaration_does(mission: Path) -> None:
    data = load(mission).policy(LABELS)
    code, read = parse(data)
    declared = Policy.parse(data)
    assert code == 0
    for name in [
        "width",
        "height",
        "tiles_across",
        "tiles_down",
        "pixel_format",
        "dark_below",
        "bright_above",
        "contrast_below",
        "class_count",
        "jpeg_quality",
        "jpeg_mode",
        "restart_interval",
        "picture_bytes_max",
        "window_width",
        "window_height",
        "record_apid",
        "image_apid",
        "chunk_bytes",
        "audit_every",
    ]:
        assert getattr(read, name) == declared[name], name
    assert sides(read.crop) == sides(declared.crop)
    assert read.mask_count == declared.mask_count
    assert [sides(mask) for mask in read.masks] == [sides(mask) for mask in declared.masks]
    for i in range(POLICY_CLASSES_MAX):
        for name in ("index", "threshold", "weight", "floor", "ceiling"):
            assert getattr(read.classes[i], name) == declared.classes[i][name]


def test_any_flipped_bit_is_refused() -> None:
    data = load(MISSIONS[0]).policy(LABELS)
    for bit in range(8 * len(data)):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        assert parse(bytes(flipped))[0] < 0, f"bit {bit}"


def test_any_missing_byte_is_refused() -> None:
    data = load(MISSIONS[0]).policy(LABELS)
    for size in range(len(data)):
        assert parse(data[:size])[0] == ErrorCode.FK_ERR_TOOSMALL


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("width", 0),
        ("width", 4097),
        ("height", 0),
        ("pixel_format", 5),
        ("crop", {"x": 0, "y": 0, "width": 4096, "height": 1}),
        ("crop", {"x": 0, "y": 0, "width": 5, "height": 0}),
        ("crop", {"x": 0, "y": 0, "width": 0, "height": 5}),
        ("tiles_across", 0),
        ("tiles_across", 17),
        ("tiles_down", 0),
        ("tiles_down", 17),
        ("mask_count", 5),
        ("jpeg_quality", 0),
        ("jpeg_quality", 101),
        ("jpeg_mode", 2),
        ("picture_bytes_max", 0),
        ("picture_bytes_max", 48 * 4096 + 1),  # more than the store's chunks of a frame
        ("picture_bytes_max", 0xFFFF_FFFF),  # with the encoder's scratch it would wrap 32 bits
        ("window_width", 5),
        ("window_height", 5),
        ("window", {"window_width": 4097, "window_height": 5}),
        ("window", {"window_width": 5, "window_height": 4097}),
        ("record_apid", 2047),
        ("image_apid", 2047),
        ("chunk_bytes", 0),
        ("chunk_bytes", 4097),
        ("class_count", 0),
        ("class_count", 9),
    ],
)
def test_a_field_out_of_range_is_refused_and_nothing_written(
    fields: dict[str, Any], name: str, value: Any
) -> None:
    fields |= value if name == "window" else {name: value}
    code, out = parse(resealed(fields))
    assert code == ErrorCode.FK_ERR_INVAL
    assert out.width == 0 and out.class_count == 0


def test_a_window_that_cuts_a_pair_of_pixels_is_refused(fields: dict[str, Any]) -> None:
    fields |= {"window_width": 33, "window_height": 5, "width": 96, "height": 64}
    for name, code in (("GRAY8", 0), ("YUYV", ErrorCode.FK_ERR_INVAL)):
        fields["pixel_format"] = getattr(lib, f"FK_PIXEL_{name}")
        assert parse(resealed(fields))[0] == code


def test_a_width_that_cuts_a_pair_of_pixels_is_refused(fields: dict[str, Any]) -> None:
    for name, code in (("GRAY8", 0), ("YUYV", ErrorCode.FK_ERR_INVAL)):
        fields |= {"width": 95, "pixel_format": getattr(lib, f"FK_PIXEL_{name}")}
        assert parse(resealed(fields))[0] == code


def test_one_apid_for_both_streams_is_refused(fields: dict[str, Any]) -> None:
    fields["image_apid"] = fields["record_apid"]
    assert parse(resealed(fields))[0] == ErrorCode.FK_ERR_INVAL


def test_a_weight_whose_value_would_not_fit_16_bits_is_refused(fields: dict[str, Any]) -> None:
    fields["classes"][0]["weight"] = 258
    assert parse(resealed(fields))[0] == ErrorCode.FK_ERR_INVAL


def test_a_floor_above_its_ceiling_is_refused(fields: dict[str, Any]) -> None:
    fields["classes"][0].update({"floor": 1000, "ceiling": 999})
    assert parse(resealed(fields))[0] == ErrorCode.FK_ERR_INVAL
    fields["classes"][0].update({"floor": 1000, "ceiling": 0})  # no bound above it
    code, read = parse(resealed(fields))
    assert (code, read.classes[0].floor, read.classes[0].ceiling) == (0, 1000, 0)


def test_a_ceiling_under_one_picture_is_refused_as_in_a_mission(fields: dict[str, Any]) -> None:
    """A picture between the two would push the others of its class out and then be refused itself."""
    for ceiling, code in ((9000, 0), (8999, ErrorCode.FK_ERR_INVAL)):
        fields["picture_bytes_max"] = 9000
        fields["classes"][0].update({"floor": 0, "ceiling": ceiling})
        assert parse(resealed(fields))[0] == code


def test_another_version_is_named_as_such(fields: dict[str, Any]) -> None:
    fields["version"] = 2
    assert parse(resealed(fields))[0] == ErrorCode.FK_ERR_VERSION


def test_masks_arrive_in_order(fields: dict[str, Any]) -> None:
    wanted = [(0, 0, 2, 1), (4, 2, 6, 8), (10, 10, 20, 20)]
    fields["mask_count"] = 3
    for row, rect in zip(fields["masks"], wanted, strict=False):
        row.update(zip(("x", "y", "width", "height"), rect, strict=True))
    code, read = parse(resealed(fields))
    assert code == 0
    assert [sides(mask) for mask in read.masks[0 : read.mask_count]] == wanted


@pytest.mark.parametrize("rect", [(0, 0, 0, 1), (0, 0, 1, 0), (65535, 0, 2, 2), (0, 65535, 2, 2)])
def test_a_mask_that_hides_nothing_or_leaves_the_frame_is_refused(
    fields: dict[str, Any], rect: tuple[int, ...]
) -> None:
    fields["mask_count"] = 1
    fields["masks"][0].update(zip(("x", "y", "width", "height"), rect, strict=True))
    assert parse(resealed(fields))[0] == ErrorCode.FK_ERR_INVAL


@pytest.mark.parametrize("rect", [(1, 0, 2, 2), (0, 0, 3, 2)])
def test_a_mask_that_cuts_a_pair_of_yuyv_is_refused(fields: dict[str, Any], rect: tuple[int, ...]) -> None:
    fields["mask_count"] = 1
    fields["masks"][0].update(zip(("x", "y", "width", "height"), rect, strict=True))
    fields["pixel_format"] = 3
    assert parse(resealed(fields))[0] == ErrorCode.FK_ERR_INVAL
    fields["pixel_format"] = 0
    assert parse(resealed(fields))[0] == 0
