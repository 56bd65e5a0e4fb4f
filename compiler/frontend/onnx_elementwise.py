"""ONNX operators that work sample by sample on several tensors, or on a tensor and a constant."""

import math

import numpy as np

from compiler.graph import Activation, Affine, Elementwise, Identity

from .onnx_layer import maps_shape

__all__ = ["ELEMENTWISE"]


def _binary(operation, factors, reverse):
    """Return the handler of an operator on two tensors, or on a tensor and a constant a map.

    ``factors`` gives the scale and offset that a constant as input 1 is; ``reverse`` gives them for
    a constant as input 0.
    """
    def handler(layer):
        swapped = layer.is_constant(0)
        if not swapped and not layer.is_constant(1):
            shape = _common_shape(layer, (0, 1))
            layer.emit(Elementwise, shape, layer.inputs[:2], operation=operation)
            return
        data, constant = (1, 0) if swapped else (0, 1)
        shape = layer.shape(data)
        value = _value_a_map(layer, constant, shape)
        source = layer.inputs[data]
        if swapped and operation == "div":
            source = layer.step(Activation, shape, [source], function="reciprocal")
        scale, offset = (reverse if swapped else factors)(value)
        if not np.isfinite(scale).all():
            raise layer.malformed("divides by zero")
        layer.emit(Affine, shape, [source], scale=scale, offset=offset)
    return handler


def _common_shape(layer, indices):
    """Return the shape that the inputs of these indices all have."""
    shapes = {layer.inputs[index]: layer.shape(index) for index in indices}
    if len(set(shapes.values())) > 1:
        listed = " and ".join(str(list(shape)) for shape in shapes.values())
        raise layer.fault(f"inputs have shapes {listed}; supported are tensors of one shape, or a "
                          "constant")
    return layer.shape(indices[0])


def _value_a_map(layer, index, shape):
    """Return a constant input as one value for each map of a tensor of ``shape``."""
    values = layer.constant(index, "constant")
    supported = "supported is one value, or one a map"
    try:
        full = np.broadcast_to(values, shape)
    except ValueError:
        raise layer.fault(f"a constant of shape {list(values.shape)} with a tensor of shape "
                          f"{list(shape)}; {supported}") from None
    full = full.reshape(maps_shape(shape))
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
    shape = _common_shape(layer, tensors)
    constants = [_value_a_map(layer, index, shape) for index in range(len(layer.inputs))
                 if index not in tensors]
    return shape, [layer.inputs[index] for index in tensors], constants


def _chain(layer, shape, source, steps):
    """Emit nodes one behind the other: (class, further inputs, fields) each; none is a copy."""
    steps = steps or [(Identity, (), {})]
    for node_class, more, fields in steps[:-1]:
        source = layer.step(node_class, shape, [source, *more], **fields)
    node_class, more, fields = steps[-1]
    layer.emit(node_class, shape, [source, *more], **fields)


def _extreme(operation, choose):
    """Return the handler of Max or Min."""
    def handler(layer):
        shape, (first, *others), constants = _split(layer)
        steps = [(Elementwise, (other,), {"operation": operation}) for other in others]
        if constants:
            values = np.unique(choose(constants, axis=0))
            if len(values) > 1:
                raise layer.fault("a constant that differs from map to map; supported is one value")
            steps.append((Elementwise, (), {"operation": operation, "constant": float(values[0])}))
        _chain(layer, shape, first, steps)
    return handler


def _sum(mean):
    """Return the handler of Sum, or of Mean."""
    def handler(layer):
        shape, (first, *others), constants = _split(layer)
        steps = [(Elementwise, (other,), {"operation": "add"}) for other in others]
        count = len(layer.inputs) if mean else 1
        if constants or count > 1:
            maps = maps_shape(shape)[0]
            offset = np.sum(constants, axis=0) if constants else np.zeros(maps)
            steps.append((Affine, (), {"scale": np.full(maps, 1 / count),
                                       "offset": offset / count}))
        _chain(layer, shape, first, steps)
    return handler


def _negate(layer):
    shape = layer.shape()
    maps = maps_shape(shape)[0]
    layer.emit(Affine, shape, scale=-np.ones(maps), offset=np.zeros(maps))


def _power(layer):
    shape, exponent = layer.shape(), layer.scalar(1, "exponent", math.nan)
    if exponent == 2:
        layer.emit(Elementwise, shape, layer.inputs[:1] * 2, operation="mul")
    elif exponent == 1:
        layer.emit(Identity, shape)
    elif exponent in _POWERS:
        layer.emit(Activation, shape, function=_POWERS[exponent])
    else:
        raise layer.fault(f"exponent {exponent:g}; supported are 2, 1, 0.5 and -1")


_POWERS = {0.5: "sqrt", -1.0: "reciprocal"}

#: Handler and known attributes of each operator.
ELEMENTWISE = {
    "Add": (_binary("add", _offset, _offset), ()),
    "Div": (_binary("div", _divide, _scale), ()),
    "Max": (_extreme("max", np.max), ()),
    "Mean": (_sum(mean=True), ()),
    "Min": (_extreme("min", np.min), ()),
    "Mul": (_binary("mul", _scale, _scale), ()),
    "Neg": (_negate, ()),
    "Pow": (_power, ()),
    "Sub": (_binary("sub", lambda value: (np.ones_like(value), -value),
                    lambda value: (-np.ones_like(value), value)), ()),
    "Sum": (_sum(mean=False), ()),
}
