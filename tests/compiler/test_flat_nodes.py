"""Nodes that see tensors as flat: as NumPy does it in float, close to it in 16 bits."""

import dataclasses

import numpy as np
import pytest

from compiler.boxes import Box, Walk
from compiler.execute import execute
from compiler.factors import factor_exponents, factor_of
from compiler.graph import verify
from compiler.quantise import quantise
from compiler.serialise import decode_graph, encode_graph
from sim.reference import run
from tests.compiler.flat_graphs import FlatGraph, maps
from tests.compiler.quantised import check_legal, compare

SHAPE = (3, 4, 5, 6)


def batch(graph, seed, samples=3):
    rng = np.random.default_rng(seed)
    return {name: rng.normal(size=(samples, *graph.shapes[name])) for name in graph.inputs}


def check(flat, output, wanted, least=60.0):
    """Compare float and fixed-point execution of a graph with what NumPy makes of its inputs."""
    graph = flat.graph(output)
    inputs = batch(graph, 2)
    found = execute(graph, inputs)[output]
    for sample in range(3):
        arrays = [inputs[name][sample].reshape(flat.shapes[name]) for name in graph.inputs]
        np.testing.assert_allclose(found[sample].ravel(), np.ravel(wanted(*arrays)), atol=1e-12)
    quantised, summary = quantise(graph, {
        name: values.reshape(len(values), *flat.shapes[name])
        for name, values in batch(graph, 1, samples=40).items()})
    check_legal(quantised, summary)
    assert compare(graph, quantised, inputs)[output] > least
    text, archive = encode_graph(quantised)
    again = decode_graph(text, archive)
    first, second = (run(each, {name: np.full(maps(flat.shapes[name]), 77, np.int16)
                                for name in graph.inputs}) for each in (quantised, again))
    np.testing.assert_array_equal(first[output], second[output])
    return quantised


def test_transpose():
    flat = FlatGraph({"x": SHAPE})
    check(flat, flat.transpose("x", (2, 0, 3, 1)), lambda x: x.transpose(2, 0, 3, 1))


def test_pad_and_reverse():
    flat = FlatGraph({"x": SHAPE})
    y = flat.gather("x", [None, [3, 1], [-1, *range(5), -1], [5, 4, 3]], fill=0.7)
    check(flat, y, lambda x: np.pad(x[:, [3, 1]], ((0, 0), (0, 0), (1, 1), (0, 0)),
                                    constant_values=0.7)[..., [5, 4, 3]])


def test_a_constant_much_larger_than_the_rest_is_held():
    flat = FlatGraph({"x": (4, 3)})
    check(flat, flat.gather("x", [[-1, 0, 1, 2, 3], None], fill=100.0),
          lambda x: np.concatenate([np.full((1, 3), 100.0), x]))


def test_join_along_the_last_dimension():
    flat = FlatGraph({"x": SHAPE, "y": (3, 4, 5, 2)})
    check(flat, flat.concat(["x", "y", "x"], 3), lambda x, y: np.concatenate([x, y, x], 3))


@pytest.mark.parametrize("operation", ["add", "sub", "mul", "max", "min"])
@pytest.mark.parametrize(("first", "second"), [
    ((3, 1, 5), (4, 1)), ((2, 3, 4), (3, 1)), ((1,), (2, 3, 4)), ((2, 3, 1, 4), (2, 1, 5, 1))])
def test_broadcasting(operation, first, second):
    flat = FlatGraph({"x": first, "y": second})
    function = {"add": np.add, "sub": np.subtract, "mul": np.multiply, "max": np.maximum,
                "min": np.minimum}[operation]
    check(flat, flat.elementwise(operation, "x", "y"), function)


@pytest.mark.parametrize("operation", ["sub", "mul"])
def test_constant_tensors_on_either_side(operation):
    values = np.random.default_rng(4).normal(size=(4, 5))
    function = {"sub": np.subtract, "mul": np.multiply}[operation]
    for first in (False, True):
        flat = FlatGraph({"x": (3, 4, 5)})
        operands = [flat.constant(values), "x"] if first else ["x", flat.constant(values)]
        check(flat, flat.elementwise(operation, *operands),
              lambda x, first=first: function(values, x) if first else function(x, values))


def test_a_constant_divided_by_a_tensor():
    flat = FlatGraph({"x": (3, 4)})
    square = flat.elementwise("mul", "x", "x")
    safe = flat.elementwise("add", square, flat.constant([1.0]))
    check(flat, flat.elementwise("div", flat.constant([2.0]), safe), lambda x: 2 / (x * x + 1))


@pytest.mark.parametrize("axes", [(0,), (1, 3), (3,), (0, 1, 2, 3), (0, 2)])
@pytest.mark.parametrize("kind", ["sum", "mean", "max", "min"])
def test_reductions(kind, axes):
    flat = FlatGraph({"x": SHAPE})
    count = int(np.prod([SHAPE[axis] for axis in axes]))
    y = flat.reduce("sum", "x", axes, 1 / count) if kind == "mean" else flat.reduce(
        kind, "x", axes)
    check(flat, y, lambda x: getattr(x, kind)(axes))


@pytest.mark.parametrize("count", [3, 1000, 65535])
def test_means_of_many_samples_keep_half_a_step(count):
    rng = np.random.default_rng(count)
    flat = FlatGraph({"x": (2, count)})
    graph = flat.graph(flat.reduce("sum", "x", (1,), 1 / count))
    quantised, _ = quantise(graph, {"x": rng.normal(1, 1, (4, 2, count))})
    node, = quantised.nodes
    source, made = (quantised.tensors[name].fraction for name in ("x", node.output))
    samples = rng.integers(-3000, 9000, (1, 2, count)).astype(np.int16)
    mean = samples.mean(-1) * 2.0 ** (made - source)
    found = run(quantised, {"x": samples})[node.output].ravel()
    # Half a step of rounding, and a factor of at least 15 bits.
    assert np.abs(found - mean).max() <= 0.5 + np.abs(mean).max() * 2.0**-15


def test_the_first_of_the_largest_is_chosen():
    flat = FlatGraph({"x": (4, 3, 5)})
    quantised = check(flat, flat.reduce("argmax", "x", (1,)), lambda x: x.argmax(1), least=20)
    assert quantised.dtype(quantised.outputs[0]) == "int64"


def test_a_product_of_computed_matrices():
    flat = FlatGraph({"x": (5, 7), "y": (7, 3)})
    pairs = flat.elementwise("mul", "x", flat.transpose("y", (1, 0)), ((5, 1, 7), (3, 7)))
    check(flat, flat.reduce("sum", pairs, (2,)), lambda x, y: x @ y)


@pytest.mark.parametrize("scale", [1.0, 1 / 3, 1 / 65535, 0.37e-9, 2.0**-20, 1e6, 3.0])
def test_every_allowed_factor_is_precise(scale):
    most, least = factor_exponents(scale)
    for bits in range(least, most + 1):
        factor, shift = factor_of(scale * 2.0**bits)
        assert 1 <= factor <= 32767 and 0 <= shift <= 31
        assert abs(factor * 2.0**-shift / (scale * 2.0**bits) - 1) <= 2.0**-15


def test_verify_finds_a_move_with_a_hole_and_one_that_leaves_its_source():
    flat = FlatGraph({"x": (2, 3)})
    y = flat.gather("x", [[1, 0], None])
    graph = flat.graph(y)
    move, = graph.nodes
    twice = tuple(Box((3,), Walk(0, (1,)), Walk(0, (1,))) for _ in range(2))
    with pytest.raises(AssertionError, match="leaves samples out"):
        verify(dataclasses.replace(graph, nodes=(dataclasses.replace(move, boxes=twice),)))
    outside = (Box((6,), Walk(1, (1,)), Walk(0, (1,))),)
    with pytest.raises(AssertionError, match="walks from 1 to 6"):
        verify(dataclasses.replace(graph, nodes=(dataclasses.replace(move, boxes=outside),)))
