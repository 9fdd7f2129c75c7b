"""Every implementation of the kernels on this processor gives the bits of TensorFlow Lite Micro.

A backend that the processor lacks is not in the list; what is in it is forced, one after the other.
"""

import platform
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from framekeep_models.compile import Options, compile_model
from framekeep_models.verify import golden_file
from framekeep_onboard import Model, backends
from framekeep_onboard._fk import ffi, lib

from tests.models.test_exactness import MODELS, PERTURBED
from tests.models.test_single_operators import check
from tests.shared_data import shared

ACCELERATED = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "AVERAGE_POOL_2D", "ADD", "SUB")
SEEDS = range(1000, 1020)
# what a layer of each kind looks like, in channels, window, stride and padding: tiles that are full and not
SHAPES = [
    # in_h, in_w, in_c, out_c, kernel_h, kernel_w, stride, pad
    (9, 11, 16, 32, 1, 1, 1, 0),
    (5, 7, 13, 19, 1, 1, 1, 0),
    (6, 6, 70, 106, 1, 1, 1, 0),
    (1, 1, 640, 129, 1, 1, 1, 0),
    (1, 1, 33, 5, 1, 1, 1, 0),
    (9, 9, 32, 48, 1, 1, 2, 0),
    (12, 13, 3, 8, 3, 3, 2, 1),
    (10, 9, 16, 17, 3, 3, 1, 1),
    (11, 8, 1, 64, 10, 4, 2, 4),
    (8, 8, 64, 40, 3, 3, 1, 1),
]
DEPTHWISE = [
    (9, 11, 8, 8, 3, 3, 1, 1),
    (9, 11, 24, 24, 3, 3, 2, 1),
    (6, 6, 57, 57, 3, 3, 1, 1),
    (7, 5, 64, 64, 3, 3, 1, 1),
    (9, 9, 20, 20, 5, 5, 1, 2),
    (9, 9, 16, 16, 7, 3, 2, 3),
    (8, 8, 17, 17, 1, 1, 1, 0),
]


@pytest.fixture(params=[name for name in backends.available() if name != "portable"] or ["portable"])
def backend(request: pytest.FixtureRequest) -> Iterator[str]:
    with backends.using(request.param):
        yield request.param


def test_the_best_backend_is_chosen() -> None:
    assert backends.chosen() == backends.available()[-1]


def test_a_backend_that_is_not_there_is_refused() -> None:
    before = backends.chosen()
    with pytest.raises(ValueError, match="mve"), backends.using("mve"):
        pass
    assert backends.chosen() == before


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the fast kernels of the host are for x86-64")
def test_the_processors_flags_decide() -> None:
    text = Path("/proc/cpuinfo").read_text()
    flags = next(line for line in text.splitlines() if line.startswith("flags")).split()
    wanted = {"avx2": "avx2", "avx-vnni": "avx_vnni", "avx512-vnni": "avx512_vnni"}
    assert [n for n, flag in wanted.items() if flag in flags] == backends.available()[1:]


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("name", [*MODELS, *PERTURBED])
def test_golden_outputs(name: str) -> None:
    folder = "tflite/golden" if name in MODELS else "tflite/golden/perturbed"
    inputs, outputs = golden_file(shared(f"{folder}/{name}.npz"))
    tflite = shared(f"tflite/{name}.tflite" if name in MODELS else f"{folder}/{name}.tflite")
    for options in (Options(), Options(keep_dead=True)):
        model = Model(compile_model(tflite, options=options).image)
        for x, y in zip(inputs, outputs, strict=True):
            assert np.array_equal(np.ravel(model.run(x)), y.ravel())


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("operator", ACCELERATED)
def test_single_operators_equal_the_twin(operator: str) -> None:
    assert all(check(operator, seed) for seed in SEEDS)


def aligned(size: int) -> np.ndarray:
    """`size` bytes that begin at a multiple of 16, then a guard that must stay."""
    room = np.full(size + 32, 0xA5, np.uint8)
    skip = -room.ctypes.data % 16
    return room[skip : skip + size + 16]


def window(rng: np.random.Generator, shape: tuple[int, ...], depthwise: bool, extreme: bool) -> tuple:
    """A layer with random weights, and what must stay alive while it is used."""
    in_h, in_w, in_c, out_c, kh, kw, stride, pad = shape
    taps = kh * kw * (1 if depthwise else in_c)
    low, high = (-127, 128) if not extreme else (-128, -126)
    weights = rng.integers(low, high, taps * out_c).astype(np.int8)
    in_zero, out_zero = int(rng.integers(-128, 128)), int(rng.integers(-128, 128))
    rows = np.empty((out_c, 3), "<i4")
    room = 2**31 - 1 - taps * 128 * 128
    rows[:, 0] = rng.integers(-room, room, out_c) >> rng.integers(0, 20, out_c)
    rows[:, 1] = rng.integers(2**30, 2**31, out_c)
    rows[:, 2] = -rng.integers(-3, 32, out_c) if rng.integers(2) else -rng.integers(4, 12, out_c)
    act = sorted(int(a) for a in rng.integers(-128, 128, 2)) if rng.integers(2) else [-128, 127]
    w = ffi.new("fk_window *")
    w.in_h, w.in_w, w.in_c, w.out_c = in_h, in_w, in_c, out_c
    w.out_h, w.out_w = (in_h + 2 * pad - kh) // stride + 1, (in_w + 2 * pad - kw) // stride + 1
    w.kernel_h, w.kernel_w, w.stride_h, w.stride_w = kh, kw, stride, stride
    w.dilation_h = w.dilation_w = 1
    w.pad_top = w.pad_left = pad
    w.in_zero, w.out_zero, w.act_min, w.act_max = in_zero, out_zero, *act
    w.weights = ffi.cast("int8_t *", weights.ctypes.data)
    w.channels = ffi.cast("uint8_t *", rows.ctypes.data)
    return w, weights, rows


def run(w: object, kernel: str, x: np.ndarray, size: int) -> np.ndarray:
    scratch_size = getattr(lib, f"{kernel.replace('_fast', '')}_scratch_size")(w)
    scratch, out = aligned(scratch_size), aligned(size)
    getattr(lib, kernel)(
        ffi.cast("int8_t *", out.ctypes.data),
        ffi.cast("int8_t *", x.ctypes.data),
        w,
        ffi.cast("uint8_t *", scratch.ctypes.data),
    )
    assert (scratch[scratch_size:] == 0xA5).all()
    assert (out[size:] == 0xA5).all()
    return out[:size].view(np.int8)


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("extreme", [False, True], ids=["weights", "weights of -128"])
@pytest.mark.parametrize("shape", [*SHAPES, *DEPTHWISE], ids=str)
def test_layers_equal_the_portable_kernels(shape: tuple[int, ...], extreme: bool) -> None:
    kind = "depthwise" if shape in DEPTHWISE else "conv"
    rng = np.random.default_rng(sum(shape))
    for _ in range(8):
        w, *_alive = window(rng, shape, kind == "depthwise", extreme)
        x = rng.integers(-128, 128, w.in_h * w.in_w * w.in_c).astype(np.int8)
        if extreme:
            x[rng.random(x.size) < 0.8] = -128
        size = w.out_h * w.out_w * w.out_c
        assert np.array_equal(run(w, f"fk_fast_{kind}_s8", x, size), run(w, f"fk_{kind}_s8", x, size))
