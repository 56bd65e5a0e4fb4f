"""Fold batch normalisation and constants into the weights that make their input."""

from dataclasses import replace

from compiler.graph import Affine, Conv, Gemm, Graph

__all__ = ["fold_affine"]


def fold_affine(graph: Graph) -> Graph:
    """Return the graph with each Conv -> Affine, Gemm -> Affine or Affine -> Affine made one node.

    A pair stays when anything else reads the first node. Works on real values, before quantisation,
    so it adds no rounding. The first node's name stays. Idempotent.
    """
    by_output = {node.output: node for node in graph.nodes}
    shapes = dict(graph.shapes)
    for affine in graph.nodes:
        if not isinstance(affine, Affine):
            continue
        source, = affine.inputs
        first = by_output.get(source)
        if isinstance(first, (Conv, Gemm, Affine)) and graph.only_reader(source):
            by_output[affine.output] = _fold(first, affine)
            del by_output[source], shapes[source]
    return replace(graph, nodes=tuple(by_output.values()), shapes=shapes)


def _fold(first, affine):
    scale, offset = affine.scale, affine.offset
    if isinstance(first, Affine):
        return replace(first, output=affine.output, scale=first.scale * scale,
                       offset=first.offset * scale + offset)
    shape = (-1,) + (1,) * (first.weights.ndim - 1)
    return replace(first, output=affine.output, weights=first.weights * scale.reshape(shape),
                   bias=first.bias * scale + offset)
