import numpy as np
import pytest

from compiler.calibrate import (
    Batches,
    Ranges,
    check_calibration,
    guess_calibration,
    least_squares,
    measure,
    useful_ranges,
)
from compiler.errors import CalibrationError
from compiler.frontend.onnx_import import import_onnx
from compiler.pipeline import simplify
from tests.compiler.models import model, network, node

GRAPH = simplify(import_onnx(model([node("Add", ["x", "z"], "y")],
                                   {"x": (1, 2, 3, 4), "z": (1, 2, 3, 4)})))
GOOD = np.zeros((5, 2, 3, 4), np.float32)


def refused(calibration, text):
    with pytest.raises(CalibrationError, match=text):
        check_calibration(GRAPH, calibration)


def test_good_data_becomes_maps():
    checked = check_calibration(GRAPH, {"z": GOOD, "x": GOOD.astype(np.uint8) + 1})
    assert list(checked) == ["x", "z"]
    assert checked["x"].shape == (5, 2, 3, 4) and checked["x"].dtype == np.float64
    vector = simplify(import_onnx(model([node("Relu", ["x"], "y")], {"x": (1, 7)})))
    assert check_calibration(vector, {"x": np.zeros((3, 7))})["x"].shape == (3, 7, 1, 1)


@pytest.mark.parametrize(("calibration", "text"), [
    ([GOOD], "must be a dict of arrays by input name, not list"),
    ({"x": GOOD, "z": GOOD, "image": GOOD},
     "calibration data 'image' is for no input; the inputs are 'x', 'z'"),
    ({"x": GOOD}, "calibration data for input 'z' is missing; there is data for 'x'"),
    ({}, "calibration data for input 'x' is missing; there is data for none"),
    ({"x": GOOD, "z": GOOD[:, :1]},
     r"'z' has shape \[5, 1, 3, 4\]; it must be \(samples, 2, 3, 4\) with at least one sample"),
    ({"x": GOOD[0], "z": GOOD}, r"'x' has shape \[2, 3, 4\]; it must be \(samples, 2, 3, 4\)"),
    ({"x": GOOD[:0], "z": GOOD}, r"'x' has shape \[0, 2, 3, 4\]"),
    ({"x": 1.0, "z": GOOD}, r"'x' has shape \[\]"),
    ({"x": GOOD, "z": GOOD[:3]}, "different numbers of samples: {'x': 5, 'z': 3}"),
    ({"x": GOOD.astype(str), "z": GOOD}, "'x' is of type <U32; it must be numbers"),
    ({"x": GOOD.astype(complex), "z": GOOD}, "'x' is of type complex128"),
    ({"x": GOOD.astype(object), "z": GOOD}, "'x' is of type object"),
    ({"x": GOOD, "z": np.where(np.arange(120) < 3, np.nan, 1).reshape(GOOD.shape)},
     "'z' holds 3 values that are NaN or infinite"),
    ({"x": GOOD + np.inf, "z": GOOD}, "'x' holds 120 values that are NaN or infinite"),
])
def test_bad_data_is_refused(calibration, text):
    refused(calibration, text)


def test_guesses_are_the_same_on_every_run():
    first, second = guess_calibration(GRAPH), guess_calibration(GRAPH)
    for name in GRAPH.inputs:
        np.testing.assert_array_equal(first[name], second[name])
        assert -1 <= first[name].min() < -0.9 and 0.9 < first[name].max() <= 1


def test_ranges_are_those_of_all_batches(monkeypatch):
    graph = simplify(import_onnx(network()[0]))
    samples = guess_calibration(graph)
    whole = measure(graph, Batches(graph, samples))
    monkeypatch.setattr("compiler.calibrate.BATCH_NUMBERS", 1)
    assert set(whole) == set(graph.shapes)
    for name, found in measure(graph, Batches(graph, samples)).items():
        assert found.low == pytest.approx(whole[name].low)
        assert found.high == pytest.approx(whole[name].high)
    assert whole["x"] == Ranges(samples["x"].min(), samples["x"].max())


def test_small_batches_are_executed_once(monkeypatch):
    calls = []
    monkeypatch.setattr("compiler.calibrate.execute",
                        lambda graph, inputs: calls.append(1) or dict(inputs))
    samples = guess_calibration(GRAPH)
    batches = Batches(GRAPH, samples)
    first, second = list(batches), list(batches)
    assert len(calls) == 1 and first[0] is second[0]
    monkeypatch.setattr("compiler.calibrate.KEPT_NUMBERS", 1)
    batches = Batches(GRAPH, samples)
    assert [len(list(batches)) for _ in range(2)] == [1, 1]
    assert len(calls) == 3


@pytest.mark.parametrize(("side", "count"), [(16, 16), (1024, 8), (2048, 2)])
def test_large_networks_are_guessed_with_fewer_samples(side, count):
    graph = import_onnx(model([node("Relu", ["x"], "y")], {"x": (1, 2, side, side)}))
    assert len(guess_calibration(graph)["x"]) == count


def test_numbers_that_overflow_are_refused():
    graph = simplify(import_onnx(model(
        [node("Mul", ["x", "c"], "a"), node("Relu", ["a"], "b"), node("Mul", ["b", "c"], "y")],
        {"x": (1, 2)}, constants={"c": np.float32(1e38)})))
    with pytest.raises(CalibrationError, match="tensor 'a' is not finite for the calibration"):
        measure(graph, Batches(graph, {"x": np.full((1, 2, 1, 1), 1e300)}))


def test_what_saturating_readers_can_tell_apart():
    nodes = [
        node("Conv", ["x", "w"], "c"), node("MaxPool", ["c"], "p", kernel_shape=[2, 2]),
        node("Tanh", ["p"], "t"), node("Conv", ["x", "w"], "d"), node("Relu", ["d"], "r"),
        node("Clip", ["r", "lo", "hi"], "k"), node("Conv", ["x", "w"], "e"),
        node("Tanh", ["e"], "y1"), node("Sigmoid", ["e"], "y2"), node("Conv", ["t", "w"], "y3"),
        node("Add", ["k", "k"], "y4")]
    graph = import_onnx(model(nodes, {"x": (1, 2, 4, 4)}, ("y1", "y2", "y3", "y4"), {
        "w": np.ones((2, 2, 1, 1)), "lo": np.float32(-1), "hi": np.float32(6)}))
    useful = useful_ranges(graph)
    everything = (-np.inf, np.inf)
    assert useful["c"] == useful["p"] == (-8, 8)
    assert useful["d"] == (0, 6) and useful["r"] == (-1, 6)
    assert useful["e"] == (-16, 16)
    assert useful["x"] == useful["t"] == useful["k"] == useful["y1"] == everything


def _error(values, fraction):
    """Return the mean square error of a format."""
    kept = np.clip(np.floor(values * 2.0**fraction + 0.5), -32768, 32767)
    return np.mean((kept * 2.0**-fraction - values) ** 2)


def _least(values, fewest):
    useful = {"x": (-np.inf, np.inf)}
    return least_squares(Batches(GRAPH, {"x": values, "z": values}), useful, {"x": fewest})["x"]


def test_a_rare_outlier_is_clipped_when_the_others_gain_more():
    values = np.random.default_rng(3).uniform(-1, 1, (20000, 2, 3, 4))
    values[0, 0, 0, 0] = 1.0001
    assert _least(values, 14) == 15
    assert _error(values, 15) < _error(values, 14)
    # Far out, or among few samples, it is kept.
    values[0, 0, 0, 0] = 1.5
    assert _least(values, 14) == 14
    few = values[:3].copy()
    few[0, 0, 0, 0] = 1.001
    assert _least(few, 14) == 14


@pytest.mark.parametrize("seed", range(6))
def test_no_other_point_has_a_smaller_error(seed):
    rng = np.random.default_rng(seed)
    values = rng.standard_t(3, (500, 2, 3, 4)) * 10.0 ** rng.uniform(-3, 3)
    fewest = int(np.floor(15 - np.log2(1.125 * np.abs(values).max())))
    chosen = _least(values, fewest)
    assert _error(values, chosen) == min(_error(values, fewest + more) for more in range(5))


def test_numbers_that_no_reader_tells_apart_do_not_count():
    values = np.random.default_rng(4).uniform(-1, 1, (50, 2, 3, 4))
    values[::7] *= 100
    found = least_squares(Batches(GRAPH, {"x": values, "z": values}), {"x": (-1.0, 1.0)}, {"x": 12})
    assert found == {"x": 15}
