"""ONNX operators that are a function of one sample."""

import math

import numpy as np

from compiler.graph import Activation

from .onnx_operator import Operator
from .onnx_steps import Steps

__all__ = ["FUNCTIONS"]

#: Constants of Selu that make activations tend to mean 0 and variance 1 (Klambauer et al., 2017,
#: "Self-Normalizing Neural Networks"), as ONNX states them.
_SELU = (1.67326319217681884765625, 1.05070102214813232421875)


def _function(name, **defaults):
    """Return the operator of a function of `compiler.functions`, attributes its parameters."""
    def handler(layer):
        parameters = tuple(layer.attribute(key, value) for key, value in defaults.items())
        layer.emit(Activation, layer.shape(), None, layer.maps(), function=name,
                   parameters=parameters)
    return Operator(handler, tuple(defaults))


def _leaky_relu(layer):
    slope = layer.attribute("alpha", 0.01)
    if not abs(slope) < 2:
        raise layer.fault(f"attribute alpha is {slope:g}; supported are slopes between -2 and 2")
    layer.emit(Activation, layer.shape(), None, layer.maps(), function="leaky_relu",
               parameters=(slope,))


def _clip(layer):
    if layer.importer.opset < 11:
        low, high = layer.attribute("min", -math.inf), layer.attribute("max", math.inf)
    else:
        low = layer.scalar(1, "min", -math.inf) if layer.has(1) else -math.inf
        high = layer.scalar(2, "max", math.inf) if layer.has(2) else math.inf
    # ONNX: what is below both bounds and above the higher one alike becomes the higher one.
    low = min(low, high)
    layer.emit(Activation, layer.shape(), None, layer.maps(), function="clip",
               parameters=(low, high))


def _unit_line(steps, name, alpha, beta):
    """Return clip(alpha * x + beta, 0, 1), whose corners no table of curves would hit."""
    return steps.function(steps.line(name, alpha, beta), "clip", 0.0, 1.0)


def _hard_sigmoid(layer):
    shape, alpha, beta = layer.shape(), layer.attribute("alpha", 0.2), layer.attribute("beta", 0.5)
    layer.result(_unit_line(Steps(layer), layer.inputs[0], alpha, beta), shape)


def _hard_swish(layer):
    shape, steps, name = layer.shape(), Steps(layer), layer.inputs[0]
    layer.result(steps.join("mul", name, _unit_line(steps, name, 1 / 6, 0.5)), shape)


def _prelu(layer):
    """Make max(x, 0) + slope * min(x, 0)."""
    shape, maps = layer.shape(), layer.maps()
    slope = layer.constant(1, "slopes")
    try:
        np.broadcast_to(slope, shape)
    except ValueError:
        raise layer.malformed(f"slopes {layer.inputs[1]!r} of shape {list(slope.shape)} do not "
                              f"broadcast to {list(shape)}") from None
    if slope.size == 1 and abs(slope).max() < 2:
        layer.emit(Activation, shape, None, maps, function="leaky_relu",
                   parameters=(float(slope.reshape(())),))
        return
    steps, name = Steps(layer), layer.inputs[0]
    below = steps.with_constant("mul", steps.limit(name, "min", 0), slope)
    layer.result(steps.join("add", steps.function(name, "relu"), below), shape)


def _gelu(layer):
    kind = layer.attribute("approximate", "none")
    if kind not in ("none", "tanh"):
        raise layer.malformed(f"attribute approximate is {kind!r}; it must be 'none' or 'tanh'")
    layer.emit(Activation, layer.shape(), None, layer.maps(),
               function="gelu_tanh" if kind == "tanh" else "gelu")


def _acosh(layer):
    """Make log(x + sqrt(x - 1) * sqrt(x + 1)): a table would be too steep where acosh begins."""
    shape, steps, name = layer.shape(), Steps(layer), layer.inputs[0]
    root = steps.join("mul", *(steps.function(steps.line(name, 1, offset), "sqrt")
                               for offset in (-1, 1)))
    layer.result(steps.function(steps.join("add", name, root), "log"), shape)


def _shrink(layer):
    """Make f(x) - f(-x) of the half that is not 0 above the limit: each has one jump."""
    shape, steps, name = layer.shape(), Steps(layer), layer.inputs[0]
    bias, limit = layer.attribute("bias", 0.0), layer.attribute("lambd", 0.5)
    if limit < 0:
        raise layer.fault(f"attribute lambd is {limit:g}; supported are limits of at least 0")
    above, below = (steps.function(half, "shrink", bias, limit)
                    for half in (name, steps.line(name, -1)))
    layer.result(steps.join("sub", above, below), shape)


#: Functions of one sample.
FUNCTIONS = {
    "Abs": _function("abs"),
    "Acosh": Operator(_acosh),
    "Asinh": _function("asinh"),
    "Atan": _function("atan"),
    "Celu": _function("celu", alpha=1.0),
    "Clip": Operator(_clip, ("max", "min"), constants=(1, 2)),
    "Cos": _function("cos"),
    "Cosh": _function("cosh"),
    "Elu": _function("elu", alpha=1.0),
    "Erf": _function("erf"),
    "Exp": _function("exp"),
    "Gelu": Operator(_gelu, ("approximate",)),
    "HardSigmoid": Operator(_hard_sigmoid, ("alpha", "beta")),
    "HardSwish": Operator(_hard_swish),
    "LeakyRelu": Operator(_leaky_relu, ("alpha",)),
    "Log": _function("log"),
    "Mish": _function("mish"),
    "PRelu": Operator(_prelu, constants=(1,)),
    "Relu": _function("relu"),
    "Selu": _function("selu", alpha=_SELU[0], gamma=_SELU[1]),
    "Shrink": Operator(_shrink, ("bias", "lambd")),
    "Sigmoid": _function("sigmoid"),
    "Sin": _function("sin"),
    "Sinh": _function("sinh"),
    "Softplus": _function("softplus"),
    "Softsign": _function("softsign"),
    "Sqrt": _function("sqrt"),
    "Swish": _function("swish", alpha=1.0),
    "Tanh": _function("tanh"),
    "ThresholdedRelu": _function("thresholded_relu", alpha=1.0),
}
