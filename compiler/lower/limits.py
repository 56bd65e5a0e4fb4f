"""What to say when a network does not fit the machine's memory: which layer takes most of it."""

import math

from ..errors import CompileError

__all__ = ["check_memory", "check_tensors"]

#: How many times the memory a tensor may take: one that a pooling takes from the convolver is not
#: stored, but calibration holds it.
_UNSTORED = 8


def check_tensors(graph, target):
    """Refuse tensors that no memory of the target holds, before anything is computed.

    Parameters
    ----------
    graph : compiler.graph.Graph
        The float graph.
    target : Target
        The machine.

    Raises
    ------
    CompileError
        If an input or output is larger than the memory, or another tensor eight times as large;
        the message names the first.
    """
    makers = {node.output: node.layer for node in graph.nodes}
    ends = {*graph.inputs, *graph.outputs}
    for name, shape in graph.shapes.items():
        size, most = 2 * math.prod(shape), target.memory.size
        if size > (most if name in ends else _UNSTORED * most):
            raise CompileError(
                f"{_describe(shape, makers, name)} take {size:,} bytes of memory, target "
                f"{target.name} has {most:,}; choose a larger target or a smaller network")


def check_memory(graph, target, needed, sizes, weights):
    """Refuse a program that needs more memory than there is.

    Parameters
    ----------
    graph : FixedGraph
        The network.
    target : Target
        The machine.
    needed : int
        Bytes that the program and its tensors need.
    sizes : dict of str to int
        Bytes of each tensor that stands in memory.
    weights : dict of str to int
        Bytes of each layer's weights.

    Raises
    ------
    CompileError
        If they exceed the memory; the message names the layer that takes most.
    """
    if needed <= target.memory.size:
        return
    makers = {node.output: node.layer for node in graph.nodes}
    parts = [(size, _describe(graph.tensors[name].shape, makers, name))
             for name, size in sizes.items()]
    parts += [(size, f"{layer}: weights") for layer, size in weights.items()]
    size, largest = max(parts)
    raise CompileError(
        f"{largest} take {size:,} of the {needed:,} bytes of memory that program and tensors need, "
        f"target {target.name} has {target.memory.size:,}; choose a larger target or a smaller "
        f"network")


def _describe(shape, makers, name):
    what = f"{math.prod(shape):,} samples ({'x'.join(map(str, shape))})"
    if name in makers:
        return f"{makers[name]}: {what} of tensor {name!r}"
    return f"input {name!r}: {what}"
