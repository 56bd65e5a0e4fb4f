"""Express fully connected layers and lone affine nodes as what the machine has."""

from dataclasses import replace

import numpy as np

from compiler.graph import (
    Activation,
    Affine,
    Constant,
    Conv,
    Elementwise,
    Gemm,
    Graph,
    Reshape,
)

__all__ = ["to_conv"]


def to_conv(graph: Graph) -> Graph:
    """Return the graph with every Gemm and Affine made another node.

    A Gemm that reads a flattened map becomes one valid convolution with kernels as large as the
    map; one that reads a vector, a 1x1 convolution. An Affine becomes a function of one sample
    where all maps have one factor and offset, operators with constants where a map is one sample,
    else a depthwise 1x1 convolution. Reshapes that nothing reads any more stay for `drop_dead`.
    Idempotent.
    """
    nodes, shapes = [], dict(graph.shapes)
    for node in graph.nodes:
        if isinstance(node, Gemm):
            nodes.append(_gemm(graph, node))
        elif isinstance(node, Affine):
            nodes += _affine(node, shapes)
        else:
            nodes.append(node)
    return replace(graph, nodes=tuple(nodes), shapes=shapes)


def _affine(node, shapes):
    """Return the nodes that make an Affine; ``shapes`` takes those of new tensors."""
    if len(set(node.scale)) == len(set(node.offset)) == 1:
        return [Activation(node.name, node.inputs, node.output, node.layer, function="linear",
                           parameters=(float(node.scale[0]), float(node.offset[0])))]
    if shapes[node.output][1:] != (1, 1):
        return [Conv(node.name, node.inputs, node.output, node.layer,
                     weights=node.scale.reshape(-1, 1, 1, 1), bias=node.offset,
                     groups=len(node.scale))]
    wanted = [("mul", node.scale, 1.0), ("add", node.offset, 0.0)]
    wanted = [(operation, values) for operation, values, nothing in wanted
              if (values != nothing).any()]
    nodes, source = [], node.inputs[0]
    for index, (operation, values) in enumerate(wanted):
        constant = _new(f"{node.output}.{operation}", shapes)
        shapes[constant] = shapes[node.output]
        nodes.append(Constant(constant, (), constant, node.layer,
                              values=values.reshape(-1, 1, 1)))
        output, name = node.output, node.name
        if index < len(wanted) - 1:
            output = name = _new(f"{node.output}.scaled", shapes)
            shapes[output] = shapes[node.output]
        nodes.append(Elementwise(name, (source, constant), output, node.layer,
                                 operation=operation))
        source = output
    return nodes


def _new(name, taken):
    while name in taken:
        name += "_"
    return name


def _gemm(graph, node):
    source, = node.inputs
    while isinstance(reshape := graph.producer(source), Reshape):
        source, = reshape.inputs
    weights = np.reshape(node.weights, (len(node.weights), *graph.shapes[source]))
    return Conv(node.name, (source,), node.output, node.layer, weights=weights, bias=node.bias)
