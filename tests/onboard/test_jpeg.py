"""The encoder's files open everywhere, look as libjpeg's do and lose no more than they must."""

import io
import warnings

import cv2
import numpy as np
import pytest
from framekeep_onboard._fk import ffi, lib
from framekeep_onboard.imaging import FkError, Frame, JpegMode, PixelFormat, jpeg
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from skimage import data

from tests.reference import pixels as twin
from tests.reference.jpeg_file import join, parse

FORMATS = list(PixelFormat)
MODES = list(JpegMode)
PICTURES = {"astronaut": data.astronaut, "chelsea": data.chelsea, "coffee": data.coffee}


def picture(name: str) -> np.ndarray:
    """A photograph of odd size, so that the last MCUs stick out."""
    return np.ascontiguousarray(PICTURES[name]()[:299, :251])


def decoded(file: bytes) -> np.ndarray:
    """By libjpeg; a complaint about the data is a failure."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return np.asarray(Image.open(io.BytesIO(file)))


def libjpegs(rgb: np.ndarray, *, quality: int, mode: JpegMode, restart_interval: int = 0) -> bytes:
    out = io.BytesIO()
    picture = Image.fromarray(rgb if mode else twin.luma(rgb))
    options = {"subsampling": "4:2:0"} if mode else {}
    picture.save(out, "JPEG", quality=quality, restart_marker_blocks=restart_interval, **options)
    return out.getvalue()


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / np.mean((a.astype(float) - b) ** 2)))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", PICTURES)
def test_photographs_are_as_good_and_as_small_as_libjpegs(name, mode):
    rgb = picture(name)
    original = rgb if mode else twin.luma(rgb)
    frame = twin.pack(rgb, PixelFormat.RGB888)
    for quality in (1, 10, 30, 50, 75, 90, 97, 100):
        ours = jpeg(frame, quality=quality, mode=mode)
        theirs = libjpegs(rgb, quality=quality, mode=mode)
        assert psnr(decoded(ours), original) > psnr(decoded(theirs), original) - 0.1, quality
        assert len(ours) < 1.01 * len(theirs), quality


@pytest.mark.parametrize("side", [8, 24, 72, 88])
def test_blocks_that_are_all_padding_cost_no_more_than_libjpegs(side):
    """Sides of 8 more than whole colour MCUs: a fifth of the blocks of a small picture is not in it."""
    rgb = picture("chelsea")[60 : 60 + side, 60 : 60 + side]
    ours = jpeg(twin.pack(np.ascontiguousarray(rgb), PixelFormat.RGB888), quality=75)
    assert len(ours) < 1.01 * len(libjpegs(rgb, quality=75, mode=JpegMode.YUV420))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("format", FORMATS)
def test_every_format_gives_a_picture_of_what_the_camera_saw(format, mode):
    rgb = picture("astronaut")[:, :250]
    frame = twin.pack(rgb, format, gap=2)
    file = jpeg(frame, quality=90, mode=mode)
    grey, seen = twin.read(frame)
    colour = mode == JpegMode.YUV420 and format != PixelFormat.GRAY8
    source = seen if colour else np.repeat(grey[..., None], 3, -1)
    assert parse(file).size == (250, 299)
    ours = np.asarray(Image.open(io.BytesIO(file)).convert("RGB"))
    theirs = np.asarray(
        Image.open(io.BytesIO(libjpegs(source, quality=90, mode=JpegMode.YUV420))).convert("RGB")
    )
    assert psnr(ours, source) > psnr(theirs, source) - 0.3


@pytest.mark.parametrize("mode", MODES)
def test_opencv_reads_it_too(mode):
    rgb = picture("chelsea")
    file = np.frombuffer(jpeg(twin.pack(rgb, PixelFormat.RGB888), quality=90, mode=mode), np.uint8)
    seen = cv2.imdecode(file, cv2.IMREAD_COLOR)[..., ::-1]
    assert psnr(seen, rgb if mode else twin.luma(rgb)[..., None]) > 33


@pytest.mark.parametrize("format", [f for f in FORMATS if f not in (PixelFormat.GRAY8, PixelFormat.YUYV)])
def test_the_strongest_colours_do_not_wrap(format):
    """Pure blue and red have a chroma of 255.5, a hair above what a byte holds."""
    corners = np.array([[r, g, b] for r in (0, 255) for g in (0, 255) for b in (0, 255)], np.uint8)
    rgb = np.repeat(np.repeat(corners[None], 16, 0), 16, 1)
    seen = decoded(jpeg(twin.pack(rgb, format), quality=100))
    middles = seen[4:12].reshape(8, 8, 16, 3)[:, :, 4:12]  # where the decoder mixes no neighbour's chroma in
    assert np.abs(middles.astype(int) - corners[:, None]).max() <= 4


def test_yuyv_keeps_its_chroma_without_a_detour_through_rgb():
    y, x = np.mgrid[0:64, 0:64]
    yuyv = np.where(x % 2 == 0, 40 + y * 2, 230 - y * 2)  # U and V run against each other
    rows = np.stack([np.full_like(yuyv, 128), yuyv], -1).astype(np.uint8).reshape(64, -1)
    frame = Frame(np.ascontiguousarray(rows), 64, 64, PixelFormat.YUYV)
    image = Image.open(io.BytesIO(jpeg(frame, quality=100)))
    image.draft("YCbCr", image.size)
    seen = np.asarray(image).astype(int)
    assert np.abs(seen[..., 1] - (40 + y * 2)).max() <= 2
    assert np.abs(seen[..., 2] - (230 - y * 2)).max() <= 2


@st.composite
def small_frames(draw):
    """From flat to noise, of any size up to three MCUs."""
    format = draw(st.sampled_from(FORMATS))
    width, height = draw(st.integers(1, 40)), draw(st.integers(1, 40))
    width += width % 2 if format == PixelFormat.YUYV else 0
    noise = np.random.default_rng(draw(st.integers(0, 99))).normal(0, 1, (height, width, 3))
    level = np.array([draw(st.integers(0, 255)) for _ in range(3)])
    rgb = np.clip(level + draw(st.sampled_from([0, 5, 60, 1000])) * noise, 0, 255).astype(np.uint8)
    return twin.pack(rgb, format, gap=draw(st.integers(0, 3)))


@settings(max_examples=150, deadline=None)
@given(
    frame=small_frames(),
    quality=st.integers(1, 100),
    mode=st.sampled_from(MODES),
    interval=st.sampled_from([0, 1, 2, 3, 65535]),
)
def test_luma_of_any_frame_is_off_by_quantisation_and_nothing_else(frame, quality, mode, interval):
    """Parseval: a block's error is at most that of its coefficients, half a step each."""
    file = jpeg(frame, quality=quality, mode=mode, restart_interval=interval)
    grey = twin.read(frame)[0].astype(float)
    image = Image.open(io.BytesIO(file))
    image.draft("YCbCr", image.size)
    seen = decoded(file) if image.mode == "L" else np.asarray(image)[..., 0]
    assert seen.shape == grey.shape
    steps = np.array(list(parse(file).quantisation[0]))
    most = np.sqrt(np.sum((0.52 * steps) ** 2)) + 8 * 0.6  # and the decoder rounds each pixel
    for y in range(0, frame.height, 8):
        for x in range(0, frame.width, 8):
            part = np.s_[y : y + 8, x : x + 8]
            assert np.linalg.norm(seen[part] - grey[part]) <= most


def mcus(frame: Frame, mode: JpegMode) -> int:
    side = 16 if mode == JpegMode.YUV420 and frame.format != PixelFormat.GRAY8 else 8
    return -(-frame.width // side) * -(-frame.height // side)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("interval", [0, 1, 7, 10, 64, 65535])
def test_restart_markers_count_up_and_dri_announces_them(mode, interval):
    frame = twin.pack(picture("coffee"), PixelFormat.RGB888)
    file = parse(jpeg(frame, quality=60, mode=mode, restart_interval=interval))
    assert file.restart_interval == interval
    expected = -(-mcus(frame, mode) // interval) if interval else 1
    assert len(file.intervals) == expected  # and none after the last MCU
    assert file.restarts == [i % 8 for i in range(expected - 1)]


@pytest.mark.parametrize("mode", MODES)
def test_an_interval_stands_alone(mode):
    """Intervals of another picture can be put in: they change their own MCUs and no other."""
    rgb, other = (picture(name)[:96, :160] for name in ("astronaut", "coffee"))
    side, interval = (16 if mode else 8), 3
    files = [
        parse(jpeg(twin.pack(p, PixelFormat.RGB888), quality=80, mode=mode, restart_interval=interval))
        for p in (rgb, other)
    ]
    ours, theirs = (decoded(join(f)) for f in files)
    across = 160 // side
    for k in (0, 1, len(files[0].intervals) - 1):
        mixed = parse(join(files[0]))
        mixed.intervals[k] = files[1].intervals[k]
        expected = ours.copy()
        for mcu in range(k * interval, min((k + 1) * interval, across * (96 // side))):
            y, x = mcu // across * side, mcu % across * side
            expected[y : y + side, x : x + side] = theirs[y : y + side, x : x + side]
        seen = decoded(join(mixed))
        if mode == JpegMode.GREY:
            np.testing.assert_array_equal(seen, expected)
        else:  # the decoder smooths chroma over one pixel across MCU borders
            changed = (seen != expected).any(-1)
            inner = np.zeros_like(changed)
            inner.reshape(96 // 16, 16, 160 // 16, 16)[:, 1:-1, :, 1:-1] = True
            assert not (changed & inner).any()


@settings(max_examples=60, deadline=None)
@given(frame=small_frames(), mode=st.sampled_from(MODES))
def test_padding_repeats_the_last_column_and_row(frame, mode):
    """To whole blocks of 8; what more a colour MCU has is not seen and costs next to nothing."""
    unit = 4 if frame.format == PixelFormat.YUYV else lib.fk_pixel_bytes(frame.format)
    pitch = frame.width * lib.fk_pixel_bytes(frame.format)
    rows = frame.data.reshape(frame.height, -1)[:, :pitch]
    last = rows[:, -unit:].copy()
    if frame.format == PixelFormat.YUYV:
        last[:, 0] = last[:, 2]  # the last pixel's luma with its pair's chroma
    more = -frame.width % 8 * lib.fk_pixel_bytes(frame.format) // unit
    wide = np.hstack([rows] + [last] * more)
    padded = np.ascontiguousarray(np.pad(wide, ((0, -frame.height % 8), (0, 0)), mode="edge"))
    whole = Frame(padded, frame.width + -frame.width % 8, len(padded), frame.format)
    ours, theirs = (parse(jpeg(f, quality=70, mode=mode)) for f in (frame, whole))
    assert ours.intervals == theirs.intervals


def test_a_grey_camera_gives_a_grey_file_whatever_is_asked():
    frame = twin.pack(picture("coffee"), PixelFormat.GRAY8)
    assert jpeg(frame, mode=JpegMode.YUV420) == jpeg(frame, mode=JpegMode.GREY)


@pytest.mark.parametrize("mode", MODES)
def test_tables_are_those_of_the_standard_scaled_as_libjpeg_scales_them(mode):
    rgb = picture("coffee")[:16, :16]
    for quality in range(1, 101):
        ours = parse(jpeg(twin.pack(rgb, PixelFormat.RGB888), quality=quality, mode=mode))
        theirs = parse(libjpegs(rgb, quality=quality, mode=mode))
        assert ours.quantisation == theirs.quantisation
        assert ours.huffman == theirs.huffman
    assert ours.segments[0xE0] == [b"JFIF\0\1\1\0\0\1\0\1\0\0"]


def codes_of(spec: bytes) -> dict[int, tuple[int, int]]:
    """Symbol -> (code, length), as annex C of T.81 makes them."""
    code, symbols, out = 0, iter(spec[16:]), {}
    for length in range(1, 17):
        for _ in range(spec[length - 1]):
            out[next(symbols)] = (code, length)
            code += 1
        code <<= 1
    return out


@pytest.mark.parametrize("component", [0, 1])
def test_code_words_follow_from_the_tables_in_the_file(component):
    def entry(code: int, length: int, extra: int) -> int:
        return code << extra << 5 | length + extra

    dc = codes_of(bytes(lib.fk_jpeg_dc_spec[component]))
    for size, (code, length) in dc.items():
        assert lib.fk_jpeg_dc_code[component][size] == entry(code, length, size)
    ac = codes_of(bytes(lib.fk_jpeg_ac_spec[component]))
    assert len(ac) == lib.FK_JPEG_AC_CODES
    special = {0x00: lib.FK_JPEG_AC_EOB, 0xF0: lib.FK_JPEG_AC_ZRL}
    for symbol, (code, length) in ac.items():
        run, size = symbol >> 4, symbol & 15
        index = special.get(symbol, run * 10 + size)
        assert lib.fk_jpeg_ac_code[component][index] == entry(code, length, size)


def cosines() -> np.ndarray:
    """Rows are the orthonormal DCT-II basis of 8."""
    k, n = np.mgrid[0:8, 0:8]
    basis = np.cos((2 * n + 1) * k * np.pi / 16) / 2
    basis[0] /= np.sqrt(2)
    return basis


def flight_dct(block: np.ndarray, quant: np.ndarray) -> np.ndarray:
    """Quantised coefficients [v, u]; `quant` likewise."""
    zigzag = np.array(list(lib.fk_jpeg_zigzag)).reshape(8, 8).T
    order = np.empty(64, np.uint8)
    order[zigzag] = quant
    divisors, out, work = ffi.new("fk_jpeg_divisors *"), ffi.new("int16_t[64]"), ffi.new("int32_t[64]")
    lib.fk_jpeg_divisors_make(divisors, order.tobytes())
    lib.fk_jpeg_fdct(out, block.astype(np.uint8).tobytes(), 8, divisors, work)
    return np.array(list(out))[zigzag]


def blocks():
    """Noise, and for every coefficient the block of 0 and 255 that drives it farthest."""
    rng = np.random.default_rng(5)
    basis = cosines()
    for v in range(8):
        for u in range(8):
            wave = np.outer(basis[v], basis[u])
            yield np.where(wave > 0, 255, 0)
            yield np.where(wave > 0, 0, 255)
    for _ in range(300):
        yield rng.integers(0, 256, (8, 8))
        yield rng.integers(0, 2, (8, 8)) * 255


def test_the_dct_is_exact_to_a_fiftieth_before_rounding():
    basis = cosines()
    for block in blocks():
        exact = basis @ (block - 128.0) @ basis.T
        ours = flight_dct(block, np.ones((8, 8)))
        assert np.abs(ours - exact).max() < 0.52


def test_no_coefficient_leaves_the_range_of_the_huffman_tables():
    for block in blocks():
        ours = flight_dct(block, np.ones((8, 8)))
        assert -1024 <= ours[0, 0] <= 1016
        ours[0, 0] = 0
        assert np.abs(ours).max() <= 1023


@pytest.mark.parametrize("quant", [2, 3, 16, 99, 255])
def test_quantising_rounds_to_nearest(quant):
    basis = cosines()
    for block in blocks():
        exact = basis @ (block - 128.0) @ basis.T / quant
        ours = flight_dct(block, np.full((8, 8), quant))
        assert np.abs(ours - exact).max() < 0.505


def encode_raw(frame: Frame, capacity: int, *, quality=75, mode=1, interval=0, scratch=None, size=None):
    """The call itself, into a buffer with a guard behind it. Returns result, bytes, guard."""
    config = ffi.new("fk_jpeg_config *", (quality, mode, interval))
    scratch = scratch or ffi.new("uint32_t[]", lib.FK_JPEG_SCRATCH_BYTES // 4)
    size = lib.FK_JPEG_SCRATCH_BYTES if size is None else size
    out = np.full(capacity + 64, 0x5A, np.uint8)
    pointer = ffi.cast("uint8_t *", out.ctypes.data)
    done = lib.fk_jpeg_encode(pointer, capacity, frame.view(), config, scratch, size)
    return done, out[: max(done, 0)].tobytes(), out[capacity:]


@pytest.mark.parametrize("mode", MODES)
def test_every_smaller_buffer_is_refused_and_never_overrun(mode):
    rgb = np.random.default_rng(3).integers(0, 256, (20, 24, 3), np.uint8)
    frame = twin.pack(rgb, PixelFormat.RGB888)
    file = jpeg(frame, quality=95, mode=mode, restart_interval=1)
    for capacity in range(len(file)):
        done, _, guard = encode_raw(frame, capacity, quality=95, mode=mode, interval=1)
        assert done == lib.FK_ERR_TOOSMALL
        assert (guard == 0x5A).all()
    done, same, guard = encode_raw(frame, len(file), quality=95, mode=mode, interval=1)
    assert same == file
    assert (guard == 0x5A).all()


def test_what_scratch_held_before_does_not_matter():
    frame = twin.pack(picture("chelsea"), PixelFormat.RGB565BE)
    files = set()
    for fill in (0x00, 0xFF):
        scratch = ffi.new("uint32_t[]", lib.FK_JPEG_SCRATCH_BYTES // 4)
        ffi.memmove(scratch, bytes([fill]) * lib.FK_JPEG_SCRATCH_BYTES, lib.FK_JPEG_SCRATCH_BYTES)
        files.add(encode_raw(frame, 1 << 18, scratch=scratch)[1])
    assert len(files) == 1


@pytest.mark.parametrize("wrong", [{"quality": 0}, {"quality": 101}, {"mode": 2}, {"mode": 255}])
def test_settings_out_of_range_are_refused(wrong):
    frame = twin.pack(picture("coffee"), PixelFormat.RGB888)
    assert encode_raw(frame, 1 << 18, **wrong)[0] == lib.FK_ERR_INVAL


def test_scratch_too_small_or_misaligned_is_refused():
    frame = twin.pack(picture("coffee"), PixelFormat.RGB888)
    store = ffi.new("uint32_t[]", lib.FK_JPEG_SCRATCH_BYTES // 4 + 1)
    odd = ffi.cast("uint8_t *", store) + 1
    assert encode_raw(frame, 1 << 18, scratch=odd)[0] == lib.FK_ERR_INVAL
    assert encode_raw(frame, 1 << 18, size=1000)[0] == lib.FK_ERR_TOOSMALL


def test_a_bad_frame_is_refused():
    with pytest.raises(FkError, match="FK_ERR_INVAL"):
        jpeg(Frame(np.zeros(99, np.uint8), 10, 10, PixelFormat.GRAY8))


@pytest.mark.parametrize(("width", "height"), [(4096, 1), (1, 4096), (4096, 40)])
def test_the_longest_sides_decode(width, height):
    frame = Frame(
        np.random.default_rng(0).integers(0, 256, width * height, np.uint8), width, height, PixelFormat.GRAY8
    )
    seen = decoded(jpeg(frame, quality=100))
    assert np.abs(seen.astype(int) - frame.data.reshape(height, width)).max() <= 4
