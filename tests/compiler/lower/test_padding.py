from dataclasses import replace

import numpy as np
import pytest

from compiler.fixed import Constant, Convolution, Move
from compiler.lower import lower
from compiler.lower.padding import pad_in_memory
from hdl.target import get_target
from sim.reference import run
from tests.random_layers import one_convolution
from tests.run_functional import run_lowered

TINY = get_target("tiny")


@pytest.mark.parametrize("padding", [(2, 1, 0, 3), (0, 0, 1, 0), (1, 1, 1, 1), (0, 4, 0, 0)])
def test_the_function_stays_the_same(padding):
    layer = one_convolution((3, 7, 6), 4, (3, 4), (2, 1), padding)
    conv, = layer.graph.nodes
    padded = pad_in_memory(layer.graph, conv)
    constant, move, made = padded.nodes
    assert isinstance(constant, Constant) and not constant.values.any()
    assert isinstance(move, Move) and isinstance(made, Convolution)
    assert made.padding == (0, 0, 0, 0) and made.weights is conv.weights
    output, = layer.graph.outputs
    assert np.array_equal(run(padded, layer.inputs)[output], run(layer.graph, layer.inputs)[output])


def test_the_graph_s_names_stay_unique():
    layer = one_convolution((1, 5, 5), 1, (3, 3), padding=(1, 1, 1, 1))
    conv, = layer.graph.nodes
    name = f"{conv.name}.padded"
    taken = replace(layer.graph, tensors={
        **layer.graph.tensors, name: replace(layer.graph.tensors[conv.output], name=name)})
    made = pad_in_memory(taken, conv)
    assert made.nodes[1].output == f"{name}'" and f"{name}'" in made.tensors


def test_more_maps_than_the_table_of_a_port_has_entries():
    """Frames of a stride and of padding, from 300 maps: one base a map or more, 256 entries."""
    layer = one_convolution((300, 9, 9), 3, (5, 5), (2, 2), (2, 2, 2, 2))
    lowered = lower(layer.graph, TINY)
    conv, = layer.graph.nodes
    assert lowered.graph.nodes[-1].inputs == (f"{conv.name}.padded",)
    assert lowered.steps[0]["layer"] == conv.layer
    output, = layer.graph.outputs
    got = run_lowered(lowered, layer.graph, layer.inputs, TINY)[output]
    assert np.array_equal(got, run(layer.graph, layer.inputs)[output])


def test_padding_costs_no_memory_where_it_need_not():
    layer = one_convolution((250, 9, 9), 3, (5, 5), (2, 2), (2, 2, 2, 2))
    assert lower(layer.graph, TINY).graph is layer.graph
