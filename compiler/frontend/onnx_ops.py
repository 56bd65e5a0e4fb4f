"""What each supported ONNX operator becomes in the float graph."""

import math

import numpy as np

from compiler.graph import (
    Activation,
    Affine,
    Conv,
    Gemm,
    Identity,
    Pad,
    Pool,
    Reshape,
    window_outputs,
)

from .onnx_elementwise import ELEMENTWISE
from .onnx_layer import maps_shape
from .onnx_maps import MAPS
from .onnx_windows import window_padding

__all__ = ["OPERATORS"]

#: Weights of a layer whose kernels dilation has spread.
LARGEST_KERNELS = 1 << 26


def _outputs(size, window, stride, padding):
    top, left, bottom, right = padding
    return (window_outputs(size[0], window[0], stride[0], top, bottom),
            window_outputs(size[1], window[1], stride[1], left, right))


def _conv(layer):
    channels, *size = layer.map_shape("2-D convolution")
    weights = layer.constant(1, "weights", rank=4)
    maps, per_group, *kernel = weights.shape
    groups = layer.attribute("group", 1)
    if groups < 1 or maps % groups or channels != per_group * groups:
        raise layer.malformed(
            f"weights {layer.inputs[1]!r} of shape {list(weights.shape)} do not fit {channels} "
            f"input maps in {groups} groups")
    stated = layer.sizes("kernel_shape", kernel)
    if stated != tuple(kernel):
        raise layer.malformed(f"attribute kernel_shape is {list(stated)}, the weights are "
                              f"{kernel[0]}x{kernel[1]}")
    bias = layer.constant(2, "bias", shape=(maps,), default=np.zeros(maps))
    stride = layer.sizes("strides", (1, 1))
    dilation = layer.sizes("dilations", (1, 1))
    window = tuple((taps - 1) * step + 1 for taps, step in zip(kernel, dilation, strict=True))
    padding = window_padding(layer, size, window, stride)
    if window != tuple(kernel):
        if maps * per_group * math.prod(window) > LARGEST_KERNELS:
            raise layer.fault(f"attribute dilations is {list(dilation)}, which makes kernels of "
                              f"{window[0]}x{window[1]}; supported are {LARGEST_KERNELS} weights "
                              "in all with the zeros between them")
        spread = np.zeros((maps, per_group, *window))
        spread[:, :, ::dilation[0], ::dilation[1]] = weights
        weights = spread
    layer.emit(Conv, (1, maps, *_outputs(size, window, stride, padding)), weights=weights,
               bias=bias, stride=stride, padding=padding, groups=groups)


def _pool(kind):
    def handler(layer):
        channels, *size = layer.map_shape("2-D pooling")
        window = layer.sizes("kernel_shape", (0, 0))
        stride = layer.sizes("strides", (1, 1))
        if layer.sizes("dilations", (1, 1)) != (1, 1):
            raise layer.fault(f"attribute dilations is {list(layer.sizes('dilations', (1, 1)))}; "
                              "supported is [1, 1]")
        layer.require("storage_order", 0, 0, "0 (row major)")
        count_pad = bool(layer.attribute("count_include_pad", 0))
        padding = window_padding(layer, size, window, stride)
        if layer.attribute("ceil_mode", 0):
            grown = window_padding(layer, size, window, stride, ceil=True)
            if grown != padding and kind == "average" and count_pad:
                raise layer.fault("attribute ceil_mode is 1 and makes windows that leave the "
                                  "padded map while count_include_pad is 1; supported is either")
            padding = grown
        for index, name in enumerate(("top", "left", "bottom", "right")):
            if padding[index] >= window[index % 2]:
                raise layer.fault(f"{name} padding {padding[index]} leaves windows of "
                                  f"{window[0]}x{window[1]} with no sample of the map; supported "
                                  "is padding smaller than the window")
        layer.emit(Pool, (1, channels, *_outputs(size, window, stride, padding)), kind=kind,
                   window=window, stride=stride, padding=padding, count_include_pad=count_pad)
    return handler


def _global_pool(kind):
    def handler(layer):
        channels, *size = layer.map_shape("2-D pooling")
        layer.emit(Pool, (1, channels, 1, 1), kind=kind, window=tuple(size), stride=(1, 1))
    return handler


def _activation(function):
    def handler(layer):
        layer.emit(Activation, layer.shape(), function=function)
    return handler


def _leaky_relu(layer):
    slope = layer.attribute("alpha", 0.01)
    if not abs(slope) < 2:
        raise layer.fault(f"attribute alpha is {slope:g}; supported are slopes between -2 and 2")
    layer.emit(Activation, layer.shape(), function="leaky_relu", parameters=(slope,))


def _clip(layer):
    if layer.importer.opset < 11:
        low, high = layer.attribute("min", -math.inf), layer.attribute("max", math.inf)
    else:
        low = layer.scalar(1, "min", -math.inf) if layer.has(1) else -math.inf
        high = layer.scalar(2, "max", math.inf) if layer.has(2) else math.inf
    if not low <= high:
        raise layer.malformed(f"min is {low:g}, which is not at most max, {high:g}")
    layer.emit(Activation, layer.shape(), function="clip", parameters=(low, high))


def _vector(layer):
    shape = layer.shape(0)
    if len(shape) != 2 or shape[0] != 1:
        raise layer.fault(f"input {layer.inputs[0]!r} has shape {list(shape)}; supported is "
                          "(1, values) times a constant matrix: flatten it first")
    return shape[1]


def _fully_connected(layer, weights, bias):
    values = _vector(layer)
    if weights.shape[1] != values:
        raise layer.malformed(f"weights {layer.inputs[1]!r} are for {weights.shape[1]} values, "
                              f"input {layer.inputs[0]!r} has {values}")
    layer.emit(Gemm, (1, len(weights)), weights=weights, bias=bias)


def _gemm(layer):
    layer.require("transA", 0, 0, "0")
    weights = layer.constant(1, "weights", rank=2) * layer.attribute("alpha", 1.0)
    weights = weights if layer.attribute("transB", 0) else weights.T
    outputs = len(weights)
    bias = layer.constant(2, "bias", default=np.zeros(1)) * layer.attribute("beta", 1.0)
    try:
        bias = np.broadcast_to(bias, (1, outputs)).reshape(outputs)
    except ValueError:
        raise layer.malformed(f"bias {layer.inputs[2]!r} of shape {list(bias.shape)} does not fit "
                              f"{outputs} outputs") from None
    _fully_connected(layer, weights, bias)


def _matmul(layer):
    weights = layer.constant(1, "weights", rank=2)
    _fully_connected(layer, weights.T, np.zeros(weights.shape[1]))


def _batch_norm(layer):
    layer.require("training_mode", 0, 0, "0 (inference)")
    layer.require("spatial", 1, 1, "1 (statistics a map)")
    shape = layer.shape()
    channels = maps_shape(shape)[0]
    scale, offset, mean, variance = (
        layer.constant(index, what, shape=(channels,))
        for index, what in enumerate(("scales", "offsets", "means", "variances"), 1))
    spread = variance + layer.attribute("epsilon", 1e-5)
    if spread.min() <= 0:
        raise layer.malformed(f"a variance plus epsilon is {spread.min():g}; it must be positive")
    factor = scale / np.sqrt(spread)
    layer.emit(Affine, shape, scale=factor, offset=offset - mean * factor)


def _same_samples(layer, shape):
    """Emit the reshape to an ONNX shape, or nothing but a name where the maps stay as they are."""
    before = layer.shape()
    if math.prod(shape) != math.prod(before):
        raise layer.malformed(f"shape {list(before)} cannot become {list(shape)}")
    maps = maps_shape(shape)
    if maps == maps_shape(before):
        layer.emit(Identity, shape)
    else:
        layer.emit(Reshape, shape, target=maps)


def _reshape(layer):
    before = layer.shape()
    sizes = layer.integers(1, "the new shape")
    if not layer.attribute("allowzero", 0):
        if any(size == 0 and axis >= len(before) for axis, size in enumerate(sizes)):
            raise layer.malformed(f"shape {sizes} keeps a dimension that {list(before)} lacks")
        sizes = [before[axis] if size == 0 else size for axis, size in enumerate(sizes)]
    if min(sizes, default=1) < -1 or sizes.count(-1) > 1:
        raise layer.malformed(f"shape {sizes} has negative dimensions; one may be -1")
    if -1 in sizes:
        known = -math.prod(sizes)
        if known == 0 or math.prod(before) % known:
            raise layer.malformed(f"shape {list(before)} cannot become {sizes}")
        sizes[sizes.index(-1)] = math.prod(before) // known
    _same_samples(layer, tuple(sizes))


def _flatten(layer):
    before = layer.shape()
    axis = layer.attribute("axis", 1)
    if not -len(before) <= axis <= len(before):
        raise layer.malformed(f"attribute axis is {axis}, the input has {len(before)} dimensions")
    axis += len(before) if axis < 0 else 0
    _same_samples(layer, (math.prod(before[:axis]), math.prod(before[axis:])))


def _axes(layer):
    if layer.has(1):
        return layer.integers(1, "axes")
    return layer.attribute("axes", [])


def _squeeze(layer):
    before, axes = layer.shape(), _axes(layer)
    if any(not -len(before) <= axis < len(before) or before[axis] != 1 for axis in axes):
        raise layer.malformed(f"axes {axes} of shape {list(before)} are not all of size 1")
    drop = {axis % len(before) for axis in axes} if axes else \
        {axis for axis, size in enumerate(before) if size == 1}
    _same_samples(layer, tuple(size for axis, size in enumerate(before) if axis not in drop))


def _unsqueeze(layer):
    before, axes = layer.shape(), _axes(layer)
    rank = len(before) + len(axes)
    places = {axis % rank for axis in axes}
    if len(places) != len(axes) or any(not -rank <= axis < rank for axis in axes):
        raise layer.malformed(f"axes {axes} do not fit shape {list(before)}")
    sizes = iter(before)
    _same_samples(layer, tuple(1 if axis in places else next(sizes) for axis in range(rank)))


def _identity(layer):
    layer.emit(Identity, layer.shape())


def _dropout(layer):
    if layer.has(2) and layer.scalar(2, "training_mode", 0):
        raise layer.fault("training_mode is true; supported is inference: export the model in "
                          "evaluation mode")
    _identity(layer)


def _pad(layer):
    shape = layer.shape()
    mode = layer.attribute("mode", "constant")
    if mode != "constant":
        raise layer.fault(f"attribute mode is {mode!r}; supported is 'constant', with 0")
    if layer.importer.opset < 11:
        pads, value = layer.attribute("pads", []), layer.attribute("value", 0.0)
    else:
        pads, value = layer.integers(1, "pads"), layer.scalar(2, "constant_value", 0.0)
    if layer.has(3):
        raise layer.fault("axes are given; supported are pads of all dimensions")
    if len(pads) != 2 * len(shape):
        raise layer.malformed(f"{len(pads)} pads for {len(shape)} dimensions")
    if len(shape) != 4 or value or min(pads) < 0 or any(pads[axis] for axis in (0, 1, 4, 5)):
        raise layer.fault(f"pads {pads} with {value:g} of shape {list(shape)}; supported are zeros "
                          "around the rows and columns of (1, channels, rows, columns)")
    top, left, bottom, right = pads[2], pads[3], pads[6], pads[7]
    layer.emit(Pad, (1, shape[1], top + shape[2] + bottom, left + shape[3] + right),
               padding=(top, left, bottom, right))


_WINDOW = ("auto_pad", "ceil_mode", "dilations", "kernel_shape", "pads", "strides")

#: Handler and known attributes of each operator.
OPERATORS = dict(sorted({
    **ELEMENTWISE,
    **MAPS,
    "Abs": (_activation("abs"), ()),
    "AveragePool": (_pool("average"), (*_WINDOW, "count_include_pad")),
    "BatchNormalization": (_batch_norm, ("epsilon", "momentum", "spatial", "training_mode")),
    "Clip": (_clip, ("max", "min")),
    "Conv": (_conv, ("auto_pad", "dilations", "group", "kernel_shape", "pads", "strides")),
    "Dropout": (_dropout, ("ratio", "seed")),
    "Exp": (_activation("exp"), ()),
    "Flatten": (_flatten, ("axis",)),
    "Gemm": (_gemm, ("alpha", "beta", "transA", "transB")),
    "GlobalAveragePool": (_global_pool("average"), ()),
    "GlobalMaxPool": (_global_pool("max"), ()),
    "Identity": (_identity, ()),
    "LeakyRelu": (_leaky_relu, ("alpha",)),
    "Log": (_activation("log"), ()),
    "MatMul": (_matmul, ()),
    "MaxPool": (_pool("max"), (*_WINDOW, "storage_order")),
    "Pad": (_pad, ("mode", "pads", "value")),
    "Reciprocal": (_activation("reciprocal"), ()),
    "Relu": (_activation("relu"), ()),
    "Reshape": (_reshape, ("allowzero",)),
    "Sigmoid": (_activation("sigmoid"), ()),
    "Sqrt": (_activation("sqrt"), ()),
    "Squeeze": (_squeeze, ("axes",)),
    "Tanh": (_activation("tanh"), ()),
    "Unsqueeze": (_unsqueeze, ("axes",)),
}.items()))
