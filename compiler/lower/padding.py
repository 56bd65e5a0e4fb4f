"""Padding made in memory, for convolutions whose padded frames are too various for the machine.

Where a map's edge lies within a frame decides its kind and where its samples begin, and a stride
makes frames of several phases: of many input maps they fill the table of a DMA port. A map with
its zeros around it has frames of one kind, which loops can address.
"""

from dataclasses import replace

import numpy as np

from ..boxes import Box, Walk, row_major
from ..fixed import Constant, FixedGraph, Move, Tensor

__all__ = ["pad_in_memory"]


def _borders(shape, size, padding):
    """Return (first row, first column, rows, columns) of each part of the padding."""
    (_, rows, _), (height, width), (top, left, bottom, right) = shape, size, padding
    parts = [(0, 0, top, width), (height - bottom, 0, bottom, width),
             (top, 0, rows, left), (top, width - right, rows, right)]
    return [part for part in parts if part[2] and part[3]]


def _boxes(shape, padding):
    """Return the boxes that copy a map (input 0) and spread the zero (input 1) around it."""
    channels, rows, columns = shape
    top, left, bottom, right = padding
    size = rows + top + bottom, columns + left + right
    strides = row_major((channels, *size))
    inner = Box(shape, Walk(0, row_major(shape)), Walk(top * size[1] + left, strides))
    return [inner, *(
        Box((channels, height, width), Walk(0, (0, 0, 0)), Walk(y * size[1] + x, strides), 1)
        for y, x, height, width in _borders(shape, size, padding))]


def _unused(name, taken):
    while name in taken:
        name += "'"
    return name


def pad_in_memory(graph, conv):
    """Return the graph in which a convolution reads a padded copy of its input.

    Parameters
    ----------
    graph : FixedGraph
        The network.
    conv : Convolution
        One of its nodes, with padding.

    Returns
    -------
    FixedGraph
        The same function; the other nodes are the same objects.
    """
    source = graph.tensors[conv.inputs[0]]
    top, left, bottom, right = conv.padding
    taken = set(graph.tensors) | {node.name for node in graph.nodes}
    zero, padded = (_unused(f"{conv.name}.{what}", taken) for what in ("zero", "padded"))
    channels, rows, columns = source.shape
    tensors = {
        zero: Tensor(zero, (1, 1, 1), source.fraction),
        padded: Tensor(padded, (channels, rows + top + bottom, columns + left + right),
                       source.fraction)}
    made = (Constant(zero, (), zero, conv.layer, np.zeros((1, 1, 1), np.int16)),
            Move(padded, (source.name, zero), padded, conv.layer,
                 tuple(_boxes(source.shape, conv.padding))),
            replace(conv, inputs=(padded,), padding=(0, 0, 0, 0)))
    nodes = tuple(new for node in graph.nodes for new in (made if node is conv else (node,)))
    return FixedGraph(nodes, graph.tensors | tensors, graph.inputs, graph.outputs,
                      graph.input_shapes, graph.output_shapes)
