"""The NumPy twin against TFLite Micro, bit for bit, and against LiteRT up to rounding ties."""

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from framekeep_models import fixedpoint, quantise, reference, tflite_model
from framekeep_models.tflite_model import Model, Operator

from tests.models import single_op
from tests.models.oracles import BUILTIN, REFERENCE, Lite, Micro, noise
from tests.shared_data import shared

SHIPPED = (
    "ad01_int8",
    "kws_ref_model",
    "mcunet_person_boxes",
    "mcunet_vww",
    "person_detect",
    "pretrainedResnet_quant",
    "vww_96_int8",
)
GOLDEN = ("ad01_int8", "kws_ref_model", "person_detect", "pretrainedResnet_quant", "vww_96_int8")
PERTURBED = [f"{name}_{i}" for name in GOLDEN if name != "person_detect" for i in range(3)]


@pytest.mark.parametrize("name", [*GOLDEN, *PERTURBED])
def test_golden_outputs_are_met_byte_for_byte(name: str) -> None:
    if name in GOLDEN:
        model, golden = shared(f"tflite/{name}.tflite"), np.load(shared(f"tflite/golden/{name}.npz"))
        inputs = golden["inputs"]
    else:
        model = shared(f"tflite/golden/perturbed/{name}.tflite")
        golden = np.load(shared(f"tflite/golden/perturbed/{name}.npz"))
        inputs = np.load(shared(f"tflite/golden/{name[:-2]}.npz"))["inputs"]
    net = tflite_model.load(model)
    for x, wanted in zip(inputs, golden["outputs"], strict=True):
        np.testing.assert_array_equal(reference.outputs(net, x)[0].ravel(), wanted.ravel())


@pytest.mark.parametrize("name", SHIPPED)
def test_every_tensor_of_a_shipped_model_equals_tflite_micro(name: str) -> None:
    micro = Micro(shared(f"tflite/{name}.tflite"))
    for seed in range(2):
        x = noise(micro.model, seed)
        micro.outputs(x)
        twin = reference.run(micro.model, x)
        assert len(twin) >= len(micro.model.operators)
        for index, values in twin.items():
            np.testing.assert_array_equal(values, micro.tensor(index), str(index))


@pytest.mark.parametrize("operator", single_op.OPERATORS)
def test_single_operators_equal_tflite_micro(operator: str) -> None:
    for seed in range(25):
        _equal_to_micro(single_op.make(operator, seed))


@pytest.mark.soak
@pytest.mark.parametrize("operator", single_op.OPERATORS)
def test_thousands_of_single_operators_equal_tflite_micro(operator: str) -> None:
    for seed in range(1000, 3000):
        _equal_to_micro(single_op.make(operator, seed))


def _equal_to_micro(case: single_op.Case) -> None:
    micro = Micro(case.model)
    for x in case.inputs:
        for got, wanted in zip(reference.outputs(micro.model, x), micro.outputs(x), strict=True):
            assert got.dtype == wanted.dtype
            np.testing.assert_array_equal(got, wanted, str(case))


# --- the second opinion ---

# LiteRT's reference kernels round once, or compute in float, in these; in all others they are equal.
ROUNDS_ELSEWHERE = {"FULLY_CONNECTED", "RELU", "LOGISTIC"}
TIE = Fraction(1, 100_000)  # how near to a half a real result must be to be called a tie, in general
TIE_OF_FUNCTION = Fraction(1, 20)  # of LOGISTIC, whose value is itself approximated by both


@pytest.mark.parametrize("operator", single_op.OPERATORS)
def test_litert_differs_only_at_rounding_ties(operator: str) -> None:
    for seed in range(12):
        case = single_op.make(operator, seed)
        net = tflite_model.load(case.model)
        if operator.endswith("CONV_2D") and len(net.operators[0].inputs) < 3:
            continue  # LiteRT refuses a quantised convolution without bias, or crashes on it
        lite = Lite(case.model)
        for x in case.inputs:
            for got, second in zip(reference.outputs(net, x), lite.outputs(x), strict=True):
                _only_ties(net, x, got, second)


def test_litert_rounding_ties_do_occur_and_are_seen_as_such() -> None:
    """FULLY_CONNECTED of this seed is where LiteRT's single rounding shows."""
    found = 0
    for seed in range(400):
        case = single_op.make("FULLY_CONNECTED", seed)
        net, lite = tflite_model.load(case.model), Lite(case.model)
        for x in case.inputs:
            got, second = reference.outputs(net, x)[0], lite.outputs(x)[0]
            _only_ties(net, x, got, second)
            found += int((got != second).sum())
    assert found > 0


def _only_ties(net: Model, x: list[Any], got: Any, second: Any) -> None:
    op = net.operators[0]
    differs = np.flatnonzero(got.ravel() != second.ravel())
    assert not differs.size or op.name in ROUNDS_ELSEWHERE, op
    for at in differs:
        a, b = int(got.ravel()[at]), int(second.ravel()[at])
        assert abs(a - b) == 1
        real = _exact(net, op, x, int(at))
        limit = TIE_OF_FUNCTION if op.name == "LOGISTIC" else TIE
        if op.name == "FULLY_CONNECTED":  # the first rounding keeps -shift fractional bits: half of the last
            limit += Fraction(2) ** (_shift(net, op, int(at)) - 1)
        assert abs(real - Fraction(a + b, 2)) < limit, f"{op.name}: {float(real)} is no tie"


def _shift(net: Model, op: Operator, at: int) -> int:
    x, w, y = (net.tensors[i] for i in (*op.inputs[:2], op.outputs[0]))
    if w.scale.size > 1:
        return quantise.conv_multipliers(x.scale[0], w.scale, y.scale[0], w.scale.size)[at].shift
    return quantise.fully_connected_multiplier(x.scale[0], w.scale[0], y.scale[0]).shift


def _exact(net: Model, op: Operator, x: list[Any], at: int) -> Fraction:
    """One output value in exact arithmetic, before it is rounded."""
    tensors = [net.tensors[i] for i in op.inputs]
    out = net.tensors[op.outputs[0]]
    scales = [Fraction(float(t.scale[0])) for t in (*tensors, out)]
    zero_in, zero_out = int(tensors[0].zero_point[0]), int(out.zero_point[0])
    centred = x[0].astype(np.int64).ravel() - zero_in
    if op.name == "FULLY_CONNECTED":
        row = tensors[1].data[at].astype(np.int64)
        total = int(row @ centred) + (int(tensors[2].data[at]) if len(tensors) > 2 else 0)
        weight_scale = Fraction(float(tensors[1].scale[at % tensors[1].scale.size]))
        return total * scales[0] * weight_scale / scales[-1] + zero_out
    value = int(centred[at]) * scales[0]
    if op.name == "RELU":
        return value / scales[-1] + zero_out
    return Fraction(float(256.0 / (1.0 + np.exp(-float(value))))) - 128


@pytest.mark.parametrize("name", SHIPPED)
@pytest.mark.parametrize("resolver", [REFERENCE, BUILTIN], ids=["reference", "builtin"])
def test_litert_nodes_of_shipped_models_differ_by_at_most_one(name: str, resolver: Any) -> None:
    """Each node is given LiteRT's own inputs, so that one tie does not hide what follows it."""
    lite = Lite(shared(f"tflite/{name}.tflite"), resolver)
    x = noise(lite.model, 0)
    lite.outputs(x)
    values = {i: lite.tensor(i) for i in range(len(lite.model.tensors)) if _is_activation(lite.model, i)}
    for op in lite.model.operators:
        for index, got in reference.run_node(lite.model, op, values).items():
            difference = np.abs(got.astype(np.float64) - lite.tensor(index))
            if resolver is REFERENCE and op.name != "FULLY_CONNECTED":
                assert difference.max() == 0, op
            if got.dtype == np.int8:
                assert difference.max() <= 1, op
                assert (difference != 0).sum() <= 2 + 0.05 * got.size, op
            else:
                source = lite.model.tensors[op.inputs[0]]  # DEQUANTIZE: float32's own rounding
                assert difference.max() <= 1e-4 * source.scale[0], op


def _is_activation(model: Model, index: int) -> bool:
    return model.tensors[index].data is None


# --- the arithmetic itself, from its definition ---


def test_high_mul_and_divide_by_pot_are_what_their_names_say() -> None:
    rng = np.random.default_rng(5)
    edges = [-(1 << 31), -(1 << 31) + 1, -1, 0, 1, (1 << 30), (1 << 31) - 1]
    numbers = [*edges, *(int(v) for v in rng.integers(-(1 << 31), 1 << 31, 60))]
    for a in numbers:
        for b in numbers:
            wanted = min((Fraction(2 * a * b, 1 << 32) + Fraction(1, 2)).__floor__(), (1 << 31) - 1)
            assert fixedpoint.saturating_rounding_doubling_high_mul(a, b) == wanted
        for exponent in range(32):
            magnitude = (Fraction(abs(a), 1 << exponent) + Fraction(1, 2)).__floor__()
            assert fixedpoint.rounding_divide_by_pot(a, exponent) == (magnitude if a >= 0 else -magnitude)


def test_exponential_logistic_and_tanh_are_near_the_real_ones() -> None:
    raw = -np.unique(np.geomspace(1, (1 << 31) - 1, 4000).astype(np.int64))
    q26, q27 = raw / 2.0**26, raw / 2.0**27
    error = np.abs(fixedpoint.exp_on_negative_values(raw, 5) / 2.0**31 - np.exp(q26))
    assert error.max() < 3e-7
    for sign in (1, -1):
        logistic = fixedpoint.logistic(sign * raw, 4) / 2.0**31
        assert np.abs(logistic - 1 / (1 + np.exp(-sign * q27))).max() < 3e-7
        assert np.abs(fixedpoint.tanh(sign * raw, 4) / 2.0**31 - np.tanh(sign * q27)).max() < 6e-7


# --- refusals ---


def test_an_unknown_operator_is_named() -> None:
    case = single_op.make("TANH", 0)
    net = tflite_model.load(case.model)
    op = Operator(0, "COS", net.operators[0].inputs, net.operators[0].outputs)
    strange = Model(net.tensors, (op,), net.inputs, net.outputs, "", ())
    with pytest.raises(reference.UnsupportedOperatorError, match="COS"):
        reference.run(strange, case.inputs[0])


def test_an_input_of_another_type_is_refused() -> None:
    case = single_op.make("TANH", 0)
    with pytest.raises(ValueError, match="int8"):
        reference.run(case.model, case.inputs[0][0].astype(np.float32))
