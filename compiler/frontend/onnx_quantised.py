"""ONNX quantisation to integers of 8 or 16 bits and back: steps of the scales that a model states.

A quantised tensor holds its integers less their zero point, so that 0 is 0. Where these have more
than the 16 bits of a sample, its steps are as fine as a sample's own: it holds the real numbers.
"""

import math

import numpy as np

from compiler.graph import Activation

from .onnx_operator import Operator
from .onnx_steps import Steps

__all__ = ["QUANTISED", "dequantise", "quantise"]

#: Whole numbers that a sample can be.
_LOWEST, _HIGHEST = -32768, 32767


def _scale(layer):
    """Return the one scale, and the zero point or None, of a layer."""
    scale = layer.constant(1, "scales")
    zero = layer.importer.constants.get(layer.inputs[2]) if layer.has(2) else None
    if layer.has(2) and zero is None:
        raise layer.fault(f"zero points {layer.inputs[2]!r} are computed; supported are constants")
    if scale.size != 1 or (zero is not None and zero.size != 1):
        raise layer.fault(f"scales of shape {list(scale.shape)} for a computed tensor; supported "
                          "is one scale, and one for each channel of constant weights")
    scale = float(scale.reshape(()))
    if not scale > 0:
        raise layer.malformed(f"scale {scale:g} is not positive")
    return scale, zero


def _quantise(layer):
    shape, (scale, zero) = layer.shape(), _scale(layer)
    layer.require("block_size", 0, 0, "0")
    if zero is None:
        if layer.attribute("output_dtype", 2) not in (0, 2):
            raise layer.fault("attribute output_dtype without a zero point; give the zero point")
        zero = np.zeros((), np.uint8)
    if zero.dtype.kind not in "iu" or zero.dtype.itemsize > 2:
        raise layer.fault(f"zero point of type {zero.dtype}; supported are integers of 8 and 16 "
                          "bits")
    bounds, zero_point = np.iinfo(zero.dtype), int(zero.reshape(()))
    low, high = bounds.min - zero_point, bounds.max - zero_point
    output = layer.outputs[0]
    if output in layer.importer.outputs:
        raise layer.fault(f"its output {output!r} is one of the network; supported are quantised "
                          "tensors that DequantizeLinear reads")
    if _LOWEST <= low and high <= _HIGHEST:
        step, function, parameters = 1.0, "steps", (1 / scale, float(low), float(high))
    else:
        step, function, parameters = scale, "clip", (low * scale, high * scale)
    layer.emit(Activation, shape, None, layer.maps(), function=function, parameters=parameters)
    layer.importer.integers[output] = ("a QuantizeLinear", "a DequantizeLinear that reads it")
    layer.importer.quantised[output] = (zero_point, step)


def _dequantise(layer):
    name = layer.inputs[0] if layer.has(0) else None
    if name not in layer.importer.quantised:
        layer.shape()
        raise layer.fault(f"input {name!r} is not made by a QuantizeLinear; supported are such, "
                          "and constants")
    layer.require("block_size", 0, 0, "0")
    scale, zero = _scale(layer)
    zero_point = 0 if zero is None else int(zero.reshape(()))
    steps, (quantised_zero, step) = Steps(layer), layer.importer.quantised[name]
    offset = (quantised_zero - zero_point) * scale
    layer.result(steps.line(name, scale / step, offset), steps.shape(name))


def _spread(layer, values, array):
    """Return scales or zero points in a shape that broadcasts to ``array``."""
    if values.size == 1:
        return values.reshape(())
    axis = layer.attribute("axis", 1)
    shape = [1] * array.ndim
    shape[axis] = math.prod(values.shape)
    return values.reshape(shape)


def dequantise(layer, array, scale, zero=None):
    """Return the real values of constant integers."""
    if layer.attribute("block_size", 0):
        raise ValueError("block_size is not supported")
    zero = 0 if zero is None else _spread(layer, zero.astype(np.float64), array)
    return (array.astype(np.float64) - zero) * _spread(layer, scale, array)


def quantise(layer, array, scale, zero=None):
    """Return the integers of constant values, rounded to the nearest, halves to the even one."""
    if layer.attribute("block_size", 0):
        raise ValueError("block_size is not supported")
    kind = np.dtype(np.uint8) if zero is None else zero.dtype
    if kind.kind not in "iu":
        raise ValueError(f"type {kind}")
    bounds = np.iinfo(kind)
    zero = 0 if zero is None else _spread(layer, zero.astype(np.float64), array)
    counted = array.astype(np.float32) / _spread(layer, scale, array).astype(np.float32)
    return np.clip(np.rint(counted) + zero, bounds.min, bounds.max).astype(kind)


_ATTRIBUTES = ("axis", "block_size", "output_dtype", "precision", "saturate")

#: Quantisation.
QUANTISED = {
    "DequantizeLinear": Operator(_dequantise, _ATTRIBUTES, constants=(1, 2)),
    "QuantizeLinear": Operator(_quantise, _ATTRIBUTES, constants=(1, 2)),
}
