"""Float execution of a graph, to see which numbers flow through it."""

import functools
import math

import numpy as np
from numpy.lib.stride_tricks import as_strided

from .boxes import places
from .functions import get_function
from .graph import (
    Activation,
    Affine,
    ArgMax,
    Concat,
    Constant,
    Conv,
    Conv3d,
    ConvTranspose,
    Elementwise,
    Gemm,
    Identity,
    Move,
    Pad,
    Pool,
    Reduce,
    Resample,
    Reshape,
    Upsample,
)

__all__ = ["execute"]

#: Numbers that a convolution gathers for one product of matrices: 8 MB.
BAND_NUMBERS = 1 << 20


def execute(graph, inputs):
    """Return every tensor of a graph for a batch of inputs.

    Parameters
    ----------
    graph : Graph
        The network.
    inputs : dict of str to numpy.ndarray
        float64 (samples, channels, rows, columns) for each input.

    Returns
    -------
    dict of str to numpy.ndarray
        float64 (samples, channels, rows, columns) for each tensor, inputs included. Numbers that
        overflow, and quotients and functions that do not exist, are infinite or NaN; it is the
        caller's to look for them.
    """
    tensors = dict(inputs)
    count = len(next(iter(inputs.values())))
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        for node in graph.nodes:
            if isinstance(node, Constant):
                tensors[node.output] = np.broadcast_to(node.values, (count, *node.values.shape))
                continue
            arguments = [tensors[name] for name in node.inputs]
            tensors[node.output] = _EXECUTE[type(node)](node, *arguments)
    return tensors


def _windows(length, start, stride):
    """Return the slice that takes ``length`` samples from ``start`` on."""
    return slice(start, start + (length - 1) * stride + 1, stride)


def _pad(x, padding, value=0.0):
    top, left, bottom, right = (max(size, 0) for size in padding)
    first, before, last, after = (max(-size, 0) for size in padding)
    x = x[:, :, first:x.shape[2] - last, before:x.shape[3] - after]
    return np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=value)


def _conv(node, x):
    _, rows, columns = node.shape(x.shape[1:])
    x = np.ascontiguousarray(_pad(x, node.padding))
    maps, per_group, *kernel = node.weights.shape
    weights = node.weights.reshape(node.groups, maps // node.groups, -1)
    plane, line, sample = x.strides[1:]
    windows = as_strided(
        x, (len(x), node.groups, per_group, *kernel, rows, columns),
        (x.strides[0], per_group * plane, plane, line, sample, line * node.stride[0],
         sample * node.stride[1]), writeable=False)
    # Bands of rows whose taps stay in the cache, and one product of matrices for each.
    taps = per_group * math.prod(kernel)
    band = max(1, BAND_NUMBERS // (node.groups * taps * columns))
    made = np.empty((len(x), node.groups, maps // node.groups, rows, columns))
    for one, found in zip(windows, made, strict=True):
        for first in range(0, rows, band):
            taken = one[..., first:first + band, :]
            found[:, :, first:first + band] = (
                weights @ taken.reshape(node.groups, taps, -1)).reshape(
                    *found.shape[:2], -1, columns)
    return made.reshape(len(x), maps, rows, columns) + node.bias[:, None, None]


def _conv3d(node, x):
    maps, inputs, taps = node.weights.shape[:3]
    planes = x.reshape(len(x), inputs * node.groups, node.depth, *x.shape[2:])
    front, top, left, _, bottom, right = node.padding
    flat = [Conv(node.name, node.inputs, node.output, node.layer, node.weights[:, :, tap],
                 np.zeros(maps), node.stride[1:], (top, left, bottom, right), node.groups)
            for tap in range(taps)]
    made = np.zeros((len(x), maps, node.planes(), *node.shape(x.shape[1:])[1:]))
    for plane in range(made.shape[2]):
        for tap in range(taps):
            place = plane * node.stride[0] - front + tap
            if 0 <= place < node.depth:
                made[:, :, plane] += _conv(flat[tap], planes[:, :, place])
    return (made + node.bias[:, None, None, None]).reshape(len(x), -1, *made.shape[3:])


def _conv_transpose(node, x):
    samples, channels, rows, columns = x.shape
    maps, high, wide = node.shape(x.shape[1:])
    kernel, (down, across) = node.weights.shape[2:], node.stride
    total = np.zeros((samples, maps, (rows - 1) * down + kernel[0] + node.extra[0],
                      (columns - 1) * across + kernel[1] + node.extra[1]))
    source = x.reshape(samples, node.groups, channels // node.groups, rows, columns)
    weights = node.weights.reshape(node.groups, -1, *node.weights.shape[1:])
    for r in range(kernel[0]):
        for c in range(kernel[1]):
            total[:, :, _windows(rows, r, down), _windows(columns, c, across)] += np.einsum(
                "ngirc,gim->ngmrc", source, weights[..., r, c]).reshape(
                    samples, maps, rows, columns)
    top, left = node.padding[:2]
    return total[:, :, top:top + high, left:left + wide] + node.bias[:, None, None]


def _gemm(node, x):
    return (x[:, :, 0, 0] @ node.weights.T + node.bias)[:, :, None, None]


def _pool(node, x):
    _, rows, columns = node.shape(x.shape[1:])
    maximum = node.kind == "max"

    def pooled(operation, x):
        # Along rows, then along columns: few numbers at a time, however large the windows.
        x = functools.reduce(operation, (x[:, :, _windows(rows, r, node.stride[0])]
                                         for r in range(node.window[0])))
        return functools.reduce(operation, (x[..., _windows(columns, c, node.stride[1])]
                                            for c in range(node.window[1])))
    padded = _pad(x, node.padding, -np.inf if maximum else 0.0)
    if maximum:
        return pooled(np.maximum, padded)
    if node.count_include_pad:
        return pooled(np.add, padded) / math.prod(node.window)
    inside = _pad(np.ones((1, 1, *x.shape[2:])), node.padding)
    return pooled(np.add, padded) / pooled(np.add, inside)


def _elementwise(node, a, b=None):
    if node.counts is None:
        return _OPERATIONS[node.operation](a, node.constant if b is None else b)
    operands = [_walked(x, node.counts, walk) for x, walk in zip((a, b), node.reads, strict=True)]
    return _OPERATIONS[node.operation](*operands).reshape(len(a), *node.target)


def _walked(x, counts, walk):
    """Return a view of the samples that a walk reads, (samples, *counts)."""
    flat = np.ascontiguousarray(x.reshape(len(x), -1))
    strides = [flat.itemsize * stride for stride in walk.strides]
    return as_strided(flat[:, walk.start:], (len(x), *counts), (flat.strides[0], *strides),
                      writeable=False)


def _move(node, *inputs):
    made = np.empty((len(inputs[0]), *node.target))
    flat = made.reshape(len(made), -1)
    for box in node.boxes:
        flat[:, places(box.counts, box.write)] = _walked(inputs[box.source], box.counts, box.read)
    return made


def _resample(node, x):
    if node.rows is not None:
        x = node.rows @ x
    return x if node.columns is None else x @ node.columns.T


def _reduce(node, x):
    taken = _walked(x, (*node.kept, *node.reduced), node.read)
    taken = taken.reshape(len(x), *node.target, -1)
    if node.kind == "sum":
        return taken.sum(-1) * node.scale
    return {"max": np.max, "min": np.min, "argmax": np.argmax}[node.kind](taken, -1).astype(
        np.float64)


_OPERATIONS = {"add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.divide,
               "max": np.maximum, "min": np.minimum}

_EXECUTE = {
    Activation: lambda node, x: get_function(node.function, node.parameters)(x),
    Affine: lambda node, x: x * node.scale[:, None, None] + node.offset[:, None, None],
    ArgMax: lambda node, x: x.argmax(1)[:, None].astype(np.float64),
    Concat: lambda node, *inputs: np.concatenate(inputs, 1),
    Conv: _conv,
    Conv3d: _conv3d,
    ConvTranspose: _conv_transpose,
    Elementwise: _elementwise,
    Gemm: _gemm,
    Identity: lambda node, x: x,
    Move: _move,
    Pad: lambda node, x: _pad(x, node.padding),
    Pool: _pool,
    Reduce: _reduce,
    Resample: _resample,
    Reshape: lambda node, x: x.reshape(len(x), *node.target),
    Upsample: lambda node, x: x.repeat(node.factors[0], 2).repeat(node.factors[1], 3),
}
