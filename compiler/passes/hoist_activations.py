"""Apply functions of a sample where samples are computed, not where they were moved to."""

from dataclasses import replace

import numpy as np

from compiler.functions import get_function
from compiler.graph import (
    Activation,
    Concat,
    Constant,
    Conv,
    Elementwise,
    Graph,
    Move,
    Pool,
    Reduce,
    Reshape,
)

__all__ = ["hoist_activations"]


def hoist_activations(graph: Graph) -> Graph:
    """Return the graph with an Activation behind moves and concatenations put before them.

    Only where everything that is moved comes from nodes of the machine's operators, which apply a
    function on the way to memory, and has no other reader. Idempotent.
    """
    for node in graph.nodes:
        if isinstance(node, Activation) and _moved(graph, node):
            return hoist_activations(_hoisted(graph, node))
    return graph


def _moved(graph, node):
    """Return whether an Activation stands behind a move that it can be put before."""
    move = graph.producer(node.inputs[0])
    if not isinstance(move, (Concat, Move)) or not _computed(graph, move.output):
        return False
    constants = [graph.producer(name) for name in move.inputs]
    return all(np.isfinite(_values(node, constant)).all() for constant in constants
               if isinstance(constant, Constant))


def _computed(graph, name):
    """Return whether all samples of a tensor come from operators and have one reader."""
    maker = graph.producer(name)
    if isinstance(maker, Constant):
        return True
    if maker is None or graph.only_reader(name) is None:
        return False
    if isinstance(maker, (Concat, Move, Reshape)):
        return all(_computed(graph, source) for source in maker.inputs)
    return isinstance(maker, (Conv, Elementwise, Pool, Reduce))


def _hoisted(graph, node):
    """Return the graph with one Activation before the move that it stands behind."""
    nodes, shapes = [], dict(graph.shapes)
    move = graph.producer(node.inputs[0])
    del shapes[move.output]
    for other in graph.nodes:
        if other is node:
            continue
        if other is not move:
            nodes.append(other)
            continue
        renamed = {}
        for name in dict.fromkeys(move.inputs):
            made = f"{node.output}.{name}"
            while made in shapes:
                made += "_"
            renamed[name], shapes[made] = made, shapes[name]
            nodes.append(_applied(graph, node, name, made))
        nodes.append(replace(move, output=node.output,
                             inputs=tuple(renamed[name] for name in move.inputs)))
    return replace(graph, nodes=tuple(nodes), shapes=shapes)


def _applied(graph, node, name, made):
    """Return the node that makes the function of a tensor."""
    maker = graph.producer(name)
    if not isinstance(maker, Constant):
        return replace(node, name=made, inputs=(name,), output=made)
    return Constant(made, (), made, node.layer, values=_values(node, maker))


def _values(node, constant):
    """Return an Activation's function of a Constant."""
    with np.errstate(all="ignore"):
        function = get_function(node.function, node.parameters)
        return np.asarray(function(constant.values), np.float64)
