"""Invariant: nothing the compiler removes can be observed."""

import numpy as np
import pytest
from framekeep_models.compile import Compiled, Options, compile_model
from framekeep_models.intervals import ranges
from framekeep_models.lower import lower
from framekeep_models.tflite_model import load
from framekeep_models.verify import golden_file, verify
from framekeep_onboard import Model

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
