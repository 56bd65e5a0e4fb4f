"""The reference: executes a fixed-point graph in NumPy integers, as docs/arithmetic.md says.

Plain on purpose. It shares the graph's data classes with the compiler and nothing else, so that
equal bits from here and from the hardware mean something.
"""

import math
from functools import partial

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from compiler.fixed import (
    ArgMax,
    Concat,
    Constant,
    Convolution,
    Elementwise,
    Lookup,
    Move,
    Pool,
    Reduce,
    Reshape,
    Upsample,
)

__all__ = ["average_factor", "execute", "requantise", "run"]

LOWEST, HIGHEST = -32768, 32767

#: Signed range of an accumulator.
_ACCUMULATOR = 1 << 35
#: Signed range of the mapper's inner sum.
_MAPPER_SUM = 1 << 23


def run(graph, inputs, saturations=None):
    """Execute a graph on one image.

    Parameters
    ----------
    graph : compiler.fixed.FixedGraph
        The network.
    inputs : dict of str to numpy.ndarray
        An int16 array of shape (channels, rows, columns) for each input.
    saturations : dict, optional
        Filled with the number of saturated samples of each node, by its name.

    Returns
    -------
    dict of str to numpy.ndarray
        Every tensor of the graph, int16, inputs included.

    Raises
    ------
    ValueError
        If an input is missing, unknown, or of another shape or type than its tensor.
    OverflowError
        If a sum leaves the 36 bits of an accumulator or an inner sum of the mapper its 24 bits.
    """
    values = dict(_checked(graph, inputs))
    for node in graph.nodes:
        tensor = graph.tensors[node.output]
        exact = execute(node, [values[name] for name in node.inputs], tensor.shape)
        output = np.clip(exact, LOWEST, HIGHEST)
        if output.shape != tensor.shape:
            raise ValueError(f"{_where(node)}: the result has shape {output.shape}, tensor "
                             f"{tensor.name} is declared {tensor.shape}")
        if saturations is not None:
            saturations[node.name] = int(np.count_nonzero(output != exact))
        values[node.output] = output.astype(np.int16)
    return values


def execute(node, operands, shape):
    """Return what a node makes of its operands, before the final saturation.

    Parameters
    ----------
    node : compiler.fixed.Node
        The operation.
    operands : list of numpy.ndarray
        Its inputs, int16.
    shape : tuple of int
        Shape of the output; what sees tensors as flat needs it.

    Returns
    -------
    numpy.ndarray
        int64; a sample that is not in -32768..32767 saturates.
    """
    operands = [operand.astype(np.int64) for operand in operands]
    match node:
        case Convolution():
            return _convolution(node, *operands)
        case Lookup():
            return _lookup(node, *operands)
        case Pool():
            return _pool(node, *operands)
        case Elementwise():
            return _elementwise(node, *operands).reshape(shape)
        case Constant():
            return np.asarray(node.values, np.int64)
        case Move():
            return _move(node, operands, shape)
        case Reduce():
            return _reduce(node, *operands).reshape(shape)
        case Reshape():
            return operands[0].reshape(shape)
        case Concat():
            return _concat(node, operands)
        case Upsample():
            return operands[0].repeat(node.factors[0], 1).repeat(node.factors[1], 2)
        case ArgMax():
            # NumPy, too, takes the first of equals.
            return operands[0].argmax(0)[None]
    raise TypeError(f"{_where(node)}: the reference does not know {type(node).__name__}")


def requantise(value, shift):
    """Add half, shift right: rq of docs/arithmetic.md but for its saturation."""
    shift = np.asarray(shift, np.int64)
    half = np.where(shift > 0, np.int64(1) << np.maximum(shift - 1, 0), 0)
    return (value + half) >> shift


def average_factor(count):
    """Return (k, s), average pooling's factor and shift over ``count`` samples."""
    if count & (count - 1) == 0:
        return 1, count.bit_length() - 1
    for shift in range(31, -1, -1):
        factor = ((2 << shift) + count) // (2 * count)  # 2**shift / count, rounded
        if factor <= HIGHEST:
            return factor, shift
    raise ValueError(f"no factor for an average over {count} samples")


def _where(node):
    return f"{node.name} (layer {node.layer})" if node.layer != node.name else node.name


def _checked(graph, inputs):
    """Yield the inputs in the graph's order, or raise."""
    unknown = sorted(set(inputs) - set(graph.inputs))
    if unknown:
        raise ValueError(f"unknown input {unknown[0]!r}; inputs are {', '.join(graph.inputs)}")
    for name in graph.inputs:
        shape = graph.tensors[name].shape
        if name not in inputs:
            raise ValueError(f"input {name!r} is missing")
        value = np.asarray(inputs[name])
        if value.shape != shape or value.dtype != np.int16:
            raise ValueError(f"input {name!r} must be int16 of shape {shape}, not {value.dtype} "
                             f"of shape {value.shape}")
        yield name, value


def _padded(samples, padding, value):
    rows, columns = samples.shape[1:]
    # Less than none leaves samples out.
    samples = samples[:, max(-padding[0], 0):rows - max(-padding[2], 0),
                      max(-padding[1], 0):columns - max(-padding[3], 0)]
    top, left, bottom, right = (max(size, 0) for size in padding)
    return np.pad(samples, ((0, 0), (top, bottom), (left, right)), constant_values=value)


def _convolution(node, samples):
    weights = np.asarray(node.weights)
    maps, depth, rows, columns = weights.shape
    if maps % node.groups or samples.shape[0] != depth * node.groups:
        raise ValueError(f"{_where(node)}: weights {weights.shape} in {node.groups} groups do not "
                         f"fit {samples.shape[0]} input maps")
    padded = _padded(samples, node.padding, 0)
    step_y, step_x = node.stride
    height = (padded.shape[1] - rows) // step_y + 1
    width = (padded.shape[2] - columns) // step_x + 1
    # float64 holds every partial sum exactly: products have 31 bits, sums 53 from 2**22 products.
    padded, weights = padded.astype(np.float64), weights.astype(np.float64)
    total = np.zeros((maps, height * width))
    for group in range(node.groups):
        into = slice(group * maps // node.groups, (group + 1) * maps // node.groups)
        source = padded[group * depth:(group + 1) * depth]
        for row in range(rows):
            for column in range(columns):
                taken = source[:, row:row + (height - 1) * step_y + 1:step_y,
                               column:column + (width - 1) * step_x + 1:step_x]
                total[into] += weights[into, :, row, column] @ taken.reshape(depth, -1)
    total = total.astype(np.int64) + np.asarray(node.bias, np.int64)[:, None]
    outside = (total < -_ACCUMULATOR) | (total >= _ACCUMULATOR)
    if outside.any():
        place = np.argwhere(outside)[0]
        row, column = divmod(int(place[1]), width)
        raise OverflowError(f"{_where(node)}: the sum {total[tuple(place)]} of map {place[0]}, "
                            f"row {row}, column {column} does not fit 36 bits")
    shifted = requantise(total, np.asarray(node.shift, np.int64)[:, None])
    return shifted.reshape(maps, height, width)


def _lookup(node, samples):
    table = node.table
    u = np.clip(samples, table.low, table.high) - table.origin
    if u.min() < 0 or u.max() > 0xFFFF:
        raise ValueError(f"{_where(node)}: inputs {table.low}..{table.high} less origin "
                         f"{table.origin} leave 0..65535")
    if table.logarithmic:
        exponent = sum((u >> bit > 0).astype(np.int64) for bit in range(5, 16)) + 4
        index = np.where(u < 16, u, (exponent - 3) * 16 + (u >> (exponent - 4) & 15))
        d = np.where(u < 16, 0, u & (np.int64(1) << (exponent - 4)) - 1)
    else:
        index = np.minimum(u >> table.segment_shift, len(table.a) - 1)
        d = u - (index << table.segment_shift)
    if index.max() >= len(table.a):
        raise ValueError(f"{_where(node)}: an input is in segment {index.max()}, the table ends "
                         f"with segment {len(table.a) - 1}")
    a, b, c = (np.asarray(values, np.int64)[index] for values in (table.a, table.b, table.c))
    inner = b + (a * d >> table.square_shift)
    if inner.min() < -_MAPPER_SUM or inner.max() >= _MAPPER_SUM:
        raise OverflowError(f"{_where(node)}: b + a d >> {table.square_shift} does not fit 24 bits")
    return requantise(c + inner * d, table.shift)


def _windows(samples, node, outside):
    """View of the padded map as (maps, rows, columns, window rows, window columns)."""
    padded = _padded(samples, node.padding, outside)
    return sliding_window_view(padded, node.window, (1, 2))[
        :, ::node.stride[0], ::node.stride[1]]


def _pool(node, samples):
    inside = _windows(np.ones((1, *samples.shape[1:]), np.int64), node, 0).sum((3, 4))
    if node.kind == "max":
        if inside.min() == 0:
            raise ValueError(f"{_where(node)}: a window lies in the padding alone")
        return _windows(samples, node, LOWEST).max((3, 4))
    if node.kind != "average":
        raise ValueError(f"{_where(node)}: pooling must be max or average, not {node.kind!r}")
    if node.count_include_pad:
        inside = np.full_like(inside, node.window[0] * node.window[1])
    if inside.min() == 0:
        raise ValueError(f"{_where(node)}: a window lies in the padding alone")
    factors = {count: average_factor(count) for count in np.unique(inside).tolist()}
    factor, shift = (np.vectorize({count: pair[part] for count, pair in factors.items()}.get,
                                  otypes=[np.int64])(inside) for part in (0, 1))
    return requantise(_windows(samples, node, 0).sum((3, 4)) * factor, shift)


def _concat(node, operands):
    sizes = {operand.shape[1:] for operand in operands}
    if len(sizes) > 1:
        raise ValueError(f"{_where(node)}: maps of sizes {sorted(sizes)} cannot be joined")
    return np.concatenate(operands)


def _places(node, counts, walk, size):
    """Return where in a flat tensor of ``size`` samples a walk goes, as an array of its counts."""
    indices = np.indices(counts).reshape(len(counts), *counts)
    found = walk.start + sum(
        stride * index for stride, index in zip(walk.strides, indices, strict=True))
    found = np.asarray(found).reshape(counts)
    if found.min() < 0 or found.max() >= size:
        raise ValueError(f"{_where(node)}: a walk goes from {found.min()} to {found.max()} in a "
                         f"tensor of {size} samples")
    return found


def _move(node, operands, shape):
    made = np.zeros(math.prod(shape), np.int64)
    written = np.zeros(made.size, np.int64)
    for box in node.boxes:
        source = operands[box.source].ravel()
        into = _places(node, box.counts, box.write, made.size)
        made[into] = source[_places(node, box.counts, box.read, source.size)]
        written += np.bincount(into.ravel(), minlength=made.size)
    if (written != 1).any():
        raise ValueError(f"{_where(node)}: sample {int((written != 1).argmax())} is written "
                         f"{written[(written != 1).argmax()]} times")
    return made.reshape(shape)


def _reduce(node, samples):
    taken = samples.ravel()[_places(node, (*node.kept, *node.reduced), node.read, samples.size)]
    taken = taken.reshape(math.prod(node.kept), -1)
    if node.kind == "sum":
        return requantise(taken.sum(1) * node.factor, node.shift)
    if node.kind not in ("max", "min", "argmax"):
        raise ValueError(f"{_where(node)}: unknown reduction {node.kind!r}; reductions are sum, "
                         "max, min, argmax")
    return {"max": taken.max, "min": taken.min, "argmax": taken.argmax}[node.kind](1)


def _elementwise(node, a, b=None):
    if (b is None) != (node.constant is not None):
        raise ValueError(f"{_where(node)}: needs two operands, or one and a constant")
    if node.counts is not None:
        a, b = (operand.ravel()[_places(node, node.counts, walk, operand.size)]
                for operand, walk in zip((a, b), node.reads, strict=True))
    if b is None:
        b = np.full_like(a, node.constant)
    if a.shape != b.shape:
        raise ValueError(f"{_where(node)}: operands of shapes {a.shape} and {b.shape} differ")
    aligned = a << node.shift_a, b << node.shift_b
    operations = {
        "add": partial(np.add, *aligned), "sub": partial(np.subtract, *aligned),
        "max": partial(np.maximum, *aligned), "min": partial(np.minimum, *aligned),
        "mul": partial(np.multiply, a, b)}
    if node.operation == "div":
        return _divide(a, b, node.shift)
    if node.operation not in operations:
        raise ValueError(f"{_where(node)}: unknown operation {node.operation!r}; operations are "
                         f"{', '.join([*operations, 'div'])}")
    return requantise(operations[node.operation](), node.shift)


def _divide(a, b, shift):
    """Return floor(a * 2**shift / b + 1/2); by zero what saturates by the sign of a."""
    divisor = np.where(b == 0, 1, b)
    quotient = (2 * (a << shift) + divisor) // (2 * divisor)
    return np.where(b == 0, np.sign(a) << 16, quotient)
