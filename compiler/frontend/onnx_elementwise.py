"""ONNX operators that work sample by sample on several tensors and constants."""

import functools

import numpy as np

from .onnx_operator import Operator
from .onnx_steps import Steps

__all__ = ["ELEMENTWISE", "power"]

_NUMPY = {"add": np.add, "max": np.maximum, "min": np.minimum}


def _binary(operation):
    """Return the operator on two tensors, or on a tensor and a constant."""
    def handler(layer):
        steps, swapped = Steps(layer), layer.is_constant(0)
        if swapped or layer.is_constant(1):
            data, index = (1, 0) if swapped else (0, 1)
            layer.shape(data)
            name = steps.with_constant(operation, layer.inputs[data],
                                       layer.constant(index, "constant"), swapped)
        else:
            layer.shape(0), layer.shape(1)
            name = steps.join(operation, *layer.inputs[:2])
        layer.result(name, steps.shape(name))
    return Operator(handler)


def _variadic(operation, mean=False):
    """Return the operator on any number of tensors and constants."""
    def handler(layer):
        steps, indices = Steps(layer), range(len(layer.inputs))
        tensors = [index for index in indices if not layer.is_constant(index)]
        if not tensors:
            raise layer.malformed("has no input that depends on the model's")
        for index in tensors:
            layer.shape(index)
        name = functools.reduce(functools.partial(steps.join, operation),
                                [layer.inputs[index] for index in tensors])
        constants = [layer.constant(index, "constant") for index in indices
                     if index not in tensors]
        if constants:
            try:
                values = functools.reduce(_NUMPY[operation], constants)
            except ValueError as error:
                raise layer.malformed(str(error)) from None
            name = steps.with_constant(operation, name, values)
        if mean and len(layer.inputs) > 1:
            name = steps.line(name, 1 / len(layer.inputs))
        layer.result(name, steps.shape(name))
    return Operator(handler)


def _negate(layer):
    shape = layer.shape()
    layer.result(Steps(layer).line(layer.inputs[0], -1), shape)


def _reciprocal(layer):
    shape = layer.shape()
    layer.result(Steps(layer).with_constant("div", layer.inputs[0], 1.0, swapped=True), shape)


def power(steps, name, exponent):
    """Return a tensor to the power of a number.

    Squares and quotients are operators; other powers are tables, of positive numbers unless the
    exponent is whole.
    """
    if exponent == 0:
        return steps.with_constant("add", steps.line(name, 0), 1.0)
    if exponent == 1:
        return name
    if exponent == 2:
        return steps.square(name)
    if exponent == 0.5:
        return steps.function(name, "sqrt")
    if exponent < 0:
        return steps.with_constant("div", power(steps, name, -exponent), 1.0, swapped=True)
    return steps.function(name, "power" if float(exponent).is_integer() else "root", exponent)


def _power(layer):
    steps = Steps(layer)
    if layer.is_constant(1) and layer.constant(1, "exponent").size == 1:
        exponent = layer.constant(1, "exponent")
        shape = np.broadcast_shapes(layer.shape(), exponent.shape)
        name = power(steps, layer.inputs[0], float(exponent.reshape(())))
        layer.result(steps.reshape(name, shape), shape)
        return
    # The logarithm of a base that is not negative, times the exponent, as an exponent of e.
    if layer.is_constant(0):
        base = layer.constant(0, "base")
        if base.min() <= 0:
            raise layer.fault(f"a base of {base.min():g} with a computed exponent; supported are "
                              "positive numbers")
        layer.shape(1)
        name = steps.with_constant("mul", layer.inputs[1], np.log(base))
    else:
        layer.shape(0)
        logarithm = steps.function(layer.inputs[0], "log_from_0")
        if layer.is_constant(1):
            name = steps.with_constant("mul", logarithm, layer.constant(1, "exponent"))
        else:
            layer.shape(1)
            name = steps.join("mul", logarithm, layer.inputs[1])
    layer.result(steps.function(name, "exp"), steps.shape(name))


#: Operators sample by sample.
ELEMENTWISE = {
    "Add": _binary("add"),
    "Div": _binary("div"),
    "Max": _variadic("max"),
    "Mean": _variadic("add", mean=True),
    "Min": _variadic("min"),
    "Mul": _binary("mul"),
    "Neg": Operator(_negate),
    "Pow": Operator(_power, constants=(1,)),
    "Reciprocal": Operator(_reciprocal),
    "Sub": _binary("sub"),
    "Sum": _variadic("add"),
}
