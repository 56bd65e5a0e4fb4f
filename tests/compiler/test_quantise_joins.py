"""Quantisation of branches: joins, shared kernels, functions of positive numbers, chosen maps."""

import itertools

import numpy as np
import pytest

from compiler import fixed
from compiler.errors import CalibrationError
from compiler.execute import execute as execute_float
from compiler.quantise import quantise
from compiler.reach import elementwise_reach
from compiler.serialise import decode_graph, encode_graph
from sim.reference import execute, run
from tests.compiler.models import model, node, random_inputs, run_onnx
from tests.compiler.quantised import (
    calibrated,
    check_legal,
    compare,
    graph_of,
    to_samples,
)

X = {"x": (1, 4, 6, 6)}


def kinds(graph):
    return [type(one).__name__ for one in graph.nodes]


def weights(*shape, scale=1.0):
    return np.random.default_rng(3).normal(size=shape) * scale


@pytest.mark.parametrize("seed", range(6))
def test_local_contrast_is_accurate(seed):
    """Mean, difference, square, mean, root, floor, quotient: at any scale of the numbers."""
    scale = 4.0 ** (seed - 2)
    blur = np.full((4, 1, 3, 3), 1 / 9)
    pad = {"pads": [1, 1, 1, 1], "group": 4}
    nodes = [node("Mul", ["x", "k"], "s"), node("Conv", ["s", "w"], "m", **pad),
             node("Sub", ["s", "m"], "c"), node("Mul", ["c", "c"], "q"),
             node("Conv", ["q", "w"], "p", **pad), node("Sqrt", ["p"], "r"),
             node("Max", ["r", "floor"], "f"), node("Div", ["c", "f"], "y")]
    proto = model(nodes, X, constants={"w": blur, "k": np.float32(scale),
                                       "floor": np.float32(0.3 * scale)})
    _, quantised, summary, snr = calibrated(proto, X)
    assert snr["y"] > 65, str(summary)
    assert kinds(quantised) == ["Lookup", "Convolution", "Elementwise", "Elementwise",
                                "Convolution", "Lookup", "Elementwise", "Elementwise"]
    # A square and what is averaged from it are never negative.
    reach = {entry.name: entry.reach for entry in summary.tensors}
    assert reach["q"][0] == reach["p"][0] == 0


def test_a_product_of_large_and_small_numbers():
    shapes = {"x": (1, 2, 4, 4), "z": (1, 2, 4, 4)}
    nodes = [node("Mul", ["x", "a"], "s"), node("Mul", ["z", "b"], "t"),
             node("Mul", ["s", "t"], "y"), node("Div", ["t", "p"], "u"),
             node("Add", ["s", "c"], "p")]
    proto = model([*nodes[:3], nodes[4], nodes[3]], shapes, ("y", "u"), {
        "a": np.float32(1e-4), "b": np.float32(1e3), "c": np.float32(2e-4)})
    _, _, summary, snr = calibrated(proto, shapes)
    assert min(snr.values()) > 70, str(summary)


def test_products_of_very_small_numbers():
    shapes = {"x": (1, 2, 4, 4), "z": (1, 2, 4, 4)}
    constants = {"a": np.float32(1e-12), "b": np.float32(1e-9), "k": np.full((2, 2, 1, 1), 1e3)}
    nodes = [node("Mul", ["x", "a"], "s"), node("Mul", ["z", "b"], "t"),
             node("Mul", ["s", "t"], "u"), node("Mul", ["s", "s"], "v"),
             node("Conv", ["z", "k"], "w"), node("Concat", ["u", "v", "w"], "y", axis=1)]
    _, quantised, summary, snr = calibrated(model(nodes, shapes, constants=constants), shapes)
    assert snr["y"] > 70, str(summary)
    assert quantised.tensors["u"].fraction == quantised.tensors["y"].fraction


def test_what_only_a_concatenation_reads_takes_its_point():
    nodes = [node("Conv", ["x", "v"], "a"), node("Tanh", ["a"], "t"), node("Conv", ["x", "w"], "b"),
             node("Resize", ["b", "", "s"], "u", mode="nearest"),
             node("Resize", ["t", "", "s"], "v2", mode="nearest"),
             node("Concat", ["u", "v2"], "y", axis=1)]
    proto = model(nodes, X, constants={"v": weights(3, 4, 1, 1), "w": weights(2, 4, 1, 1, scale=50),
                                       "s": np.array([1, 1, 2, 2], np.float32)})
    _, quantised, summary, snr = calibrated(proto, X)
    assert snr["y"] > 70
    assert "Elementwise" not in kinds(quantised)
    assert quantised.tensors["t"].fraction == quantised.tensors["b"].fraction


def test_what_others_read_gives_up_two_bits_or_is_copied():
    nodes = [node("Conv", ["x", "a"], "t"), node("Conv", ["x", "b"], "u"),
             node("Concat", ["u", "t", "t"], "y", axis=1), node("Abs", ["t"], "z")]
    for scale, copied in ((1.0, False), (3.0, False), (40.0, True)):
        proto = model(nodes, X, ("y", "z"), {"a": weights(2, 4, 1, 1),
                                             "b": weights(2, 4, 1, 1, scale=scale)})
        _, quantised, summary, snr = calibrated(proto, X)
        assert min(snr.values()) > 70, str(summary)
        assert (kinds(quantised).count("Elementwise"), kinds(quantised).count("Concat")) \
            == (int(copied), 1)
        fractions = {name: tensor.fraction for name, tensor in quantised.tensors.items()}
        assert copied == (fractions["t"] > fractions["y"])
        notes = [note for note in summary.notes if "is copied with" in note]
        assert len(notes) == copied


def test_outputs_and_inputs_can_be_concatenated():
    nodes = [node("Tanh", ["x"], "t"), node("Mul", ["t", "k"], "u"),
             node("Concat", ["x", "u", "t"], "y", axis=1)]
    _, _, summary, snr = calibrated(model(nodes, X, ("y", "t"), {"k": np.float32(1000)}), X)
    assert min(snr.values()) > 65, str(summary)


def test_labels_are_those_of_the_float_network():
    nodes = [node("Conv", ["x", "w"], "scores"), node("ArgMax", ["scores"], "y", axis=1)]
    for keep, shape in ((1, (1, 1, 6, 6)), (0, (1, 6, 6))):
        nodes[1] = node("ArgMax", ["scores"], "y", axis=1, keepdims=keep)
        proto = model(nodes, X, constants={"w": weights(9, 4, 1, 1)}, integers=("y",))
        graph = graph_of(proto)
        quantised, summary = quantise(graph, random_inputs(X, samples=8))
        check_legal(quantised, summary)
        assert quantised.dtype("y") == "int64" and quantised.dtype("scores") == "float32"
        assert quantised.tensors["y"] == fixed.Tensor("y", (1, 6, 6), 0)
        assert quantised.output_shapes["y"] == shape
        sample = random_inputs(X, seed=5)
        wanted = run_onnx(proto, sample)["y"]
        assert wanted.dtype == np.int64
        fraction = quantised.tensors["x"].fraction
        got = run(quantised, {"x": np.floor(sample["x"][0] * 2.0**fraction + 0.5).astype(np.int16)})
        np.testing.assert_array_equal(got["y"].reshape(shape), wanted)


def test_the_numbers_of_many_maps_fit():
    shapes = {"x": (1, 32768)}
    graph = graph_of(model([node("ArgMax", ["x"], "y", axis=1, keepdims=0)], shapes))
    inputs = np.zeros((1, 32768))
    inputs[0, -1] = 1
    quantised, _ = quantise(graph, {"x": inputs})
    got = run(quantised, {"x": (inputs[0] * 1000).astype(np.int16)[:, None, None]})
    assert got["y"].item() == 32767 and quantised.tensors["y"].fraction == 0


def test_kernels_of_zeros_stay_zero():
    kernels = weights(8, 4, 3, 3)
    absent = np.random.default_rng(0).random((8, 4)) < 0.5
    kernels[absent] = 0
    nodes = [node("Conv", ["x", "w", "b"], "c"), node("Mul", ["c", "k"], "y")]
    constants = {"w": kernels, "b": weights(8), "k": weights(8, 1, 1)}
    graph = graph_of(model(nodes, X, constants=constants))
    quantised, _ = quantise(graph, random_inputs(X, samples=4))
    conv, = quantised.nodes
    assert (conv.weights[absent] == 0).all()
    assert (np.abs(conv.weights[~absent]).max((1, 2)) > 1000).all()


def test_branches_with_the_same_large_kernels_are_alike():
    """Ranges a little apart, for which the binary points would differ."""
    nodes = [node("Mul", ["x", "k"], "s"), node("Conv", ["x", "w"], "a"),
             node("Conv", ["s", "w"], "b")]
    for size, shared in ((3, True), (1, False)):
        proto = model(nodes, X, ("a", "b"), {"w": weights(40, 4, size, size),
                                             "k": np.float32(0.6)})
        graph = graph_of(proto)
        quantised, summary = quantise(graph, random_inputs(X, samples=8))
        check_legal(quantised, summary)
        first, second = [one for one in quantised.nodes if one.output in "ab"]
        alike = quantised.tensors["s"].fraction == quantised.tensors["x"].fraction
        assert alike == shared
        assert any("to load the weights of several layers once" in note
                   for note in summary.notes) == shared
        if shared:
            assert first.weights is second.weights and first.shift is second.shift


def test_every_node_is_written_and_read_again():
    kernels = weights(4, 4, 3, 3)
    nodes = [node("Conv", ["x", "w"], "a", pads=[1, 1, 1, 1]), node("Tanh", ["a"], "t"),
             node("Conv", ["t", "w"], "b", pads=[1, 1, 1, 1]), node("Mul", ["t", "b"], "m"),
             node("Min", ["m", "k"], "n"), node("MaxPool", ["n"], "p", kernel_shape=[2, 2],
                                                strides=[2, 2]),
             node("Resize", ["p", "", "s"], "u", mode="nearest"),
             node("Concat", ["u", "t"], "j", axis=1), node("ArgMax", ["j"], "y", axis=1),
             node("Flatten", ["n"], "z")]
    proto = model(nodes, X, ("y", "z"), {"w": kernels, "k": np.float32(0.1),
                                         "s": np.array([1, 1, 2, 2], np.float32)})
    quantised, _ = quantise(graph_of(proto), random_inputs(X, samples=4))
    assert {"ArgMax", "Concat", "Convolution", "Elementwise", "Lookup", "Pool", "Reshape",
            "Upsample"} <= set(kinds(quantised))
    text, arrays = encode_graph(quantised)
    again = decode_graph(text, arrays)
    assert encode_graph(again) == (text, arrays)
    assert again.tensors == quantised.tensors
    assert again.dtype("y") == "int64"
    inputs = {"x": np.random.default_rng(1).integers(-32768, 32768, (4, 6, 6)).astype(np.int16)}
    for name, values in run(quantised, inputs).items():
        np.testing.assert_array_equal(run(again, inputs)[name], values)


def test_an_array_that_nodes_share_is_written_once():
    nodes = [node("Conv", ["x", "w"], "a"), node("Conv", ["x", "w"], "b")]
    quantised, _ = quantise(graph_of(model(nodes, X, ("a", "b"), {"w": weights(40, 4, 3, 3)})))
    first, second = decode_graph(*encode_graph(quantised)).nodes
    assert first.weights is second.weights
    assert len(encode_graph(quantised)[1]) < 2 * first.weights.nbytes


@pytest.mark.parametrize(("op", "offset", "text"), [
    ("Sqrt", 0.5, "sqrt of numbers down to -0.5; supported are positive numbers"),
    ("Log", 1.0, "log of numbers down to 0; ")])
def test_functions_of_numbers_that_are_not_positive_are_refused(op, offset, text):
    nodes = [node("Add", ["x", "c"], "s"), node(op, ["s"], "y", "layer")]
    graph = graph_of(model(nodes, {"x": (1, 3)}, constants={"c": np.float32(offset)}))
    with pytest.raises(CalibrationError, match=f"^layer: {text}"):
        quantise(graph, {"x": np.array([[-1.0, 0.5, 1.0]])})


def test_a_quotient_by_zero_is_refused():
    shapes = {"x": (1, 3), "z": (1, 3)}
    graph = graph_of(model([node("Div", ["x", "z"], "y", "ratio")], shapes))
    with pytest.raises(CalibrationError, match="^ratio: tensor 'y' is not finite for the calib"):
        quantise(graph, {"x": np.ones((1, 3)), "z": np.array([[1.0, 0.0, 2.0]])})


def ends(bounds):
    return np.arange(bounds[0], bounds[1] + 1)


@pytest.mark.parametrize("operation", ["add", "sub", "mul", "div", "max", "min"])
def test_bounds_hold_and_are_reached(operation):
    """Against every pair of operands, through the reference."""
    rng = np.random.default_rng(0)
    for _ in range(60):
        first, second = (tuple(sorted(rng.integers(-40, 41, 2).tolist())) for _ in range(2))
        up = (0, 0) if operation in ("mul", "div") else rng.integers(0, 4, 2).tolist()
        one = fixed.Elementwise("n", ("x", "z"), "y", "n", operation, *up,
                                int(rng.integers(0, 12)))
        a, b = np.array(list(itertools.product(ends(first), ends(second)))).T
        made = np.clip(execute(one, [a, b], a.shape), -32768, 32767)
        assert elementwise_reach(one, first, second) == (made.min(), made.max())


def test_bounds_of_a_square():
    one = fixed.Elementwise("n", ("x", "x"), "y", "n", "mul", 0, 0, 3)
    for bounds in ((-20, 13), (-7, -3), (4, 30), (0, 5)):
        made = execute(one, [ends(bounds), ends(bounds)], None)
        assert elementwise_reach(one, bounds, bounds) == (made.min(), made.max())


def test_squares_have_room_for_brighter_data():
    """A root mean square stays right for data half as large again as the calibration data."""
    blur = np.full((4, 1, 3, 3), 1 / 9)
    nodes = [node("Mul", ["x", "x"], "q"), node("Conv", ["q", "w"], "p", group=4),
             node("Sqrt", ["p"], "y")]
    graph = graph_of(model(nodes, X, constants={"w": blur}))
    quantised, _ = quantise(graph, {"x": np.where(random_inputs(X)["x"] < 0, -0.6, 0.6)})
    inputs = {"x": np.where(random_inputs(X, seed=4)["x"] < 0, -0.9, 0.9)}
    assert compare(graph, quantised, inputs)["y"] > 60


def test_a_difference_does_not_shift_the_mean():
    """A mean of half the size could have a bit more than what it is taken from."""
    blur = np.full((4, 1, 3, 3), 1 / 25)
    nodes = [node("Conv", ["x", "w"], "m", group=4, pads=[1, 1, 1, 1]),
             node("Sub", ["x", "m"], "y")]
    graph, quantised, summary, _ = calibrated(model(nodes, X, constants={"w": blur}), X)
    subtract = quantised.nodes[1]
    assert (subtract.shift_a, subtract.shift_b, subtract.shift) == (0, 0, 0)
    assert any("to be rounded only once" in note for note in summary.notes)
    fraction = quantised.tensors["y"].fraction
    errors = []
    for seed in range(20):
        x = to_samples(random_inputs(X, seed=seed)["x"][0], fraction)
        exact = execute_float(graph, {"x": x[None] * 2.0**-fraction})["y"][0]
        errors.append((run(quantised, {"x": x})["y"] - exact * 2.0**fraction).mean())
    assert abs(np.mean(errors)) < 0.02
