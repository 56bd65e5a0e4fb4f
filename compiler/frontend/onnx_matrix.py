"""ONNX products of matrices: constant ones are weights, computed ones are multiplied in pairs."""

import math

import numpy as np

from compiler.boxes import Walk, merge
from compiler.graph import Conv, Elementwise, Gemm

from .onnx_layer import maps_shape
from .onnx_operator import Operator
from .onnx_steps import Steps

__all__ = ["MATRIX", "weigh"]

#: Products of pairs of a computed matrix with another.
MOST_PAIRS = 1 << 28


def weigh(steps, name, weights, bias, groups=1):
    """Return weighted sums of the first dimension of a tensor.

    Parameters
    ----------
    steps : Steps
        The layer.
    name : str
        Tensor of ONNX shape (groups * values, ...).
    weights : numpy.ndarray
        (groups * sums, values).
    bias : numpy.ndarray
        (groups * sums,).
    groups : int
        Parts of the dimension that are summed apart.

    Returns
    -------
    str
        Tensor of ONNX shape (groups * sums, ...).
    """
    shape = steps.shape(name)
    sides = maps_shape((1, 1, *shape[1:]))[-2:] if math.prod(shape[1:]) > 1 else (1, 1)
    rest = (math.prod(shape[1:]) // sides[-1], sides[-1])
    made = (len(weights), *shape[1:])
    layer = steps.layer
    return layer.step(Conv, made, [layer.reshaped(name, (shape[0], *rest))],
                      (len(weights), *rest), weights=weights[:, :, None, None], bias=bias,
                      groups=groups)


def _right_weights(steps, name, weights, bias):
    """Return the rows of a tensor (.., values) times a matrix (values, sums), plus (sums,)."""
    shape = steps.shape(name)
    rows, sums = math.prod(shape[:-1]), weights.shape[1]
    made = (*shape[:-1], sums)
    if rows == 1:
        layer = steps.layer
        return layer.step(Gemm, made, [layer.reshaped(name, (shape[-1], 1, 1))], (sums, 1, 1),
                          weights=weights.T, bias=bias)
    columns = steps.transpose(steps.reshape(name, (rows, shape[-1])), (1, 0))
    columns = weigh(steps, columns, weights.T, bias)
    return steps.reshape(steps.transpose(columns, (1, 0)), made)


def _left_weights(steps, weights, name):
    """Return a matrix (sums, values) times each of the computed ones (.., values, columns)."""
    *samples, values, columns = steps.shape(name)
    count = math.prod(samples)
    flat = steps.reshape(name, (count * values, columns))
    made = weigh(steps, flat, np.tile(weights, (count, 1)), np.zeros(count * len(weights)), count)
    return steps.reshape(made, (*samples, len(weights), columns))


def _pairs(steps, first, second):
    """Return the product of two tensors of matrices: the sums of the products of all pairs."""
    (*outer, rows, values), (*other, _, columns) = steps.shape(first), steps.shape(second)
    batch = np.broadcast_shapes(tuple(outer), tuple(other))
    made = (*batch, rows, columns)
    if math.prod(made) * values > MOST_PAIRS:
        raise steps.layer.fault(f"{math.prod(made)} sums of {values} products of computed samples; "
                                f"supported are {MOST_PAIRS} products")
    strides = [_batch_strides(batch, outer, rows * values) + [values, 0, 1],
               _batch_strides(batch, other, values * columns) + [0, 1, columns]]
    counts, *walks = merge((*made, values), *strides)
    target = maps_shape((*made, values))
    product = steps.layer.step(
        Elementwise, (*made, values), [first, second], target, operation="mul", counts=counts,
        reads=tuple(Walk(0, walk) for walk in walks), target=target)
    return steps.reduce(product, "sum", [len(made)], keep=False)


def _batch_strides(batch, shape, size):
    """Return how far apart matrices of ``size`` samples are along the dimensions of ``batch``."""
    full = [1] * (len(batch) - len(shape)) + list(shape)
    return [0 if count == 1 else size * math.prod(full[axis + 1:])
            for axis, count in enumerate(full)]


def _multiply(steps, first, second):
    """Return the product of two operands, names or arrays, of at least two dimensions each."""
    shapes = [operand.shape if isinstance(operand, np.ndarray) else steps.shape(operand)
              for operand in (first, second)]
    try:
        np.broadcast_shapes(*(shape[:-2] for shape in shapes))
    except ValueError:
        shapes[0] = (0, 0)
    if shapes[0][-1] != shapes[1][-2]:
        raise steps.layer.malformed(f"matrices of shapes {list(shapes[0])} and {list(shapes[1])} "
                                    "do not fit each other")
    if isinstance(second, np.ndarray) and second.ndim == 2:
        return _right_weights(steps, first, second, np.zeros(second.shape[1]))
    if isinstance(first, np.ndarray) and first.ndim == 2:
        return _left_weights(steps, first, second)
    return _pairs(steps, *(steps.constant(operand) if isinstance(operand, np.ndarray) else operand
                           for operand in (first, second)))


def _operands(layer, what):
    """Return inputs 0 and 1: arrays where they are constants, else names."""
    operands = []
    for index in (0, 1):
        constant = layer.is_constant(index)
        if not constant:
            layer.shape(index)
        operands.append(layer.constant(index, what) if constant else layer.inputs[index])
    if all(isinstance(operand, np.ndarray) for operand in operands):
        raise layer.malformed("has no input that depends on the model's")
    return operands


def _matmul(layer):
    steps, (first, second) = Steps(layer), _operands(layer, "weights")
    shapes = [np.shape(operand) if isinstance(operand, np.ndarray) else steps.shape(operand)
              for operand in (first, second)]
    if not all(shapes):
        raise layer.malformed("a factor is a number, not a matrix; Mul takes numbers")
    # A vector is one row on the left, one column on the right.
    if len(shapes[0]) == 1:
        first = _shaped(steps, first, (1, *shapes[0]))
    if len(shapes[1]) == 1:
        second = _shaped(steps, second, (*shapes[1], 1))
    name = _multiply(steps, first, second)
    *batch, rows, columns = steps.shape(name)
    made = (*batch, *([rows] if len(shapes[0]) > 1 else []),
            *([columns] if len(shapes[1]) > 1 else []))
    layer.result(steps.reshape(name, made), made)


def _shaped(steps, operand, shape):
    if isinstance(operand, np.ndarray):
        return operand.reshape(shape)
    return steps.reshape(operand, shape)


def _gemm(layer):
    steps, operands = Steps(layer), _operands(layer, "weights")
    for index, flag in enumerate(("transA", "transB")):
        operand = operands[index]
        shape = operand.shape if isinstance(operand, np.ndarray) else steps.shape(operand)
        if len(shape) != 2:
            raise layer.malformed(f"input {layer.inputs[index]!r} has shape {list(shape)}; it must "
                                  "be a matrix: flatten it first")
        if layer.attribute(flag, 0):
            operands[index] = operand.T if isinstance(operand, np.ndarray) \
                else steps.transpose(operand, (1, 0))
    alpha, beta = layer.attribute("alpha", 1.0), layer.attribute("beta", 1.0)
    scaled = [isinstance(operand, np.ndarray) for operand in operands]
    if any(scaled):
        operands[scaled.index(True)] = operands[scaled.index(True)] * alpha
    name = _product(layer, steps, operands, beta)
    if not any(scaled) and alpha != 1:
        name = steps.line(name, alpha)
    if layer.has(2) and not layer.is_constant(2):
        layer.shape(2)
        added = layer.inputs[2] if beta == 1 else steps.line(layer.inputs[2], beta)
        name = steps.join("add", name, added)
    layer.result(name, steps.shape(name))


def _product(layer, steps, operands, beta):
    """Return the product plus a constant bias, which is part of the weights where it can be."""
    bias = layer.constant(2, "bias") * beta if layer.is_constant(2) else None
    first, second = operands
    made = tuple(operand.shape[axis] if isinstance(operand, np.ndarray)
                 else steps.shape(operand)[axis] for axis, operand in enumerate(operands))
    if bias is not None:
        try:
            np.broadcast_to(bias, made)
        except ValueError:
            raise layer.malformed(f"bias {layer.inputs[2]!r} of shape {list(bias.shape)} does not "
                                  f"fit {made[0]}x{made[1]} outputs") from None
        rows = 1 if bias.ndim < 2 else bias.shape[0]
        values = steps.shape(first)[1] if isinstance(first, str) else None
        if isinstance(second, np.ndarray) and rows == 1 and len(second) == values:
            return _right_weights(steps, first, second,
                                  np.broadcast_to(bias, (1, made[1])).reshape(-1))
    name = _multiply(steps, first, second)
    return name if bias is None else steps.with_constant("add", name, bias)


#: Products of matrices.
MATRIX = {
    "Gemm": Operator(_gemm, ("alpha", "beta", "transA", "transB"), constants=(1, 2)),
    "MatMul": Operator(_matmul),
}
