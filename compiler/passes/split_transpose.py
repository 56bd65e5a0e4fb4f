"""Make transposed convolutions ordinary ones: one for each phase of the stride."""

import itertools
from dataclasses import dataclass, replace

import numpy as np

from compiler.boxes import Box, Walk
from compiler.graph import Conv, ConvTranspose, Graph, Move

__all__ = ["split_transpose"]


def split_transpose(graph: Graph) -> Graph:
    """Return the graph without ConvTranspose nodes.

    Outputs whose place has one remainder by the stride see the same taps of the kernel: they are
    a convolution of stride 1. Phases that see equally many taps at the same places are maps of one
    convolution; a Move puts their outputs between each other. Idempotent.
    """
    nodes, shapes = [], dict(graph.shapes)
    for node in graph.nodes:
        nodes += _phases(node, shapes) if isinstance(node, ConvTranspose) else [node]
    return replace(graph, nodes=tuple(nodes), shapes=shapes)


@dataclass(frozen=True)
class _Phase:
    """Outputs of one remainder along one axis.

    Parameters
    ----------
    first : int
        The first output.
    taps : tuple of int
        Places in the kernel, in the order of the input; None for one of zeros alone.
    before : int
        Zeros before the input that its first output sees.
    """

    first: int
    taps: tuple[int, ...] | None
    before: int


def _axis(node, axis):
    """Return the phases along an axis: rows or columns."""
    size, stride = node.weights.shape[2 + axis], node.stride[axis]
    phases = []
    for first in range(stride):
        base, place = divmod(first + node.padding[axis], stride)
        taps = tuple(range(place, size, stride))[::-1]
        phases.append(_Phase(first, taps or None, len(taps) - 1 - base if taps else 0))
    return phases


def _phases(node, shapes):
    """Return the nodes that make a ConvTranspose; ``shapes`` takes those of new tensors."""
    if node.stride == (1, 1):
        (rows,), (columns,) = _axis(node, 0), _axis(node, 1)
        return [_conv(node, shapes, node.output, [(rows, columns)])]
    alike = {}
    for pair in itertools.product(_axis(node, 0), _axis(node, 1)):
        key = tuple((phase.taps is None or len(phase.taps), phase.before) for phase in pair)
        alike.setdefault(key, []).append(pair)
    made, boxes = [], []
    for index, pairs in enumerate(alike.values()):
        name = f"{node.output}.{index}"
        while name in shapes:
            name += "_"
        made.append(_conv(node, shapes, name, pairs))
        boxes += [_box(node, shapes, name, index, number, len(pairs), pair)
                  for number, pair in enumerate(pairs)]
    return [*made, Move(node.name, tuple(conv.output for conv in made), node.output, node.layer,
                        boxes=tuple(box for box in boxes if box),
                        target=shapes[node.output])]


def _conv(node, shapes, name, pairs):
    """Return the convolution that makes some phases, of each group one behind the other."""
    inputs, maps, *kernel = node.weights.shape
    weights = node.weights.reshape(node.groups, inputs // node.groups, maps, *kernel)
    kernels = np.stack([_kernel(weights, pair) for pair in pairs], axis=1)
    kernels = kernels.reshape(-1, *kernels.shape[3:])
    bias = node.bias.reshape(node.groups, 1, maps).repeat(len(pairs), 1).ravel()
    sizes = [-(-size // stride)
             for size, stride in zip(shapes[node.output][1:], node.stride, strict=True)]
    before = [phase.before for phase in pairs[0]]
    after = [size + taps - 1 - first - length for size, taps, first, length in zip(
        sizes, kernels.shape[2:], before, shapes[node.inputs[0]][1:], strict=True)]
    shapes[name] = (len(kernels), *sizes)
    return Conv(node.name if name == node.output else name, node.inputs, name, node.layer,
                weights=kernels, bias=bias, padding=(*before, *after), groups=node.groups)


def _kernel(weights, pair):
    """Return the kernels of a phase: (groups, maps, inputs of a group, rows, columns)."""
    kernel = weights.swapaxes(1, 2)
    for axis, phase in zip((-2, -1), pair, strict=True):
        kernel = kernel.take([0], axis) * 0 if phase.taps is None else kernel.take(phase.taps, axis)
    return kernel


def _box(node, shapes, name, source, number, count, pair):
    """Return the box that puts phase ``number`` of the ``count`` of a convolution in place."""
    maps = node.weights.shape[1]
    (_, rows, columns), (_, high, wide) = shapes[name], shapes[node.output]
    first, second = (phase.first for phase in pair)
    counts = (node.groups, maps, -(-(high - first) // node.stride[0]),
              -(-(wide - second) // node.stride[1]))
    if min(counts) < 1:
        return None
    plane, made = rows * columns, high * wide
    read = Walk(number * maps * plane, (count * maps * plane, plane, columns, 1))
    write = Walk(first * wide + second,
                 (maps * made, made, node.stride[0] * wide, node.stride[1]))
    return Box(counts, read, write, source).merged()
