"""ONNX operators that work sample by sample on several tensors, or on a tensor and a constant."""

import math

import numpy as np

from compiler.graph import Activation, Affine, Elementwise, Identity

from .onnx_operator import Operator
from .onnx_steps import Steps

__all__ = ["ELEMENTWISE"]

#: Factors that a power with a whole exponent is made of.
MOST_FACTORS = 4


def _binary(operation, factors, reverse):
    """Return the operator on two tensors, or on a tensor and a constant a map.

    ``factors`` gives the scale and offset that a constant as input 1 is; ``reverse`` gives them for
    a constant as input 0.
    """
    def handler(layer):
        swapped = layer.is_constant(0)
        if not swapped and not layer.is_constant(1):
            shape = _common_shape(layer, (0, 1))
            maps = layer.maps(0)
            layer.emit(Elementwise, shape, [layer.inputs[0], layer.view(maps, 1)], maps,
                       operation=operation)
            return
        data, constant = (1, 0) if swapped else (0, 1)
        shape, maps = layer.shape(data), layer.maps(data)
        value = _value_a_map(layer, constant, shape, maps)
        source = layer.inputs[data]
        if swapped and operation == "div":
            source = Steps(layer).function(source, "reciprocal")
        scale, offset = (reverse if swapped else factors)(value)
        if not np.isfinite(scale).all():
            raise layer.malformed("divides by zero")
        layer.emit(Affine, shape, [source], maps, scale=scale, offset=offset)
    return Operator(handler)


def _common_shape(layer, indices):
    """Return the shape that the inputs of these indices all have."""
    shapes = {layer.inputs[index]: layer.shape(index) for index in indices}
    if len(set(shapes.values())) > 1:
        listed = " and ".join(str(list(shape)) for shape in shapes.values())
        raise layer.fault(f"inputs have shapes {listed}; supported are tensors of one shape, or a "
                          "constant")
    return layer.shape(indices[0])


def _value_a_map(layer, index, shape, maps):
    """Return a constant input as one value for each map of a tensor of ``shape``."""
    values = layer.constant(index, "constant")
    supported = "supported is one value, or one a map"
    try:
        full = np.broadcast_to(values, shape)
    except ValueError:
        raise layer.fault(f"a constant of shape {list(values.shape)} with a tensor of shape "
                          f"{list(shape)}; {supported}") from None
    full = full.reshape(maps)
    if not (full == full[:, :1, :1]).all():
        raise layer.fault(f"a constant of shape {list(values.shape)} that differs within a map; "
                          f"{supported}")
    return full[:, 0, 0].copy()


def _divide(value):
    with np.errstate(divide="ignore"):
        return 1 / value, np.zeros_like(value)


def _scale(value):
    return value, np.zeros_like(value)


def _offset(value):
    return np.ones_like(value), value


def _split(layer):
    """Return the shape of a layer of any number of inputs, its tensors, and its constants a map."""
    tensors = [index for index in range(len(layer.inputs)) if not layer.is_constant(index)]
    if not tensors:
        raise layer.malformed("has no input that depends on the model's")
    shape, maps = _common_shape(layer, tensors), layer.maps(tensors[0])
    constants = [_value_a_map(layer, index, shape, maps) for index in range(len(layer.inputs))
                 if index not in tensors]
    return shape, [layer.inputs[index] for index in tensors], constants


def _extreme(operation, choose):
    """Return Max or Min."""
    def handler(layer):
        shape, (name, *others), constants = _split(layer)
        steps = Steps(layer)
        for other in others:
            name = steps.join(operation, name, other)
        if constants:
            values = np.unique(choose(constants, axis=0))
            if len(values) > 1:
                raise layer.fault("a constant that differs from map to map; supported is one value")
            name = steps.limit(name, operation, values[0])
        layer.result(name, shape)
    return Operator(handler)


def _sum(mean):
    """Return Sum, or Mean."""
    def handler(layer):
        shape, (name, *others), constants = _split(layer)
        steps = Steps(layer)
        for other in others:
            name = steps.join("add", name, other)
        count = len(layer.inputs) if mean else 1
        if constants or count > 1:
            maps = layer.importer.maps[name][0]
            offset = np.sum(constants, axis=0) if constants else np.zeros(maps)
            name = steps.affine(name, np.full(maps, 1 / count), offset / count)
        layer.result(name, shape)
    return Operator(handler)


def _negate(layer):
    maps = layer.maps()
    layer.emit(Affine, layer.shape(), None, maps, scale=-np.ones(maps[0]),
               offset=np.zeros(maps[0]))


def _reciprocal(layer):
    layer.emit(Activation, layer.shape(), None, layer.maps(), function="reciprocal")


def _power(layer):
    shape, exponent = layer.shape(), layer.scalar(1, "exponent", math.nan)
    steps, name = Steps(layer), layer.inputs[0]
    if exponent == 0:
        raise layer.fault("exponent 0, which makes a constant; supported are other exponents")
    if exponent == 1:
        layer.emit(Identity, shape, None, layer.maps())
    elif exponent in _FUNCTIONS:
        layer.emit(Activation, shape, None, layer.maps(), function=_FUNCTIONS[exponent])
    elif float(exponent).is_integer() and 0 < exponent <= MOST_FACTORS:
        power = steps.square(name)
        if exponent > 2:
            power = steps.square(power) if exponent == 4 else steps.join("mul", power, name)
        layer.result(power, shape)
    else:
        whole = float(exponent).is_integer() and exponent > 0
        layer.emit(Activation, shape, None, layer.maps(), function="power" if whole else "root",
                   parameters=(exponent,))


_FUNCTIONS = {0.5: "sqrt", -1.0: "reciprocal"}

#: Operators sample by sample.
ELEMENTWISE = {
    "Add": _binary("add", _offset, _offset),
    "Div": _binary("div", _divide, _scale),
    "Max": _extreme("max", np.max),
    "Mean": _sum(mean=True),
    "Min": _extreme("min", np.min),
    "Mul": _binary("mul", _scale, _scale),
    "Neg": Operator(_negate),
    "Pow": Operator(_power, constants=(1,)),
    "Reciprocal": Operator(_reciprocal),
    "Sub": _binary("sub", lambda value: (np.ones_like(value), -value),
                   lambda value: (-np.ones_like(value), value)),
    "Sum": _sum(mean=False),
}
