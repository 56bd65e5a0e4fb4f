"""ONNX products of a computed tensor and a constant matrix."""

import math

import numpy as np

from compiler.graph import Conv, Gemm

from .onnx_operator import Operator

__all__ = ["MATRIX"]

#: Weights of a product whose matrix is repeated for every row of the tensor.
MOST_REPEATED = 1 << 22


def _gemm(layer):
    transposed = layer.attribute("transA", 0)
    shape = layer.shape(0)
    if len(shape) != 2:
        raise layer.malformed(f"input {layer.inputs[0]!r} has shape {list(shape)}; it must be a "
                              "matrix: flatten it first")
    if transposed and 1 not in shape:
        raise layer.fault(f"attribute transA is 1 for a tensor of shape {list(shape)}; supported "
                          "is 0")
    rows, values = reversed(shape) if transposed else shape
    weights = layer.constant(1, "weights", rank=2) * layer.attribute("alpha", 1.0)
    weights = weights if layer.attribute("transB", 0) else weights.T
    outputs = len(weights)
    bias = layer.constant(2, "bias", default=np.zeros(1)) * layer.attribute("beta", 1.0)
    try:
        bias = np.broadcast_to(bias, (rows, outputs))
    except ValueError:
        raise layer.malformed(f"bias {layer.inputs[2]!r} of shape {list(bias.shape)} does not fit "
                              f"{rows}x{outputs} outputs") from None
    _product(layer, (rows, outputs), rows, values, weights, bias)


def _product(layer, shape, rows, values, weights, bias):
    """Make rows of ``values`` samples times a matrix (outputs, values), plus (rows, outputs)."""
    outputs = len(weights)
    if weights.shape[1] != values:
        raise layer.malformed(f"weights {layer.inputs[1]!r} are for {weights.shape[1]} values, "
                              f"input {layer.inputs[0]!r} has {values}")
    if rows == 1:
        layer.emit(Gemm, shape, [layer.view((values, 1, 1))], (outputs, 1, 1), weights=weights,
                   bias=bias.reshape(outputs))
        return
    if rows * weights.size > MOST_REPEATED:
        raise layer.fault(f"{rows} rows times a matrix of {weights.size} weights; supported are "
                          f"{MOST_REPEATED} products in all")
    # Every row is a group of maps of its own.
    layer.emit(Conv, shape, [layer.view((rows * values, 1, 1))], (rows * outputs, 1, 1),
               weights=np.tile(weights, (rows, 1))[:, :, None, None], bias=bias.reshape(-1),
               groups=rows)


def _matmul(layer):
    if layer.is_constant(0):
        _left_matrix(layer)
        return
    shape, weights = layer.shape(0), layer.constant(1, "weights")
    if weights.ndim > 2:
        raise layer.fault(f"weights {layer.inputs[1]!r} have shape {list(weights.shape)}; "
                          "supported is one matrix")
    made = (*shape[:-1], *weights.shape[1:])
    weights = weights.reshape(len(weights), -1).T
    rows = math.prod(shape[:-1])
    _product(layer, made, rows, shape[-1], weights, np.zeros((rows, len(weights))))


def _left_matrix(layer):
    """Make a constant matrix times a computed one, whose columns are positions of maps."""
    weights, shape = layer.constant(0, "weights"), layer.shape(1)
    if weights.ndim != 2 or len(shape) not in (1, 2):
        raise layer.fault(f"weights {layer.inputs[0]!r} have shape {list(weights.shape)}, input "
                          f"{layer.inputs[1]!r} {list(shape)}; supported is one matrix times one")
    if weights.shape[1] != shape[0]:
        raise layer.malformed(f"weights {layer.inputs[0]!r} are for {weights.shape[1]} values, "
                              f"input {layer.inputs[1]!r} has {shape[0]}")
    columns = math.prod(shape[1:])
    layer.emit(Conv, (len(weights), *shape[1:]), [layer.view((shape[0], 1, columns), 1)],
               (len(weights), 1, columns), weights=weights[:, :, None, None],
               bias=np.zeros(len(weights)))


#: Products of matrices.
MATRIX = {
    "Gemm": Operator(_gemm, ("alpha", "beta", "transA", "transB"), constants=(1, 2)),
    "MatMul": Operator(_matmul, constants=(1,)),
}
