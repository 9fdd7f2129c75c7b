"""Invariant: nothing the compiler removes can be observed."""

import numpy as np
import pytest
from framekeep_models.compile import Compiled, Options, compile_model
from framekeep_models.intervals import ranges
from framekeep_models.lower import lower
from framekeep_models.tflite_model import load
from framekeep_models.tflite_writer import Writer
from framekeep_models.verify import golden_file, verify
from framekeep_onboard import Model

from tests.models.oracles import Micro
from tests.models.small_nets import Net, mobile_net
from tests.shared_data import shared


def kept_channels(compiled: Compiled) -> dict[int, int]:
    """Tensor of the .tflite -> channels left, where some were removed."""
    buffers = compiled.program.buffers
    return {b.views[0].tensor: len(b.channels) for b in buffers if b.channels is not None and b.views}


def test_dead_channels_go_and_outputs_stay() -> None:
    blob = mobile_net(first=3, middle=5, last=7)
    short, whole = compile_model(blob), compile_model(blob, options=Options(keep_dead=True))
    assert sorted(kept_channels(short).values()) == [5, 5, 11, 11, 17, 17]
    assert short.report["macs"] < whole.report["macs"] == short.report["before"]["macs"]
    assert len(short.image) < len(whole.image)
    a, b = Model(short.image), Model(whole.image)
    for seed in range(20):
        x = np.random.default_rng(seed).integers(-128, 128, (1, 16, 16, 3)).astype(np.int8)
        assert np.array_equal(a.run(x), b.run(x))
    assert verify(blob).passed


def test_nothing_goes_where_every_channel_lives() -> None:
    compiled = compile_model(mobile_net())
    assert kept_channels(compiled) == {}
    assert compiled.report["channels_removed"] == 0


@pytest.mark.parametrize("options", [Options(keep_dead=True), Options(keep_all=True)])
def test_dead_channels_stay_when_asked(options: Options) -> None:
    compiled = compile_model(mobile_net(first=3), options=options)
    assert compiled.report["macs"] == compiled.report["before"]["macs"]


def test_a_channel_dead_on_one_side_of_an_addition_stays() -> None:
    """x + 0 is x: both operands and the sum keep the channel, as x lives."""
    blob = Net().conv(8, 3).residual(dead=4).conv(4).classifier().build()
    assert kept_channels(compile_model(blob)) == {}
    assert verify(blob).passed


def test_a_network_that_is_all_dead_still_runs() -> None:
    blob = mobile_net(first=8, middle=16, last=24)
    assert verify(blob).passed


def test_constant_channels_are_folded_through_padding_only_at_the_zero_point() -> None:
    """A channel stuck at 6.0 is constant inside, but the padded border reads 0: it must stay."""
    net = Net().conv(8, 3)
    weights = np.zeros((8, 1, 1, 8), np.int8)
    w = net.writer.constant(weights, scale=np.full(8, 0.01), axis=0)
    b = net.writer.constant(np.full(8, 1 << 24, np.int32), scale=np.full(8, 0.01 * net.scale))
    net.step("CONV_2D", net.shape, [w, b], 6 / 255, padding="SAME", fused_activation_function="RELU6")
    blob = net.conv(4, 3).classifier().build()
    assert all(left > 0 for left in kept_channels(compile_model(blob)).values())
    assert verify(blob).passed


def test_ranges_hold_every_value_that_occurs() -> None:
    blob = mobile_net(first=2)
    program, _ = lower(load(blob))
    known = ranges(program)
    compiled = compile_model(blob, options=Options(keep_all=True))
    engine, used = Model(compiled.image), sorted(compiled.plan.offsets)
    for seed in range(30):
        rng = np.random.default_rng(seed)
        x = rng.integers(-128, 128, (1, 16, 16, 3)) // rng.integers(1, 9)
        for number, value in engine.steps(x.astype(np.int8)):
            flat = value.reshape(-1, value.shape[-1])
            assert np.all(flat.min(axis=0) >= known[used[number]].low)
            assert np.all(flat.max(axis=0) <= known[used[number]].high)


def test_padding_folds_into_the_convolution_behind_it() -> None:
    blob = Net().conv(8, 3).pad().conv(8, 3, 2).classifier().build()
    folded, whole = compile_model(blob), compile_model(blob, options=Options(keep_all=True))
    assert len(folded.program.ops) == len(whole.program.ops) - 2
    assert verify(blob).passed


def test_vww_loses_half_its_macs_and_four_fifths_of_its_weights() -> None:
    tflite = shared("tflite/vww_96_int8.tflite")
    report = compile_model(tflite).report
    assert report["macs"] < 0.5 * report["before"]["macs"] == 0.5 * 7_489_664
    assert report["weight_bytes"] < 0.2 * report["before"]["weight_bytes"]
    inputs, outputs = golden_file(shared("tflite/golden/vww_96_int8.npz"))
    assert verify(tflite, inputs[:10], outputs[:10]).passed


def shifted_far(after: str, seed: int) -> bytes:
    """Two operators and a convolution that reads them, with factors of up to 2**29 on the way."""
    rng, net = np.random.default_rng(seed), Writer()
    x, y = net.tensor((1, 4, 4, 2), scale=1.0, zero_point=-3), net.tensor((1, 4, 4, 8), scale=1.0)
    steps = (2.0 ** rng.uniform(10, 29, 8)).astype(np.float32)
    first = steps if after == "CONV_2D" else [0.5] * 8
    net.add("CONV_2D", [x, net.constant(rng.integers(-3, 4, (8, 1, 1, 2)), np.int8, scale=first)], [y])
    last, shape = y, (1, 1, 1, 8) if after == "MEAN" else (1, 4, 4, 8)
    if after != "CONV_2D":
        scale = 1.0 if after == "DEPTHWISE_CONV_2D" else 2.0 ** rng.uniform(-28, -10)
        last = net.tensor(shape, scale=scale, zero_point=3)
    if after == "DEPTHWISE_CONV_2D":
        wide = net.constant(rng.integers(-3, 4, (1, 3, 3, 8)), np.int8, scale=steps, axis=3)
        net.add(after, [y, wide], [last], padding="SAME")
    elif after == "MUL":
        net.add(after, [y, net.constant(rng.integers(-128, 128, 8), np.int8, scale=1.0)], [last])
    elif after == "MEAN":
        net.add(after, [y, net.constant([1, 2], np.int32)], [last], keep_dims=True)
    weights = net.constant(rng.integers(-127, 128, (3, 1, 1, 8)), np.int8, scale=0.01)
    out = net.tensor((*shape[:3], 3), scale=1.0)
    net.add("CONV_2D", [last, weights], [out])
    return net.build([x], [out])


@pytest.mark.parametrize("after", ["CONV_2D", "DEPTHWISE_CONV_2D", "MUL", "MEAN"])
def test_a_sum_that_wraps_while_it_is_scaled_is_no_constant(after: str) -> None:
    """Factors far above 1 shift sums out of 32 bits, where TFLite Micro wraps: bounds then bound nothing."""
    rng = np.random.default_rng(1)
    for seed in range(12):
        blob = shifted_far(after, seed)
        truth, engine = Micro(blob), Model(compile_model(blob).image)
        for _ in range(4):
            given = rng.integers(-128, 128, (1, 4, 4, 2)).astype(np.int8)
            assert np.array_equal(engine.run(given).reshape(-1), truth.outputs([given])[0].reshape(-1))
