"""Moves read through, and functions applied before them."""

import random

import numpy as np
import pytest

from compiler.graph import Activation, Concat, Conv, Conv3d, Move, Reduce
from compiler.passes.drop_dead import drop_dead
from compiler.passes.hoist_activations import hoist_activations
from compiler.passes.merge_moves import merge_moves
from compiler.pipeline import simplify
from hdl.target import TARGETS
from tests.compiler.flat_graphs import FlatGraph
from tests.compiler.lower.test_moves import check
from tests.compiler.passes.test_passes import kinds, same


def merged(flat, *outputs):
    """Return the graph after the pass."""
    return same(flat.graph(*outputs), merge_moves)


@pytest.mark.parametrize("seed", range(80))
def test_random_chains_of_moves(seed):
    rng = random.Random(seed)
    shape = tuple(rng.choice((2, 3, 4, 6)) for _ in range(rng.randint(1, 4)))
    flat = FlatGraph({"x": shape})
    value = "x"
    for _ in range(rng.randint(2, 4)):
        shape = flat.shapes[value]
        if rng.random() < 0.5:
            value = flat.transpose(value, rng.sample(range(len(shape)), len(shape)))
        elif rng.random() < 0.4:
            axis = rng.randrange(len(shape))
            value = flat.concat([value, flat.node(Activation, [value], function="relu")], axis)
        else:
            value = flat.gather(value, [rng.choice((
                None, range(size)[::-1], range(rng.randrange(size), size), range(0, size, 2),
                [index // 2 for index in range(2 * size)])) for size in shape])
    outputs = [value]
    if rng.random() < 0.5:
        shape = flat.shapes[value]
        axes = rng.sample(range(len(shape)), rng.randint(1, len(shape)))
        outputs = [flat.reduce("sum", value, axes)]
    if rng.random() < 0.3:
        outputs.append(flat.elementwise("sub", value, flat.gather(
            value, [range(size)[::-1] for size in flat.shapes[value]])))
    merged(flat, *outputs)


def test_a_transpose_and_its_inverse_vanish():
    flat = FlatGraph({"x": (3, 4, 5)})
    hidden = flat.node(Activation, ["x"], function="relu")
    back = flat.transpose(flat.transpose(hidden, (2, 0, 1)), (1, 2, 0))
    assert kinds(merged(flat, back)) == ["Activation", "Reshape"]


def test_slices_of_a_transposed_tensor_stay_views_of_it():
    flat = FlatGraph({"x": (3, 4, 6)})
    turned = flat.transpose("x", (2, 0, 1))
    parts = [flat.gather(turned, [range(first, first + 2), None, None]) for first in (0, 2, 4)]
    assert merged(flat, *parts).nodes[0].output == turned


def test_the_only_slice_of_a_transposed_tensor_reads_through_it():
    flat = FlatGraph({"x": (3, 4, 6)})
    part = flat.gather(flat.transpose("x", (2, 0, 1)), [range(2, 4), None, None])
    assert kinds(merged(flat, part)) == ["Move"]


@pytest.mark.parametrize(("first", "second", "nodes"), [
    ((3, 4, 6), (3, 4, 6), ["Elementwise"]), ((3, 4, 6), (3, 1, 1), ["Elementwise"]),
    ((1, 4, 6), (3, 4, 6), ["Move", "Elementwise"])])
def test_operators_read_through_what_they_read_once(first, second, nodes):
    flat = FlatGraph({"x": (first[2], first[0], first[1]), "y": second})
    made = flat.elementwise("sub", flat.transpose("x", (1, 2, 0)), "y")
    assert kinds(merged(flat, made)) == nodes


def test_parts_go_at_once_to_where_they_are_in_a_reordered_whole():
    flat = FlatGraph({"x": (3, 4, 5), "z": (6, 4, 5)})
    made = flat.transpose(flat.concat(["x", "z", "x"], 0), (1, 0, 2))
    after = merged(flat, made)
    assert kinds(after) == ["Move"] and after.nodes[0].inputs == ("x", "z", "x")


def test_a_shuffle_of_joined_maps_is_one_move():
    flat = FlatGraph({"x": (4, 3, 5), "z": (4, 3, 5)})
    joined = flat.add(Concat, ["x", "z"], (2, 4, 3, 5))
    assert kinds(merged(flat, flat.transpose(joined, (1, 0, 2, 3)))) == ["Move"]


def test_a_padded_tensor_is_reordered_as_it_is_padded():
    flat = FlatGraph({"x": (3, 4, 5)})
    padded = flat.gather("x", [None, [-1, *range(4)], [4, 3, *range(5)]])
    assert kinds(merged(flat, flat.transpose(padded, (1, 2, 0)))) == ["Constant", "Move"]


def test_a_reduction_reads_through():
    flat = FlatGraph({"x": (3, 4, 6)})
    made = flat.reduce("max", flat.transpose("x", (2, 0, 1)), (1,))
    after = merged(flat, made)
    assert [type(node) for node in after.nodes] == [Reduce] and after.nodes[0].inputs == ("x",)


def conv(flat, x, maps):
    shape = flat.shapes[x]
    weights = np.random.default_rng(3).normal(size=(maps, shape[0], 1, 1))
    return flat.add(Conv, [x], (maps, *shape[1:]), weights=weights, bias=np.ones(maps))


def test_a_function_goes_to_the_convolutions_before_a_move():
    flat = FlatGraph({"x": (3, 4, 5)})
    made = [conv(flat, "x", maps) for maps in (2, 4)]
    joined = flat.add(Concat, made, (6, 4, 5))
    padded = flat.gather(joined, [None, [-1, *range(4)], None], fill=2.0)
    y = flat.node(Activation, [padded], function="sigmoid")
    after = drop_dead(same(flat.graph(y), hoist_activations))
    assert sorted(kinds(after)) == ["Activation", "Activation", "Concat", "Constant", "Conv",
                                    "Conv", "Move"]
    assert all(isinstance(after.producer(node.inputs[0]), Conv) for node in after.nodes
               if isinstance(node, Activation))


@pytest.mark.parametrize("kept", [False, True])
def test_a_function_stays_behind_what_others_read_or_what_is_given(kept):
    flat = FlatGraph({"x": (3, 4, 5)})
    source = conv(flat, "x", 2) if kept else "x"
    moved = flat.transpose(source, (2, 0, 1))
    y = flat.node(Activation, [moved], function="relu")
    graph = flat.graph(y, moved) if kept else flat.graph(y)
    assert kinds(same(graph, hoist_activations))[-2:] == ["Move", "Activation"]


def test_convolutions_over_depth_follow_each_other_without_copies():
    rng = np.random.default_rng(4)
    flat = FlatGraph({"x": (2 * 4, 6, 7)})
    value, maps = "x", 2
    for made in (3, 4):
        value = flat.add(Conv3d, [value], (made * 4, 6, 7), depth=4, bias=rng.normal(size=made),
                         weights=rng.normal(size=(made, maps, 3, 3, 3)), padding=(1,) * 6)
        value, maps = flat.node(Activation, [value], function="relu"), made
    graph = flat.graph(value)
    after = same(graph, simplify)
    moves = [node for node in after.nodes if isinstance(node, Move)]
    whole = [node for node in moves if np.prod(node.target) >= 6 * 7 * 8
             and len(node.boxes[0].merged().counts) > 1]
    # Into the order of planes, and out of it.
    assert len(whole) == 2
    lowered = check(after, TARGETS["tiny"])
    assert sum(step["macs"] == 0 for step in lowered.steps) == 2
