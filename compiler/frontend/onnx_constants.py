"""Folding of ONNX nodes whose inputs are all constants: exporters' sums on shapes and weights."""

import math

import numpy as np

__all__ = ["FOLDED", "constant_value", "fold"]

#: Values of one folded constant.
MOST_VALUES = 1 << 26


def constant_value(layer, read_tensor):
    """Return the value of a Constant node; ``read_tensor`` turns a TensorProto into an array."""
    if len(layer.attributes) != 1:
        raise layer.malformed("must have exactly one attribute, its value")
    (name, attribute), = layer.attributes.items()
    if name == "value":
        return read_tensor(attribute.t, layer.name)
    if name == "value_float":
        return np.array(attribute.f, np.float64)
    if name == "value_floats":
        return np.array(attribute.floats, np.float64)
    if name == "value_int":
        return np.array(attribute.i, np.int64)
    if name == "value_ints":
        return np.array(attribute.ints, np.int64)
    raise layer.fault(f"attribute {name} is not supported; supported are numbers and tensors of "
                      "them")


def fold(layer, arrays):
    """Return what a node of constant ``arrays`` computes.

    Raises
    ------
    ModelError
        If its inputs or attributes contradict each other.
    """
    function, attributes = _FOLDS[layer.op]
    layer.check_attributes(attributes)
    try:
        return function(layer, *arrays)
    except (ValueError, IndexError, TypeError, OverflowError, MemoryError) as error:
        raise layer.malformed(f"cannot be computed: {error}") from None


def _axes(layer, arrays):
    if arrays:
        return tuple(int(axis) for axis in arrays[0].reshape(-1))
    return tuple(layer.attribute("axes", [])) or None


def _reshape(layer, values, shape):
    sizes = [int(size) for size in shape]
    if not layer.attribute("allowzero", 0):
        sizes = [values.shape[axis] if size == 0 else size for axis, size in enumerate(sizes)]
    return values.reshape(sizes)


def _flatten(layer, values):
    axis = layer.attribute("axis", 1)
    rows = int(np.prod(values.shape[:axis]))
    return values.reshape(rows, -1)


def _limit(size):
    # Small files can ask for results that no memory holds.
    if size > MOST_VALUES:
        raise ValueError(f"{size} values, at most {MOST_VALUES} are folded")


def _gather(layer, values, indices):
    _limit(values.size * indices.size)
    return np.take(values, indices.astype(np.int64), axis=layer.attribute("axis", 0))


def _transpose(layer, values):
    return values.transpose(layer.attribute("perm", []) or None)


def _elementwise(function):
    def compute(layer, a, b):
        _limit(math.prod(np.broadcast_shapes(a.shape, b.shape)))
        return function(a, b)
    return compute


#: Function and known attributes of each operator.
_FOLDS = {
    "Identity": (lambda layer, values: values, ()),
    "Reshape": (_reshape, ("allowzero",)),
    "Flatten": (_flatten, ("axis",)),
    "Transpose": (_transpose, ("perm",)),
    "Squeeze": (lambda layer, values, *axes: np.squeeze(values, _axes(layer, axes)), ("axes",)),
    "Unsqueeze": (lambda layer, values, *axes: np.expand_dims(values, _axes(layer, axes)),
                  ("axes",)),
    "Gather": (_gather, ("axis",)),
    "Concat": (lambda layer, *arrays: np.concatenate(arrays, layer.attribute("axis", 0)),
               ("axis",)),
    "Shape": (lambda layer, values: np.array(values.shape, np.int64), ()),
    "Add": (_elementwise(np.add), ()),
    "Sub": (_elementwise(np.subtract), ()),
    "Mul": (_elementwise(np.multiply), ()),
}

#: Operators that are computed when all their inputs are constants.
FOLDED = frozenset(_FOLDS)
