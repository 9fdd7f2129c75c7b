"""A model image is believed only when all of it is right."""

import struct
import zlib
from types import SimpleNamespace

import numpy as np
import pytest
from framekeep_ground.model_image import FkmCopy, FkmHeader, FkmTensor, FkmWindow
from framekeep_models.compile import Options, compile_model
from framekeep_models.contract import Wishes, _quantise
from framekeep_onboard import FkError, Model
from framekeep_onboard._fk import ffi, lib

from tests.models.single_op import make
from tests.models.small_nets import mobile_net


@pytest.fixture(scope="module")
def image() -> bytes:
    return compile_model(mobile_net(), Wishes(labels=("none", "person"), thresholds=(0.25, 0.75))).image


def load(blob: bytes) -> int:
    room = np.zeros(len(blob) + 16, np.uint8)
    room[-room.ctypes.data % 16 :][: len(blob)] = np.frombuffer(blob, np.uint8)
    start = ffi.cast("uint8_t *", room.ctypes.data + -room.ctypes.data % 16)
    return int(lib.fk_model_load(ffi.new("fk_model *"), start, len(blob)))


def resealed(image: bytes, at: int, value: bytes) -> bytes:
    """With the bytes at `at` changed and the CRCs right again."""
    crcs = FkmHeader.parse(image).crcs
    body = bytearray(image[:crcs])
    body[at : at + len(value)] = value
    slices = [zlib.crc32(body[i : i + 4096]) for i in range(0, crcs, 4096)]
    return bytes(body) + struct.pack(f"<{len(slices)}I", *slices)


def test_a_whole_image_loads(image: bytes) -> None:
    assert load(image) == 0
    assert load(image + b"\xff" * 100) == 0  # a flash region is longer than what it holds


@pytest.mark.parametrize("fraction", [0, 0.001, 0.02, 0.5, 0.999])
def test_a_truncated_image_is_refused(image: bytes, fraction: float) -> None:
    assert load(image[: int(len(image) * fraction)]) == lib.FK_ERR_CORRUPT


def test_every_flipped_bit_is_noticed(image: bytes) -> None:
    rng = np.random.default_rng(5)
    for at in rng.integers(6, len(image), 400):
        damaged = bytearray(image)
        damaged[at] ^= 1 << int(rng.integers(8))
        assert load(bytes(damaged)) < 0


@pytest.mark.parametrize("part", [0.0001, 0.5, 0.999], ids=["header", "weights", "CRCs"])
def test_a_model_that_was_refused_does_not_run(image: bytes, part: float) -> None:
    at = int(len(image) * part)
    damaged = image[:at] + bytes([image[at] ^ 1]) + image[at + 1 :]
    model = ffi.new("fk_model *")
    room = np.zeros(1 << 20, np.uint8)
    arena = ffi.cast("uint8_t *", room.ctypes.data + -room.ctypes.data % 16)
    ffi.memmove(arena, damaged, len(damaged))
    assert lib.fk_model_load(model, arena, len(damaged)) == lib.FK_ERR_CORRUPT
    assert lib.fk_model_run(model, arena, len(room) - 16) == lib.FK_ERR_INVAL


def test_another_version_is_named_as_such(image: bytes) -> None:
    assert load(image[:4] + b"\x02\x00" + image[6:]) == lib.FK_ERR_VERSION


def test_an_operator_of_another_build_is_unsupported(image: bytes) -> None:
    operators = FkmHeader.parse(image).operators
    assert load(resealed(image, operators, b"\xc8")) == lib.FK_ERR_UNSUPPORTED


def test_a_tensor_beyond_the_arena_is_refused_though_the_crcs_are_right(image: bytes) -> None:
    header = FkmHeader.parse(image)
    assert (
        load(resealed(image, header.tensors, struct.pack("<I", header.arena_size - 8))) == lib.FK_ERR_CORRUPT
    )


def test_a_streamed_input_beyond_32_bits_is_refused() -> None:
    image = compile_model(mobile_net(), Wishes(picture=False), Options(arena=1050)).image
    header = FkmHeader.parse(image)
    assert header.stream_count > 0
    window = FkmWindow.parse(image[header.operators :])
    rows, width, height = 3, 21846, 65535  # 65535 rows of 65538 bytes: 2^32 and 65534
    assert (height * width * window.in_c) % (1 << 32) < 1 << 16
    tensor = header.tensors + window.op.input * FkmTensor.sizeof()
    band = FkmTensor.parse(image[tensor:])
    larger = FkmHeader.build(header | {"arena_size": 1 << 18})
    changed = resealed(image, 0, larger)
    changed = resealed(changed, tensor, FkmTensor.build(band | {"size": rows * width * window.in_c}))
    changed = resealed(changed, header.tops, struct.pack("<I", 1 << 18) * header.stream_count)
    whole = FkmWindow.build(window | {"in_h": height, "in_w": width})
    assert load(resealed(changed, header.operators, whole)) == lib.FK_ERR_CORRUPT
    fewer = FkmWindow.build(window | {"in_h": height // 8, "in_w": width})
    assert load(resealed(changed, header.operators, fewer)) == 0  # half a gigabyte is counted as it is


def test_a_band_that_holds_less_than_a_window_is_refused() -> None:
    image = compile_model(mobile_net(), options=Options(arena=1050)).image
    header = FkmHeader.parse(image)
    window = FkmWindow.parse(image[header.operators :])
    row = window.in_w * window.in_c
    at = header.tensors + window.op.input * FkmTensor.sizeof()
    band = FkmTensor.parse(image[at:])
    assert band.size >= window.kernel_h * row
    for rows, expected in ((window.kernel_h, 0), (window.kernel_h - 1, lib.FK_ERR_CORRUPT)):
        assert load(resealed(image, at, FkmTensor.build(band | {"size": rows * row}))) == expected


@pytest.mark.parametrize("bias", [(1 << 31) - 1, -(1 << 31)])
def test_a_bias_that_leaves_no_room_for_the_products_is_refused(image: bytes, bias: int) -> None:
    table = FkmWindow.parse(image[FkmHeader.parse(image).operators :]).table
    assert load(resealed(image, table, struct.pack("<i", bias))) == lib.FK_ERR_CORRUPT


def test_a_copy_that_would_not_end_is_refused() -> None:
    image = compile_model(make("TRANSPOSE", 0).model).image
    header = FkmHeader.parse(image)
    copy = FkmCopy.parse(image[header.operators :])
    assert copy.op.kind == 11
    strides = {"in_stride": [0, *copy.in_stride[1:]], "out_stride": [0, *copy.out_stride[1:]]}
    for count, expected in ((1, 0), ((1 << 32) - 1, lib.FK_ERR_CORRUPT)):
        endless = FkmCopy.build(copy | strides | {"dims": [count, *copy.dims[1:]]})
        assert load(resealed(image, header.operators, endless)) == expected


def test_a_misaligned_image_or_arena_is_refused(image: bytes) -> None:
    room = ffi.new("uint8_t[]", len(image) + 32)
    address = int(ffi.cast("uintptr_t", room))
    aligned = -address % 16
    for shift, expected in ((0, 0), (4, 0), (1, lib.FK_ERR_INVAL)):
        ffi.memmove(room + aligned + shift, image, len(image))
        model = ffi.new("fk_model *")
        assert lib.fk_model_load(model, room + aligned + shift, len(image)) == expected
    ffi.memmove(room + aligned, image, len(image))
    assert lib.fk_model_load(model, room + aligned, len(image)) == 0
    arena = ffi.new("uint8_t[]", model.arena_size + 32)
    start = -int(ffi.cast("uintptr_t", arena)) % 16
    assert lib.fk_model_run(model, arena + start + 1, model.arena_size) == lib.FK_ERR_INVAL
    assert lib.fk_model_run(model, arena + start, model.arena_size - 1) == lib.FK_ERR_TOOSMALL
    assert lib.fk_model_run(model, arena + start, model.arena_size) == 0


def test_labels_and_thresholds_travel_in_the_image(image: bytes) -> None:
    model = Model(image)
    assert model.labels == ["none", "person"]
    assert [lib.fk_model_threshold(model._fk, c) for c in (0, 1)] == [64, 191]
    assert ffi.string(lib.fk_model_label(model._fk, 2)) == b""


@pytest.mark.parametrize("at", [0, 4, -1], ids=["one more", "one less", "no end"])
def test_labels_that_are_not_one_a_class_are_refused(image: bytes, at: int) -> None:
    header = FkmHeader.parse(image)
    labels = image[header.labels :][: header.labels_size]
    assert labels == b"none\0person\0"
    changed = bytearray(labels)
    changed[at] = 0 if labels[at] else ord("x")
    assert load(resealed(image, header.labels, bytes(changed))) == lib.FK_ERR_CORRUPT


@pytest.mark.parametrize(("count", "expected"), [(0, False), (1, True), (2, False), (3, True)])
def test_a_picture_has_one_table_or_one_a_channel(count: int, expected: bool) -> None:
    wishes = Wishes(picture=True, mean=(1.0, 2.0, 3.0), std=(255.0,))
    image = compile_model(mobile_net(), wishes).image
    header = FkmHeader.parse(image)
    assert header.lut_count == 3
    changed = resealed(image, 0, FkmHeader.build(header | {"lut_count": count}))
    assert load(changed) == (0 if expected else lib.FK_ERR_CORRUPT)


def test_pixels_halfway_between_two_inputs_go_away_from_zero() -> None:
    """As QUANTIZE does in TFLite: std::round, not the even neighbour."""
    reals = np.array([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 300.0, -300.0])
    buffer = SimpleNamespace(scale=1.0, zero_point=3)
    assert _quantise(reals, buffer).tolist() == [0, 1, 2, 4, 5, 6, 127, -128]


def test_a_picture_goes_through_the_images_own_preprocessing() -> None:
    """(pixel - mean) / std, quantised at the model's scale 1/255 and zero point -128, blue first."""
    wishes = Wishes(bgr=True, mean=(10.0, 20.0, 30.0), std=(300.0,))
    model = Model(compile_model(mobile_net(), wishes).image)
    picture = np.random.default_rng(1).integers(0, 256, (16, 16, 3)).astype(np.uint8)
    real = (picture[:, :, ::-1].astype(np.float64) - [10, 20, 30]) / 300
    expected = np.clip(np.floor(real * 255 + 0.5) - 128, -128, 127)
    assert np.abs(model.preprocess(picture)[0] - expected).max() <= 1  # halves, in float32
    model.infer(picture)
    score = model.score(1)
    model.run(model.preprocess(picture))
    assert model.score(1) == score


def test_the_score_of_a_softmax_head_is_its_probability(image: bytes) -> None:
    model = Model(image)
    for seed in range(5):
        x = np.random.default_rng(seed).integers(-128, 128, model.input_shape).astype(np.int8)
        output = np.ravel(model.run(x))
        assert [model.score(c)[0] for c in (0, 1)] == [int(q) + 128 for q in output]
    with pytest.raises(FkError):
        model.score(2)


def test_a_row_source_that_fails_stops_the_inference(image: bytes) -> None:
    model = Model(image)

    @ffi.callback("int(void *, unsigned, uint8_t *)")
    def row(_ctx, y, _out) -> int:
        return -2 if y == 7 else 0

    source = ffi.new("fk_row_source *", {"ctx": ffi.NULL, "row": row})
    arena = model._bytes(model._arena)
    assert lib.fk_model_infer(model._fk, source, arena, model.arena_size) == lib.FK_ERR_IO
