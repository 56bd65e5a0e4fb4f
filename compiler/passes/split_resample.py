"""Make interpolation depthwise convolutions, or products with a matrix."""

import itertools
import math
from dataclasses import dataclass, replace

import numpy as np

from compiler.boxes import Box, Walk, gather_boxes, transpose_box
from compiler.graph import Conv, Graph, Move, Resample, Reshape

__all__ = ["split_resample"]

#: Most phases of an axis, and most taps of its kernels, that a convolution takes; what has more is
#: a product with the whole matrix.
_MOST_PHASES, _MOST_TAPS = 8, 16


def split_resample(graph: Graph) -> Graph:
    """Return the graph without Resample nodes.

    An axis that only chooses inputs is a Move. One that is resized by p / q has p phases: every
    p-th output sees the same few taps, every q inputs on. So a map with its edges repeated makes p
    maps by a convolution of stride q, whose samples a Move puts between each other. Other axes
    become the maps of a convolution of 1x1. Idempotent.
    """
    nodes, shapes = [], dict(graph.shapes)
    for node in graph.nodes:
        nodes += _Resampling(node, shapes).made if isinstance(node, Resample) else [node]
    return replace(graph, nodes=tuple(nodes), shapes=shapes)


@dataclass(frozen=True)
class _Axis:
    """An axis as a convolution.

    Parameters
    ----------
    kernels : numpy.ndarray
        (phases, taps).
    step : int
        Inputs from an output of a phase to its next.
    seen : tuple of int
        Inputs that the convolution sees in order, repeated at the edges.
    outputs : int
        Outputs of the axis.
    """

    kernels: np.ndarray
    step: int
    seen: tuple[int, ...]
    outputs: int


def _axis(matrix):
    """Return the `_Axis` of a matrix, or None if it has no short period."""
    outputs, inputs = matrix.shape
    if ((matrix == 1).sum(1) == 1).all() and ((matrix != 0).sum(1) == 1).all():
        return _Axis(np.ones((1, 1)), 1, tuple(matrix.argmax(1).tolist()), outputs)
    for over, under in ((outputs, inputs), (max(outputs - 1, 1), max(inputs - 1, 1))):
        common = math.gcd(over, under)
        found = _with_period(matrix, over // common, under // common)
        if found:
            return found
    return None


def _with_period(matrix, phases, step):
    outputs, inputs = matrix.shape
    rounds = -(-outputs // phases)
    if phases > min(_MOST_PHASES, outputs):
        return None
    middle = (outputs // phases) // 2
    taps = [np.flatnonzero(matrix[middle * phases + phase]) - middle * step
            for phase in range(phases)]
    if any(not len(places) for places in taps):
        return None
    low, high = min(places[0] for places in taps), max(places[-1] for places in taps)
    if high - low >= _MOST_TAPS:
        return None
    kernels = np.zeros((phases, high - low + 1))
    for phase, places in enumerate(taps):
        kernels[phase, places - low] = matrix[middle * phases + phase, places + middle * step]
    seen = np.clip(np.arange(low, high + 1 + (rounds - 1) * step), 0, inputs - 1)
    made = np.zeros((rounds * phases, inputs))
    for place, (phase, tap) in itertools.product(
            range(rounds), itertools.product(range(phases), range(high - low + 1))):
        made[place * phases + phase, seen[place * step + tap]] += kernels[phase, tap]
    if not np.allclose(made[:outputs], matrix, rtol=0, atol=1e-9):
        return None
    return _Axis(kernels, step, tuple(seen.tolist()), outputs)


class _Resampling:
    """The nodes of one Resample in the making."""

    def __init__(self, node, shapes):
        self.node, self.shapes, self.made = node, shapes, []
        self.value = node.inputs[0]
        whole, axes = [], []
        for axis, matrix in enumerate((node.rows, node.columns)):
            found = None if matrix is None else _axis(matrix)
            size = shapes[self.value][axis + 1]
            axes.append(found or _Axis(np.ones((1, 1)), 1, tuple(range(size)), size))
            if matrix is not None and found is None:
                whole.append((axis, matrix))
        self._gather(axes)
        if any(axis.kernels.size > 1 or axis.step > 1 for axis in axes):
            self._convolve(axes)
        for axis, matrix in whole:
            self._multiply(axis, matrix)
        self._finish()

    def _finish(self):
        """Let the last node make the output."""
        last = Reshape("", (self.value,), self.value, self.node.layer,
                       target=self.shapes[self.value]) if not self.made else self.made.pop()
        if last.output != self.node.inputs[0]:
            del self.shapes[last.output]
        self.made.append(replace(last, name=self.node.name, output=self.node.output))

    def _new(self, suffix):
        name = f"{self.node.output}.{suffix}"
        while name in self.shapes:
            name += "_"
        return name

    def _move(self, suffix, boxes, target):
        name = self._new(suffix)
        self.made.append(Move(name, (self.value,), name, self.node.layer, boxes=boxes,
                              target=target))
        self.shapes[name], self.value = target, name

    def _conv(self, suffix, weights, **fields):
        name = self._new(suffix)
        conv = Conv(name, (self.value,), name, self.node.layer, weights=weights,
                    bias=np.zeros(len(weights)), **fields)
        self.made.append(conv)
        self.shapes[name] = conv.shape(self.shapes[self.value])
        self.value = name

    def _gather(self, axes):
        channels, *size = shape = self.shapes[self.value]
        if any(axis.seen != tuple(range(length)) for axis, length in zip(axes, size, strict=True)):
            self._move("edges", gather_boxes(shape, [None, *(axis.seen for axis in axes)]),
                       (channels, *(len(axis.seen) for axis in axes)))

    def _convolve(self, axes):
        channels = self.shapes[self.value][0]
        kernels = np.einsum("ar,bc->abrc", *(axis.kernels for axis in axes))
        phases = kernels.shape[:2]
        kernels = np.tile(kernels.reshape(-1, 1, *kernels.shape[2:]), (channels, 1, 1, 1))
        self._conv("phases", kernels, stride=tuple(axis.step for axis in axes), groups=channels)
        outputs = tuple(axis.outputs for axis in axes)
        if phases != (1, 1):
            boxes = _interleaved(channels, phases, self.shapes[self.value][1:], outputs)
            self._move("joined", boxes, (channels, *outputs))

    def _multiply(self, axis, matrix):
        shape = self.shapes[self.value]
        order = (1, 0, 2) if axis == 0 else (2, 0, 1)
        back = (1, 0, 2) if axis == 0 else (1, 2, 0)
        name = ("rows", "columns")[axis]
        self._move(f"{name}.first", (transpose_box(shape, order),),
                   tuple(shape[place] for place in order))
        self._conv(name, matrix[:, :, None, None])
        shape = self.shapes[self.value]
        self._move(f"{name}.last", (transpose_box(shape, back),),
                   tuple(shape[place] for place in back))


def _interleaved(channels, phases, size, outputs):
    """Return the boxes that put (channels, row phases, column phases) maps between each other."""
    (down, across), (rows, columns), (high, wide) = phases, size, outputs
    boxes = []
    for row, column in itertools.product(range(down), range(across)):
        counts = (channels, -(-(high - row) // down), -(-(wide - column) // across))
        read = Walk((row * across + column) * rows * columns,
                    (down * across * rows * columns, columns, 1))
        write = Walk(row * wide + column, (high * wide, down * wide, across))
        boxes.append(Box(counts, read, write).merged())
    return tuple(boxes)
