from pathlib import Path

import numpy as np
import pytest

from compiler.errors import QuantisationError
from compiler.points import weight_fraction
from compiler.quantise import quantise
from examples.lenet5 import data
from sim.reference import run
from tests.compiler.models import layers, model, network, node, random_inputs
from tests.compiler.quantised import calibrated, check_legal, compare, graph_of


@pytest.mark.parametrize("case", list(layers()), ids=lambda case: case[0])
def test_each_layer_keeps_its_accuracy(case):
    _, proto, shapes = case
    _, quantised, summary, snr = calibrated(proto, shapes)
    assert min(snr.values()) > 70, str(summary)
    assert summary.warnings == ()


@pytest.mark.parametrize("seed", range(4))
def test_a_network_keeps_its_accuracy(seed):
    graph, quantised, summary, snr = calibrated(*network(seed))
    assert min(snr.values()) > 65, str(summary)
    assert quantised.inputs == ("x",) and quantised.outputs == ("y", "z")
    assert quantised.input_shapes == {"x": (1, 3, 8, 8)}
    assert [node.layer for node in quantised.nodes] == [node.layer for node in graph.nodes]


def test_lenet_loses_nothing():
    graph = graph_of(Path(data.__file__).with_name("lenet5.onnx"))
    quantised, summary = quantise(graph, data.calibration(50))
    check_legal(quantised, summary)
    images, labels = data.load_test()
    images, labels = images[:60].astype(np.float64), labels[:60]
    snr = compare(graph, quantised, {"image": images})
    assert snr["logits"] > 78, str(summary)


def test_least_squares_are_better_on_heavy_tails():
    gained = []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        proto = model([node("Conv", ["x", "w"], "c"), node("Relu", ["c"], "y")],
                      {"x": (1, 2, 8, 8)}, constants={"w": rng.normal(size=(3, 2, 3, 3))})
        graph = graph_of(proto)
        data = {"x": rng.laplace(size=(300, 2, 8, 8))}
        snr = {}
        for method in ("range", "mse"):
            quantised, summary = quantise(graph, data, method=method)
            check_legal(quantised, summary)
            assert summary.method == method
            snr[method] = compare(graph, quantised, {"x": data["x"][:40]})["y"]
        gained.append(snr["mse"] - snr["range"])
    print(gained)
    assert min(gained) > -0.1 and max(gained) > 1.5 and np.mean(gained) > 0.5


def test_methods_that_do_not_exist():
    with pytest.raises(QuantisationError, match="unknown method 'best'; methods are range, mse"):
        quantise(graph_of(network(0)[0]), method="best")


@pytest.mark.parametrize("scale", [1e-4, 1e-2, 1.0, 1e2, 1e4])
def test_the_scale_of_the_numbers_does_not_matter(scale):
    rng = np.random.default_rng(0)
    proto = model([node("Conv", ["x", "w", "b"], "c"), node("Relu", ["c"], "r"),
                   node("Conv", ["r", "v"], "d"), node("Add", ["d", "c"], "y")],
                  {"x": (1, 3, 6, 6)}, constants={
                      "w": rng.normal(size=(4, 3, 1, 1)) * scale, "b": rng.normal(size=4) * scale,
                      "v": rng.normal(size=(4, 4, 1, 1))})
    _, _, summary, snr = calibrated(proto, {"x": (1, 3, 6, 6)})
    assert snr["y"] > 70, str(summary)


def test_tensors_of_very_different_size_are_added():
    proto = model([node("Mul", ["x", "k"], "a"), node("Add", ["x", "a"], "y")], {"x": (1, 3, 4, 4)},
                  constants={"k": np.float32(1e-7)})
    _, quantised, summary, snr = calibrated(proto, {"x": (1, 3, 4, 4)})
    assert snr["y"] > 70
    assert any("to match the shifts of the layer" in note for note in summary.notes)


@pytest.mark.parametrize("taps", [64, 1024, 8192])
def test_no_sum_overflows_in_the_worst_case(taps):
    """All weights as large as they get, and inputs that make every product positive."""
    rng = np.random.default_rng(0)
    signs = rng.choice([-1.0, 1.0], (2, taps))
    proto = model([node("MatMul", ["x", "w"], "y", "fc")], {"x": (1, taps)},
                  constants={"w": signs.T})
    graph = graph_of(proto)
    quantised, summary = quantise(graph, random_inputs({"x": (1, taps)}, samples=4))
    check_legal(quantised, summary)
    run(quantised, {"x": np.where(signs[0] > 0, 32767, -32768).astype(np.int16)[:, None, None]})
    run(quantised, {"x": np.where(signs[1] > 0, -32768, 32767).astype(np.int16)[:, None, None]})
    lost = [note for note in summary.notes if "so that no sum of products" in note]
    assert len(lost) == (taps >= 1024), str(summary)
    if lost:
        assert lost[0].startswith("fc: 2 of 2 maps have weights of fewer than 15 bits")


def test_weight_fractions_take_all_the_room_there_is():
    rng = np.random.default_rng(0)
    for _ in range(200):
        size = int(rng.integers(1, 400))
        weights = rng.normal(size=size) * 10.0 ** rng.uniform(-6, 6)
        bias, bound = rng.normal() * 10.0 ** rng.uniform(-6, 6), int(rng.integers(1, 32769))
        source, result = (int(value) for value in rng.integers(-5, 20, 2))

        def legal(fraction, weights=weights, bias=bias, bound=bound, source=source, result=result):
            rounded = np.abs(np.floor(weights * 2.0**fraction + 0.5))
            start = abs(np.floor(bias * 2.0 ** (source + fraction) + 0.5))
            return rounded.max() <= 32767 and start + bound * rounded.sum() < 2**35 \
                and source + fraction - result <= 35

        found = weight_fraction(weights, bias, source, result, bound)
        assert legal(found)
        # The largest weight of -32768 is not used: the range is symmetric.
        assert not legal(found + 1)


def test_zero_weights_and_constant_outputs():
    proto = model([node("Conv", ["x", "w", "b"], "y")], {"x": (1, 2, 4, 4)}, constants={
        "w": np.zeros((3, 2, 3, 3)), "b": np.array([0.0, 1.5, -1e-5])})
    _, quantised, _, snr = calibrated(proto, {"x": (1, 2, 4, 4)})
    assert snr["y"] > 70
    silent = model([node("Conv", ["x", "w"], "y")], {"x": (1, 2, 4, 4)},
                   constants={"w": np.zeros((3, 2, 3, 3))})
    _, quantised, _, _ = calibrated(silent, {"x": (1, 2, 4, 4)})
    assert quantised.tensors["y"].fraction == 8


def test_saturating_functions_decide_their_inputs_format():
    nodes = [node("Conv", ["x", "w"], "c"), node("Tanh", ["c"], "t"),
             node("Conv", ["x", "w"], "d"), node("Sigmoid", ["d"], "s"),
             node("Conv", ["x", "v"], "e"), node("Tanh", ["e"], "u")]
    proto = model(nodes, {"x": (1, 1, 4, 4)}, ("t", "s", "u"), {
        "w": np.full((1, 1, 1, 1), 300.0), "v": np.full((1, 1, 1, 1), 0.1)})
    _, quantised, _, snr = calibrated(proto, {"x": (1, 1, 4, 4)})
    fractions = {name: tensor.fraction for name, tensor in quantised.tensors.items()}
    assert (fractions["c"], fractions["d"], fractions["e"]) == (12, 11, 18)
    assert (fractions["t"], fractions["u"]) == (14, 18)
    assert min(snr.values()) > 70


def test_relu_reads_no_negative_numbers():
    proto = model([node("Conv", ["x", "w", "b"], "c"), node("Relu", ["c"], "y")],
                  {"x": (1, 1, 4, 4)}, constants={"w": np.full((1, 1, 1, 1), 1.0), "b": [-100.0]})
    graph = graph_of(proto)
    quantised, _ = quantise(graph, {"x": np.full((2, 1, 4, 4), 100.5)})
    assert quantised.tensors["c"].fraction == quantised.tensors["y"].fraction == 15


def test_without_calibration_ranges_are_guessed_with_a_warning():
    proto, _ = network()
    first, summary = quantise(graph_of(proto))
    second, _ = quantise(graph_of(proto))
    assert summary.warnings and "guessed from random inputs in -1..1" in summary.warnings[0]
    assert first.tensors == second.tensors
    assert "warning: no calibration data" in str(summary)


def test_the_summary_says_how_each_format_fits():
    proto, shapes = network()
    _, summary = quantise(graph_of(proto), random_inputs(shapes, samples=4))
    by_name = {entry.name: entry for entry in summary.tensors}
    assert by_name["x"].layer == "input" and by_name["x"].fraction == 14
    assert by_name["y"].layer == "fc4"
    for entry in summary.tensors:
        assert entry.clipped == 0 and entry.snr > 70
    assert "conv1" in str(summary) and "Q1.14" in str(summary)


def test_numbers_too_far_apart_are_refused():
    constants = {f"k{i}": np.float32(1e-30) for i in range(4)}
    nodes = [node("Mul", [f"t{i}", f"k{i}"], f"t{i + 1}", f"scale{i}") for i in range(4)]
    nodes[0].input[0] = "x"
    nodes.append(node("Conv", ["x", "w"], "big"))
    nodes.append(node("Add", ["t4", "big"], "y", "sum"))
    proto = model(nodes, {"x": (1, 1, 2, 2)},
                  constants={**constants, "w": np.full((1, 1, 1, 1), 1e30)})
    with pytest.raises(QuantisationError, match="^.*: the numbers around it are too far apart"):
        quantise(graph_of(proto), {"x": np.full((1, 1, 2, 2), 1e30)})


def test_a_table_that_is_not_exact_is_noted(monkeypatch):
    monkeypatch.setattr("compiler.quantise.table_error", lambda *arguments: 3)
    proto = model([node("Tanh", ["x"], "y", "squash")], {"x": (1, 3)})
    _, summary = quantise(graph_of(proto), {"x": np.ones((1, 3))})
    note, = summary.notes
    assert note == "squash: the table of tanh is up to 3 steps of 2**-15 from the exact function"
