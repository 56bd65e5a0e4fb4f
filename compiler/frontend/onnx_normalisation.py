"""ONNX operators that bring samples to a common mean, spread or norm."""

import math

import numpy as np

from compiler.graph import Affine

from .onnx_elementwise import power
from .onnx_operator import Operator
from .onnx_steps import Steps

__all__ = ["NORMALISATION"]

#: Norm by which zeros are divided.
_LEAST_NORM = 2.0**-60


def _batch_norm(layer):
    layer.require("training_mode", 0, 0, "0 (inference)")
    layer.require("spatial", 1, 1, "1 (statistics a map)")
    shape = layer.shape()
    channels = shape[1] if len(shape) > 1 else 1
    scale, offset, mean, variance = (
        layer.constant(index, what, shape=(channels,))
        for index, what in enumerate(("scales", "offsets", "means", "variances"), 1))
    spread = variance + layer.attribute("epsilon", 1e-5)
    if spread.min() <= 0:
        raise layer.malformed(f"a variance plus epsilon is {spread.min():g}; it must be positive")
    factor = scale / np.sqrt(spread)
    maps = layer.channels_first()
    samples = maps[0] // channels
    layer.emit(Affine, shape, [layer.view(maps)], maps, scale=np.tile(factor, samples),
               offset=np.tile(offset - mean * factor, samples))


def _deviation(steps, name, axes, epsilon, centred=True):
    """Return (mean or None, deviations from it, their root mean square) over axes."""
    mean = steps.mean(name, axes) if centred else None
    off = steps.join("sub", name, mean) if centred else name
    variance = steps.mean(steps.square(off), axes)
    if epsilon:
        variance = steps.line(variance, 1, epsilon)
    return mean, off, steps.function(variance, "sqrt")


def _scaled(layer, steps, name, first, shape=None):
    """Return a tensor times the constant input ``first`` plus the one after it, if given."""
    for index, operation in ((first, "mul"), (first + 1, "add")):
        if layer.has(index):
            values = layer.constant(index, "scales" if index == first else "offsets")
            name = steps.with_constant(operation, name, values if shape is None else
                                       _per_channel(layer, index, values, shape))
    return name


def _per_channel(layer, index, values, shape):
    """Return one value a channel in a shape that broadcasts to ``shape``."""
    if values.shape != (shape[1],):
        raise layer.malformed(f"{layer.inputs[index]!r} has shape {list(values.shape)}, not "
                              f"[{shape[1]}]")
    return values.reshape(-1, *(1,) * (len(shape) - 2))


def _instance_norm(layer):
    shape, steps = _spatial(layer), Steps(layer)
    _, off, spread = _deviation(steps, layer.inputs[0], range(2, len(shape)),
                                layer.attribute("epsilon", 1e-5))
    layer.result(_scaled(layer, steps, steps.join("div", off, spread), 1, shape), shape)


def _group_norm(layer):
    shape, steps = _spatial(layer), Steps(layer)
    groups = layer.attribute("num_groups", 0)
    if groups < 1 or shape[1] % groups:
        raise layer.malformed(f"{shape[1]} channels are not in {groups} groups")
    grouped = steps.reshape(layer.inputs[0], (shape[0], groups, math.prod(shape[1:]) // groups))
    _, off, spread = _deviation(steps, grouped, [2], layer.attribute("epsilon", 1e-5))
    name = steps.join("div", off, spread)
    if layer.importer.opset < 21:
        # One scale and offset a group.
        name = _scaled(layer, steps, name, 1, (shape[0], groups, 1))
        layer.result(steps.reshape(name, shape), shape)
    else:
        layer.result(_scaled(layer, steps, steps.reshape(name, shape), 1, shape), shape)


def _spatial(layer):
    shape = layer.shape()
    if len(shape) < 3:
        raise layer.malformed(f"input {layer.inputs[0]!r} has shape {list(shape)}, without "
                              "spatial dimensions")
    return shape


def _layer_norm(centred):
    """Return LayerNormalization, or RMSNormalization, which takes no mean out."""
    def handler(layer):
        shape, steps = layer.shape(), Steps(layer)
        axes = range(layer.axis(shape, -1), len(shape))
        mean, off, spread = _deviation(steps, layer.inputs[0], axes,
                                       layer.attribute("epsilon", 1e-5), centred)
        name = _scaled(layer, steps, steps.join("div", off, spread), 1)
        layer.result(name, shape)
        if centred and layer.wants(1):
            layer.result(mean, steps.shape(mean), 1)
        if centred and layer.wants(2):
            inverse = steps.with_constant("div", spread, 1.0, swapped=True)
            layer.result(inverse, steps.shape(inverse), 2)
    return Operator(handler, ("axis", "epsilon", "stash_type"), constants=(1, 2), outputs=3)


def _mean_variance(layer):
    shape, steps = layer.shape(), Steps(layer)
    axes = layer.attribute("axes", [0, 2, 3])
    if any(not -len(shape) <= axis < len(shape) for axis in axes):
        raise layer.malformed(f"axes {axes} do not fit shape {list(shape)}")
    _, off, spread = _deviation(steps, layer.inputs[0], [axis % len(shape) for axis in axes], 1e-9)
    layer.result(steps.join("div", off, spread), shape)


def _lp_norm(layer):
    shape, steps, name = layer.shape(), Steps(layer), layer.inputs[0]
    order, axis = layer.attribute("p", 2), layer.axis(shape, -1)
    if order not in (1, 2):
        raise layer.malformed(f"attribute p is {order}; it must be 1 or 2")
    norm = (steps.norm(name, [axis]) if order == 2 else
            steps.reduce(steps.function(name, "abs"), "sum", [axis]))
    # Zeros stay zeros: the machine has 0 / 0 = 0.
    norm = steps.limit(norm, "max", _LEAST_NORM)
    layer.result(steps.join("div", name, norm), shape)


def _lrn(layer):
    """Make x / (bias + alpha / size * sum of squares of the channels around)**beta."""
    shape, steps, name = layer.shape(), Steps(layer), layer.inputs[0]
    size = layer.attribute("size", 0)
    alpha, beta = layer.attribute("alpha", 1e-4), layer.attribute("beta", 0.75)
    bias = layer.attribute("bias", 1.0)
    if len(shape) < 2 or size < 1 or bias <= 0:
        raise layer.malformed(f"size {size} and bias {bias:g} over shape {list(shape)}")
    samples, channels, inner = shape[0], shape[1], math.prod(shape[2:])
    # No window need reach further than from the first channel to the last one.
    before = min((size - 1) // 2, channels - 1)
    after = min(size // 2, channels - 1)
    window = before + 1 + after
    square = steps.pool(steps.square(name), (samples, channels, inner), shape,
                        (samples, channels, inner), kind="average", window=(window, 1),
                        stride=(1, 1), padding=(before, 0, after, 0), count_include_pad=True)
    divisor = power(steps, steps.line(square, alpha * window / size, bias), beta)
    layer.result(steps.join("div", name, divisor), shape)


#: Normalisation.
NORMALISATION = {
    "BatchNormalization": Operator(
        _batch_norm, ("epsilon", "momentum", "spatial", "training_mode"), constants=(1, 2, 3, 4)),
    "GroupNormalization": Operator(_group_norm, ("epsilon", "num_groups", "stash_type"),
                                   constants=(1, 2)),
    "InstanceNormalization": Operator(_instance_norm, ("epsilon",), constants=(1, 2)),
    "LRN": Operator(_lrn, ("alpha", "beta", "bias", "size")),
    "LayerNormalization": _layer_norm(centred=True),
    "LpNormalization": Operator(_lp_norm, ("axis", "p")),
    "MeanVarianceNormalization": Operator(_mean_variance, ("axes",)),
    "RMSNormalization": _layer_norm(centred=False),
}
