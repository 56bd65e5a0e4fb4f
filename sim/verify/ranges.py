"""Which integers every tensor can hold, whatever the network's inputs: intervals, by the reference.

Nodes are evaluated by `sim.reference` at the ends of their inputs' intervals, or at every integer
in them where a function may turn.
"""

import numpy as np

from compiler.fixed import (
    ArgMax,
    Concat,
    Constant,
    Convolution,
    Elementwise,
    Lookup,
    Move,
    Pool,
    Reduce,
    Reshape,
    Upsample,
)
from sim import reference

__all__ = ["HIGHEST", "LOWEST", "split", "sums", "tensor_ranges"]

LOWEST, HIGHEST = -32768, 32767


def tensor_ranges(graph):
    """Return (lowest, highest) sample of every tensor of a fixed-point graph, by name."""
    ranges = dict.fromkeys(graph.inputs, (LOWEST, HIGHEST))
    for node in graph.nodes:
        values = _RANGE[type(node)](node, graph, *(ranges[name] for name in node.inputs))
        ranges[node.output] = (int(np.clip(np.min(values), LOWEST, HIGHEST)),
                               int(np.clip(np.max(values), LOWEST, HIGHEST)))
    return ranges


def split(weights):
    """Return the sums of the positive and of the negative weights of each map, as int64."""
    # Copies stay as narrow as the weights: a layer can have 10**8 of them.
    weights = np.asarray(weights).reshape(len(weights), -1)
    return (np.maximum(weights, 0).sum(1, dtype=np.int64),
            np.minimum(weights, 0).sum(1, dtype=np.int64))


def sums(bias, positive, negative, low, high):
    """Return the lowest and the highest sum of products, as an input can make them.

    Parameters
    ----------
    bias, positive, negative : array of int
        Bias, and the sums of the positive and of the negative weights.
    low, high : int
        Range of the samples; zeros of the padding are added to it.
    """
    low, high = min(low, 0), max(high, 0)
    return bias + positive * low + negative * high, bias + positive * high + negative * low


def _evaluate(node, shape, *operands):
    return reference.execute(node, [np.asarray(one, np.int16) for one in operands], shape)


def _convolution(node, graph, source):
    ends = sums(np.asarray(node.bias, np.int64), *split(node.weights), *source)
    return [reference.requantise(end, np.asarray(node.shift)) for end in ends]


def _lookup(node, graph, source):
    return _evaluate(node, None, np.arange(source[0], source[1] + 1).reshape(-1, 1, 1))


def _pool(node, graph, source):
    if node.kind == "max":
        return source
    # A mean's factor is rounded: evaluate windows that are full of an end, at every fill.
    rows, columns = graph.tensors[node.inputs[0]].shape[1:]
    return [_evaluate(node, None, np.full((1, rows, columns), value))
            for value in (min(source[0], 0), max(source[1], 0), *source)]


def _elementwise(node, graph, first, second=None):
    apart = node
    if node.counts is not None:
        apart = Elementwise(node.name, node.inputs, node.output, node.layer, node.operation,
                            node.shift_a, node.shift_b, node.shift)
    if second is None:
        return _evaluate(apart, None, np.array([*_ends(first)]).reshape(-1, 1, 1))
    if node.inputs[0] == node.inputs[1] and len({*node.reads}) <= 1:
        every = np.arange(first[0], first[1] + 1).reshape(-1, 1, 1)
        return _evaluate(apart, None, every, every)
    a, b = np.meshgrid(_ends(first), _ends(second))
    return _evaluate(apart, None, a.reshape(-1, 1, 1), b.reshape(-1, 1, 1))


def _ends(bounds):
    """Return the ends of an interval, and the places between them where an operation can turn."""
    return sorted({value for value in (*bounds, -1, 0, 1) if bounds[0] <= value <= bounds[1]})


def _reduce(node, graph, source):
    count = int(np.prod(node.reduced))
    if node.kind == "argmax":
        return 0, count - 1
    if node.kind != "sum":
        return source
    return [reference.requantise(count * value * node.factor, node.shift) for value in source]


def _union(node, graph, *sources):
    return [end for source in sources for end in source]


_RANGE = {
    ArgMax: lambda node, graph, source: (0, graph.tensors[node.inputs[0]].shape[0] - 1),
    Concat: _union, Constant: lambda node, graph: node.values, Convolution: _convolution,
    Elementwise: _elementwise, Lookup: _lookup, Move: _union, Pool: _pool, Reduce: _reduce,
    Reshape: _union, Upsample: _union}
