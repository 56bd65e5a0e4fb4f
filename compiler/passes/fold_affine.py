"""Fold batch normalisation and constants into the weights that make their input."""

from dataclasses import replace

import numpy as np

from compiler.graph import Affine, Conv, Conv3d, ConvTranspose, Gemm, Graph

__all__ = ["fold_affine"]


def fold_affine(graph: Graph) -> Graph:
    """Return the graph with each Affine behind a convolution, Gemm or Affine made one node with it.

    A pair stays when anything else reads the first node, and when the planes of one map of a
    Conv3d differ in their factors. Works on real values, before quantisation,
    so it adds no rounding. The first node's name stays. Idempotent.
    """
    by_output = {node.output: node for node in graph.nodes}
    shapes = dict(graph.shapes)
    for affine in graph.nodes:
        if not isinstance(affine, Affine):
            continue
        source, = affine.inputs
        first = by_output.get(source)
        folded = _fold(first, affine) if graph.only_reader(source) else None
        if folded:
            by_output[affine.output] = folded
            del by_output[source], shapes[source]
    return replace(graph, nodes=tuple(by_output.values()), shapes=shapes)


def _fold(first, affine):
    """Return one node that does what two do, or None."""
    scale, offset = affine.scale, affine.offset
    if isinstance(first, Affine):
        return replace(first, output=affine.output, scale=first.scale * scale,
                       offset=first.offset * scale + offset)
    if isinstance(first, Conv3d):
        scale, offset = (values.reshape(-1, first.planes()) for values in (scale, offset))
        if np.ptp(scale, 1).any() or np.ptp(offset, 1).any():
            return None
        scale, offset = scale[:, 0], offset[:, 0]
    if isinstance(first, ConvTranspose):
        _, maps, *kernel = first.weights.shape
        weights = first.weights.reshape(first.groups, -1, maps, *kernel) \
            * scale.reshape(first.groups, 1, maps, 1, 1)
        weights = weights.reshape(first.weights.shape)
    elif isinstance(first, (Conv, Conv3d, Gemm)):
        weights = first.weights * scale.reshape(-1, *(1,) * (first.weights.ndim - 1))
    else:
        return None
    return replace(first, output=affine.output, weights=weights, bias=first.bias * scale + offset)
