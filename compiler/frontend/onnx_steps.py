"""Nodes of the float graph on the way to an output: what compositions of operators are made of."""

import math

import numpy as np

from compiler.boxes import (
    broadcast_walks,
    concat_boxes,
    gather_boxes,
    reduce_walk,
    transpose_box,
)
from compiler.graph import (
    Activation,
    Affine,
    Constant,
    Elementwise,
    Identity,
    Move,
    Pool,
    Reduce,
    Reshape,
)

from .onnx_layer import maps_shape

__all__ = ["MOST_SAMPLES", "Steps"]

#: Samples of a tensor that is moved, or joined with constants.
MOST_SAMPLES = 1 << 26

#: Samples along a dimension of what is moved, if they are not evenly spaced before.
MOST_UNEVEN = 1 << 13


class Steps:
    """Adds nodes for one layer; tensors go by name and have ONNX shapes.

    Parameters
    ----------
    layer : Layer
        Whose nodes they are.
    """

    def __init__(self, layer):
        self.layer, self.importer = layer, layer.importer

    def shape(self, name):
        """Return a tensor's ONNX shape."""
        return self.importer.shapes[name]

    def _like(self, name, node_class, inputs=None, **fields):
        """Return the name of what a node makes that keeps a tensor's shapes."""
        return self.layer.step(node_class, self.shape(name), inputs or [name],
                               self.importer.maps[name], **fields)

    def constant(self, values):
        """Return a tensor of known numbers, of the shape that they have."""
        values = np.asarray(values, np.float64)
        maps = maps_shape(values.shape)
        return self.layer.step(Constant, values.shape, [], maps, values=values.reshape(maps))

    def operand(self, index):
        """Return an input of the layer as a tensor, also if it is a constant."""
        if self.layer.is_constant(index):
            return self.constant(self.layer.constant(index, "constant"))
        self.layer.shape(index)
        return self.layer.inputs[index]

    def function(self, name, function, *parameters):
        """Return a function of `compiler.functions` of each sample."""
        return self._like(name, Activation, function=function, parameters=parameters)

    def line(self, name, scale, offset=0.0):
        """Return ``scale`` times a tensor plus ``offset``, both numbers."""
        return self.affine(name, *np.full((2, self.importer.maps[name][0]),
                                          [[scale], [offset]], np.float64))

    def affine(self, name, scale, offset):
        """Return a tensor with a factor and an offset a map."""
        return self._like(name, Affine, scale=scale, offset=offset)

    def limit(self, name, operation, bound):
        """Return the "max" or "min" of a tensor and a number."""
        return self._like(name, Elementwise, operation=operation, constant=float(bound))

    def join(self, operation, first, second):
        """Return an operation on two tensors whose shapes broadcast as ONNX has it."""
        shapes = self.shape(first), self.shape(second)
        if shapes[0] == shapes[1]:
            second = self.layer.reshaped(second, self.importer.maps[first])
            return self._like(first, Elementwise, [first, second], operation=operation)
        try:
            shape = np.broadcast_shapes(*shapes)
        except ValueError:
            raise self.layer.malformed(f"shapes {list(shapes[0])} and {list(shapes[1])} do not "
                                       "broadcast to one") from None
        counts, reads = broadcast_walks(shape, *shapes)
        return self.layer.step(Elementwise, shape, [first, second], operation=operation,
                               counts=counts, reads=reads, target=maps_shape(shape))

    def square(self, name):
        """Return the squares of a tensor's samples."""
        return self.join("mul", name, name)

    def with_constant(self, operation, name, values, swapped=False):
        """Return an operation on a tensor and an array; ``swapped`` if the array is first.

        Sums, differences, products and quotients of one value a map become an `Affine`.
        """
        shape, maps = self.shape(name), self.importer.maps[name]
        self.check_size(shape)
        values = np.asarray(values, np.float64)
        if operation == "div" and not swapped:
            if not values.all():
                raise self.layer.malformed("divides by zero")
            operation, values = "mul", 1 / values
        try:
            inside = np.broadcast_shapes(values.shape, shape) == shape
        except ValueError:
            raise self.layer.malformed(
                f"a constant of shape {list(values.shape)} and a tensor of shape {list(shape)} do "
                "not broadcast to one") from None
        if inside:
            full = np.broadcast_to(values, shape).reshape(maps)
            value = full[:, 0, 0].copy()
            one = len(np.unique(value)) == 1
            if (full == full[:, :1, :1]).all():
                if operation in ("max", "min") and one:
                    return self.limit(name, operation, value[0])
                if operation in ("add", "sub", "mul"):
                    return self.affine(name, *_line(operation, value, swapped))
        pair = (self.constant(values), name) if swapped else (name, self.constant(values))
        return self.join(operation, *pair)

    def reduce(self, name, kind, axes, *, keep=True, scale=1.0):
        """Return a `Reduce` of a tensor over axes, which stay with one sample or vanish."""
        shape = self.shape(name)
        axes = sorted(axis % len(shape) for axis in axes)
        made = tuple(1 if axis in axes else size for axis, size in enumerate(shape)
                     if keep or axis not in axes)
        kept, reduced, read = reduce_walk(shape, axes)
        if math.prod(reduced) == 1 and kind != "argmax":
            return self.reshape(self.line(name, scale) if scale != 1 else name, made)
        return self.layer.step(Reduce, made, [name], kind=kind, kept=kept, reduced=reduced,
                               read=read, target=maps_shape(made), scale=scale)

    def mean(self, name, axes, *, keep=True):
        """Return the mean of a tensor over axes."""
        shape = self.shape(name)
        count = math.prod(shape[axis] for axis in axes)
        return self.reduce(name, "sum", axes, keep=keep, scale=1 / count)

    def norm(self, name, axes, *, keep=True):
        """Return the root of the sum of squares over axes.

        That of one sample is its size, which needs no rounding of a square and a root.
        """
        shape = self.shape(name)
        if math.prod(shape[axis] for axis in axes) == 1:
            return self.reduce(self.function(name, "abs"), "sum", axes, keep=keep)
        return self.function(self.reduce(self.square(name), "sum", axes, keep=keep), "sqrt")

    def reshape(self, name, shape):
        """Return the same samples in the same order under another ONNX shape."""
        shape, maps = tuple(shape), maps_shape(shape)
        if shape == self.shape(name):
            return name
        if maps == self.importer.maps[name]:
            return self.layer.step(Identity, shape, [name], maps)
        return self.layer.step(Reshape, shape, [name], maps, target=maps)

    def check_size(self, shape):
        """Raise for a tensor of more samples than are looked at one by one."""
        if math.prod(shape) > MOST_SAMPLES:
            raise self.layer.fault(f"a tensor of shape {list(shape)} is moved, or joined with "
                                   f"constants; supported are {MOST_SAMPLES} samples")

    def _move(self, inputs, boxes, shape):
        return self.layer.step(Move, shape, inputs, boxes=tuple(boxes), target=maps_shape(shape))

    def transpose(self, name, permutation):
        """Return a tensor with its dimensions in another order."""
        shape = self.shape(name)
        made = tuple(shape[axis] for axis in permutation)
        moving = [axis for axis in permutation if shape[axis] > 1]
        if moving == sorted(moving):
            return self.reshape(name, made)
        self.check_size(made)
        return self._move([name], [transpose_box(shape, permutation)], made)

    def gather(self, name, indices, fill=0.0):
        """Return a tensor whose dimensions take the input's samples of these indices.

        ``indices`` has for each dimension a list, or None for all in order; -1 takes ``fill``.
        """
        shape = self.shape(name)
        self.check_size([size if index is None else len(index)
                         for index, size in zip(indices, shape, strict=True)])
        indices = [None if index is None or np.array_equal(index, np.arange(size)) else
                   np.asarray(index, np.int64) for index, size in zip(indices, shape, strict=True)]
        if all(index is None for index in indices):
            return name
        for index in indices:
            if index is not None and len(index) > MOST_UNEVEN \
                    and (np.diff(index) != index[1] - index[0]).any():
                raise self.layer.fault(f"{len(index)} samples along a dimension that are not "
                                       f"evenly spaced in the input; supported are {MOST_UNEVEN}")
        made = tuple(size if index is None else len(index)
                     for index, size in zip(indices, shape, strict=True))
        inputs = [name]
        if any(index is not None and (index < 0).any() for index in indices):
            inputs.append(self.constant(fill))
        return self._move(inputs, gather_boxes(shape, indices), made)

    def concat(self, names, axis):
        """Return tensors joined along an axis."""
        shapes = [self.shape(name) for name in names]
        made = list(shapes[0])
        made[axis] = sum(shape[axis] for shape in shapes)
        self.check_size(made)
        return self._move(names, concat_boxes(shapes, axis), tuple(made))

    def pool(self, name, maps, shape, outputs, **fields):
        """Return a `Pool` of a tensor under a shape of (channels, rows, columns).

        ``shape`` is the result's ONNX shape, ``outputs`` its (channels, rows, columns).
        """
        return self.layer.step(Pool, shape, [self.layer.reshaped(name, maps)], outputs, **fields)


def _line(operation, value, swapped):
    """Return the scale and the offset that an operation with a constant is."""
    ones, zeros = np.ones_like(value), np.zeros_like(value)
    if operation == "mul":
        return value, zeros
    if operation == "add":
        return ones, value
    return (-ones, value) if swapped else (ones, -value)
