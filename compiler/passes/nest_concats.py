"""Concatenate what was concatenated before as one tensor, which then stands in memory once."""

from dataclasses import replace

from compiler.graph import Concat, Graph

__all__ = ["nest_concats"]


def nest_concats(graph: Graph) -> Graph:
    """Return the graph with the inputs of an earlier Concat in a later one replaced by its output.

    Densely connected networks join the same tensors again and again, each time with one more. A
    tensor can be made in place in one whole only, and would be copied into all others; nested, each
    whole is part of the next one. Idempotent.
    """
    nodes, made = [], {}
    for node in graph.nodes:
        if isinstance(node, Concat):
            node = replace(node, inputs=_nested(node.inputs, made))
            made.setdefault(node.inputs, node.output)
        nodes.append(node)
    return replace(graph, nodes=tuple(nodes))


def _nested(inputs, made):
    """Return inputs with the longest runs that were joined before replaced."""
    while True:
        found = max((earlier for earlier in made if 1 < len(earlier) and _place(inputs, earlier)
                     is not None), key=len, default=None)
        if found is None or found == inputs:
            return inputs
        place = _place(inputs, found)
        inputs = (*inputs[:place], made[found], *inputs[place + len(found):])


def _place(inputs, run):
    """Return where a run stands in the inputs, or None."""
    return next((place for place in range(len(inputs) - len(run) + 1)
                 if inputs[place:place + len(run)] == run), None)
