"""Express fully connected layers and lone affine nodes as convolutions."""

from dataclasses import replace

import numpy as np

from compiler.graph import Activation, Affine, Conv, Gemm, Graph, Reshape

__all__ = ["to_conv"]


def to_conv(graph: Graph) -> Graph:
    """Return the graph with every Gemm and Affine made a Conv.

    A Gemm that reads a flattened map becomes one valid convolution with kernels as large as the
    map; one that reads a vector, a 1x1 convolution. An Affine becomes a depthwise 1x1 convolution,
    or a function of one sample where all maps have one factor and offset. Reshapes that nothing
    reads any more stay for `drop_dead`. Idempotent.
    """
    nodes = []
    for node in graph.nodes:
        if isinstance(node, Gemm):
            node = _gemm(graph, node)
        elif isinstance(node, Affine) and len({*node.scale}) == len({*node.offset}) == 1:
            node = Activation(node.name, node.inputs, node.output, node.layer, function="linear",
                              parameters=(float(node.scale[0]), float(node.offset[0])))
        elif isinstance(node, Affine):
            node = Conv(node.name, node.inputs, node.output, node.layer,
                        weights=node.scale.reshape(-1, 1, 1, 1), bias=node.offset,
                        groups=len(node.scale))
        nodes.append(node)
    return replace(graph, nodes=tuple(nodes))


def _gemm(graph, node):
    source, = node.inputs
    while isinstance(reshape := graph.producer(source), Reshape):
        source, = reshape.inputs
    weights = np.reshape(node.weights, (len(node.weights), *graph.shapes[source]))
    return Conv(node.name, (source,), node.output, node.layer, weights=weights, bias=node.bias)
