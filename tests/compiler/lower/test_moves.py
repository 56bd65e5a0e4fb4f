"""Moves, reductions and broadcasts on the functional machine, and what costs nothing."""

import numpy as np
import pytest

from compiler.errors import CompileError
from compiler.graph import Activation
from compiler.lower.lower import lower
from compiler.quantise import quantise
from hdl.target import TARGETS, get_target
from sim import reference
from tests.compiler.flat_graphs import FlatGraph
from tests.random_flat import FLAT
from tests.random_layers import random_layer
from tests.run_functional import run_lowered

TINY = get_target("tiny")


def check(graph, target=TINY, seed=1):
    """Compare the functional machine with the reference; return the program."""
    quantised, _ = quantise(graph)
    rng = np.random.default_rng(seed)
    inputs = {name: rng.integers(-32768, 32768, quantised.tensors[name].shape).astype(np.int16)
              for name in graph.inputs}
    lowered = lower(quantised, target)
    found = run_lowered(lowered, quantised, inputs, target)
    wanted = reference.run(quantised, inputs)
    for name in graph.outputs:
        np.testing.assert_array_equal(found[name], wanted[name])
    return lowered


def relu(flat, x):
    return flat.node(Activation, [x], function="relu")


@pytest.mark.parametrize("shape", sorted(set(FLAT)))
@pytest.mark.parametrize("target", ["tiny", "virtex6-lx240t", "asic-45nm"])
def test_random_nodes_equal_the_reference(shape, target):
    for seed in range(100, 106):
        layer = random_layer(seed, shape=shape)
        print(layer)
        lowered = lower(layer.graph, TARGETS[target])
        found = run_lowered(lowered, layer.graph, layer.inputs, TARGETS[target])
        wanted = reference.run(layer.graph, layer.inputs)
        for name in layer.graph.outputs:
            np.testing.assert_array_equal(found[name], wanted[name])


def test_a_split_is_views():
    flat = FlatGraph({"x": (6, 4, 5)})
    hidden = relu(flat, "x")
    parts = [flat.gather(hidden, [range(first, first + 2), None, None]) for first in (0, 2, 4)]
    lowered = check(flat.graph(*(relu(flat, part) for part in parts[:2]), parts[2]))
    assert [step["name"] for step in lowered.steps] == [hidden, "t4", "t5"]
    assert [lowered.tensors[part] - lowered.tensors[hidden] for part in parts] == [0, 80, 160]


def test_a_network_of_views_alone_runs():
    flat = FlatGraph({"x": (6, 4, 5)})
    lowered = check(flat.graph(flat.gather("x", [range(2, 4), None, None])))
    assert len(lowered.steps) == 1


def test_maps_put_before_and_behind_others_leave_these_in_place():
    flat = FlatGraph({"x": (6, 40, 50)})
    hidden = relu(flat, "x")
    padded = flat.gather(hidden, [[-1, *range(6), -1], None, None], fill=0.5)
    lowered = check(flat.graph(padded))
    assert lowered.tensors[hidden] - lowered.tensors[padded] == 2 * 40 * 50
    assert {step["name"] for step in lowered.steps} == {hidden, padded}
    copied = [step["reads"] for step in lowered.steps if step["name"] == padded]
    assert copied == [["t1"]]


def test_a_constant_stands_in_the_program_once():
    flat = FlatGraph({"x": (2, 3), "z": (2, 3)})
    values = np.linspace(-1, 1, 6).reshape(2, 3)
    sums = [flat.elementwise("add", name, flat.constant(values)) for name in ("x", "z")]
    lowered = check(flat.graph(*sums))
    first, second = (lowered.tensors[name] for name in ("t0", "t2"))
    assert first == second < len(lowered.image)


def test_a_constant_can_be_an_output():
    flat = FlatGraph({"x": (2, 3)})
    values = flat.constant(np.linspace(-1, 1, 6))
    lowered = check(flat.graph(relu(flat, "x"), values, flat.gather(values, [range(2, 5)])))
    assert len(lowered.steps) == 1


def test_a_product_of_matrices_is_one_circuit():
    flat = FlatGraph({"x": (20, 30), "y": (10, 30)})
    pairs = flat.elementwise("mul", "x", "y", ((20, 1, 30), (1, 10, 30)))
    made = flat.reduce("sum", pairs, (2,))
    lowered = check(flat.graph(made))
    step, = lowered.steps
    assert step["name"] == f"{pairs}+{made}" and pairs not in lowered.tensors


def test_what_is_reduced_but_also_an_output_is_written():
    flat = FlatGraph({"x": (20, 30)})
    square = flat.elementwise("mul", "x", "x")
    assert len(check(flat.graph(flat.reduce("sum", square, (1,)), square)).steps) == 2


def test_more_samples_than_an_operator_takes_are_an_error():
    flat = FlatGraph({"x": (2, 32769)})
    graph = flat.graph(flat.reduce("argmax", "x", (1,)))
    with pytest.raises(CompileError, match=r"^t0: argmax of 32769 samples at a time exceeds the "):
        check(graph)


def test_loops_that_cannot_merge_are_an_error():
    shape = (2,) * 10
    flat = FlatGraph({"x": shape})
    graph = flat.graph(flat.reduce("sum", "x", (0, 2, 4, 6, 8)))
    with pytest.raises(CompileError, match=r"^t0: reduces over 5 dimensions that do not follow"):
        check(graph)
