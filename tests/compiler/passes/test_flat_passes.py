"""Passes over nodes that see tensors as flat."""

import itertools
import math

import numpy as np
import pytest

from compiler.graph import Activation, Concat, Constant, Move, Reduce
from compiler.passes import split_reduce as split_module
from compiler.passes.nest_concats import nest_concats
from compiler.passes.own_constants import own_constants
from compiler.passes.split_reduce import split_reduce
from compiler.passes.stream_reduce import stream_reduce
from compiler.pipeline import simplify
from compiler.quantise import quantise
from sim.reference import run
from tests.compiler.flat_graphs import FlatGraph
from tests.compiler.lower.test_moves import check
from tests.compiler.passes.test_passes import kinds, same


def test_each_reader_gets_a_constant_of_its_own():
    flat = FlatGraph({"x": (2, 3)})
    c = flat.constant(np.arange(6).reshape(2, 3))
    y = flat.elementwise("add", "x", c)
    z = flat.elementwise("mul", c, y)
    graph = flat.graph(z)
    after = same(graph, own_constants)
    assert kinds(after) == ["Constant", "Elementwise", "Constant", "Elementwise"]
    assert all(after.only_reader(node.output) for node in after.nodes
               if isinstance(node, Constant))


def test_a_constant_that_is_an_output_is_read_by_none():
    flat = FlatGraph({"x": (2, 3)})
    c = flat.constant(np.ones(3))
    after = same(flat.graph(flat.elementwise("add", "x", c), c), own_constants)
    assert after.readers(c) == [] and kinds(after) == ["Constant", "Constant", "Elementwise"]


def test_a_constant_that_one_node_reads_twice_stays():
    flat = FlatGraph({"x": (2, 3)})
    c = flat.constant(np.ones((2, 3)))
    joined = flat.concat(["x", c, c], 0)
    assert kinds(same(flat.graph(joined), own_constants)) == ["Constant", "Move"]


@pytest.mark.parametrize("kind", ["sum", "max", "min"])
@pytest.mark.parametrize(("shape", "axes"), [
    ((3, 40), (1,)), ((3, 5, 7, 11), (0, 2, 3)), ((2, 37), (1,)), ((2, 41, 3), (1,)),
    ((4, 3, 5, 2), (1, 3)), ((31, 31), (0, 1)), ((2,) * 10, (0, 2, 4, 6, 8)), ((37, 41), (0, 1)),
    ((500, 3), (0,)), ((3, 100), ())])
def test_large_reductions_are_cut(monkeypatch, kind, shape, axes):
    monkeypatch.setattr(split_module, "MOST_REDUCED", 30)
    flat = FlatGraph({"x": shape})
    y = flat.reduce(kind, "x", axes, 0.3 if kind == "sum" else 1.0)
    after = same(flat.graph(y), split_reduce)
    for node in after.nodes:
        if isinstance(node, Reduce):
            assert math.prod(node.reduced) <= 30 and len(node.reduced) <= split_module.MOST_LOOPS
    assert after.nodes[-1].output == y


@pytest.mark.parametrize(("shape", "axes"), [
    ((3, 20000), (1,)), ((2, 9973), (1,)), ((1, 9973, 7), (1, 2)), ((128, 81), (0, 1)),
    ((2 * 9973,), (0,))])
def test_few_outputs_of_many_samples_are_shared_among_operators(shape, axes):
    flat = FlatGraph({"x": shape})
    after = same(flat.graph(flat.reduce("sum", "x", axes)), split_reduce)
    first, *_ = (node for node in after.nodes if isinstance(node, Reduce))
    assert math.prod(first.kept) >= 16 and len(after.nodes) <= 6


def test_what_fits_and_what_chooses_places_stay():
    flat = FlatGraph({"x": (8, 65535), "z": (8, 70000)})
    y = flat.reduce("sum", "x", (1,))
    z = flat.reduce("argmax", "z", (1,))
    w = flat.reduce("max", flat.node(Activation, ["z"], function="relu"), (0, 1))
    after = same(flat.graph(y, z, w), split_reduce)
    assert kinds(after) == ["Reduce", "Reduce", "Activation", "Reduce", "Reduce"]
    assert not any(isinstance(node, Move) for node in after.nodes)


@pytest.mark.parametrize("kind", ["sum", "max", "min"])
@pytest.mark.parametrize(("shape", "axes"), [
    ((21, 14, 15), (0,)), ((8, 5, 128), (0, 1)), ((3, 7, 10, 20), (1,)), ((2, 64, 5, 9), (1,))])
def test_reductions_over_outer_dimensions_read_what_lies_together(kind, shape, axes):
    flat = FlatGraph({"x": shape})
    y = flat.reduce(kind, "x", axes, 0.3 if kind == "sum" else 1.0)
    after = same(flat.graph(y), stream_reduce)
    assert set(kinds(after)) == ({"Reshape", "Conv"} if kind == "sum"
                                 else {"Elementwise", "Reshape"})


@pytest.mark.parametrize("terms", [40, 300, 769, 2048])
def test_means_over_many_maps_keep_their_bits(terms):
    flat = FlatGraph({"x": (terms, 9, 16)})
    graph = simplify(flat.graph(flat.reduce("sum", "x", (0,), 1 / terms)))
    assert not any(isinstance(node, Reduce) for node in graph.nodes)
    rng = np.random.default_rng(terms)
    quantised, _ = quantise(graph, {"x": rng.normal(1, 1, (4, terms, 9, 16))})
    output = quantised.outputs[0]
    samples = rng.integers(-3000, 9000, (terms, 9, 16)).astype(np.int16)
    found = run(quantised, {"x": samples})[output].ravel()
    mean = samples.mean(0).ravel() * 2.0 ** (
        quantised.tensors[output].fraction - quantised.tensors["x"].fraction)
    # A rounding of the sum and one of the mean, and a factor of 14 bits.
    assert np.abs(found - mean).max() <= 1.6 + np.abs(mean).max() * 2.0**-13


@pytest.mark.parametrize(("kind", "shape", "axes"), [
    ("sum", (64, 128), (1,)), ("max", (600, 8), (0,)), ("sum", (4, 100), (0,)),
    ("argmax", (21, 14, 15), (0,)), ("sum", (5000, 16), (0,)), ("sum", (8, 9, 10, 11), (0, 2))])
def test_other_reductions_stay(kind, shape, axes):
    flat = FlatGraph({"x": shape})
    assert kinds(same(flat.graph(flat.reduce(kind, "x", axes)), stream_reduce)) == ["Reduce"]


def dense():
    """Return a graph that joins the same tensors again and again, each time with one more."""
    flat = FlatGraph({"x": (2, 9, 16)})
    parts = [flat.node(Activation, ["x"], function="tanh")]
    joined = parts[0]
    for _ in range(3):
        last = flat.add(Activation, [joined], flat.shapes[joined], function="abs")
        parts.append(flat.gather(last, [[1, 0], None, None]))
        joined = flat.add(Concat, parts, (2 * len(parts), 9, 16))
    return flat, joined


def test_joined_tensors_are_joined_as_one():
    flat, joined = dense()
    graph = flat.graph(joined)
    after = same(graph, nest_concats)
    wholes = [node for node in after.nodes if isinstance(node, Concat)]
    assert [len(node.inputs) for node in wholes] == [2, 2, 2]
    assert all(second.inputs[0] == first.output
               for first, second in itertools.pairwise(wholes))
    lowered = check(simplify(graph))
    # Each part is made where it stands in the largest whole.
    assert not {step["name"] for step in lowered.steps} & {node.name for node in wholes}


def test_a_tensor_joined_twice_in_one_whole_and_two_equal_wholes():
    flat = FlatGraph({"x": (2, 3, 4), "z": (1, 3, 4)})
    first, second = (flat.add(Concat, ["x", "z"], (3, 3, 4)) for _ in range(2))
    both = flat.add(Concat, ["x", "z", "x", "z"], (6, 3, 4))
    after = same(flat.graph(both, first, second), nest_concats)
    assert after.nodes[2].inputs == (first, first)
