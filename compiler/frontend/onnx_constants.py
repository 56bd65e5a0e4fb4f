"""Folding of ONNX nodes whose inputs are all constants: exporters' sums on shapes and weights."""

import functools
import math

import numpy as np
import onnx

from .onnx_quantised import dequantise, quantise

__all__ = ["FOLDED", "as_type", "constant_value", "fold", "shape_of"]

#: Values of one folded constant.
MOST_VALUES = 1 << 27


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
    """Return what a node of constant ``arrays`` computes: one array an output.

    Raises
    ------
    ModelError
        If its inputs or attributes contradict each other.
    """
    function, attributes = _FOLDS[layer.op]
    layer.check_attributes(attributes)
    try:
        with np.errstate(all="ignore"):
            made = function(layer, *arrays)
    except (ValueError, IndexError, TypeError, OverflowError, MemoryError,
            ZeroDivisionError) as error:
        raise layer.malformed(f"cannot be computed: {error}") from None
    return made if isinstance(made, list) else [made]


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
    def compute(layer, *arrays):
        _limit(math.prod(np.broadcast_shapes(*(array.shape for array in arrays))))
        return functools.reduce(function, arrays)
    return compute


def _divide(a, b):
    # ONNX's integers are divided towards zero.
    if a.dtype.kind in "iu" and b.dtype.kind in "iu":
        return np.trunc(a / b).astype(np.int64)
    return a / b


def _cast(layer, values):
    return as_type(values, layer.attribute("to", 0))


def as_type(values, kind):
    """Return values as an ONNX type; all float types are float64 here, all integers int64."""
    name = onnx.TensorProto.DataType.Name(kind)
    if "FLOAT" in name or name == "DOUBLE":
        return values.astype(np.float64)
    if name == "BOOL":
        return values.astype(bool)
    if "INT" not in name:
        raise ValueError(f"type {name}")
    return values.astype(np.int64)


def _constant_of_shape(layer, shape):
    value = layer.attributes.get("value")
    value = np.zeros(1) if value is None else onnx.numpy_helper.to_array(value.t)
    _limit(math.prod(int(size) for size in shape))
    value = as_type(value, onnx.TensorProto.INT64 if value.dtype.kind in "iu" else
                    onnx.TensorProto.BOOL if value.dtype.kind == "b" else onnx.TensorProto.FLOAT)
    return np.full([int(size) for size in shape], value.reshape(()))


def _range(layer, start, limit, step):
    _limit(abs(int((limit - start) / step)))
    return np.arange(start.item(), limit.item(), step.item())


def _slice(layer, values, *bounds):
    if not bounds:
        bounds = [np.array(layer.attribute(name, [])) for name in ("starts", "ends", "axes")]
        bounds = bounds if bounds[2].size else bounds[:2]
    starts, ends, axes, steps = (*bounds, *[None] * (4 - len(bounds)))
    axes = range(len(starts)) if axes is None else axes
    steps = [1] * len(starts) if steps is None else steps
    parts = [slice(None)] * values.ndim
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        parts[int(axis)] = slice(int(start), int(end), int(step))
    return values[tuple(parts)]


def _reduction(function):
    def compute(layer, values, *axes):
        chosen = _axes(layer, axes)
        if not chosen and layer.attribute("noop_with_empty_axes", 0):
            return values
        return np.asarray(function(values, axis=chosen or None,
                                   keepdims=bool(layer.attribute("keepdims", 1))))
    return compute


def _expand(layer, values, shape):
    made = np.broadcast_shapes(values.shape, tuple(int(size) for size in shape))
    _limit(math.prod(made))
    return np.broadcast_to(values, made).copy()


def _tile(layer, values, repeats):
    _limit(values.size * math.prod(int(times) for times in repeats))
    return np.tile(values, [int(times) for times in repeats])


def _split(layer, values, *sizes):
    sizes = sizes[0] if sizes else layer.attribute("split", [])
    places = np.cumsum(sizes)[:-1] if len(sizes) else len(layer.outputs)
    return np.split(values, places, axis=layer.attribute("axis", 0))


def _function(function):
    return lambda layer, values: np.asarray(function(values))


_REDUCED = ("axes", "keepdims", "noop_with_empty_axes")

#: Function and known attributes of each operator.
_FOLDS = {
    "Abs": (_function(np.abs), ()),
    "Add": (_elementwise(np.add), ()),
    "And": (_elementwise(np.logical_and), ()),
    "Cast": (_cast, ("round_mode", "saturate", "to")),
    "Ceil": (_function(np.ceil), ()),
    "Concat": (lambda layer, *arrays: np.concatenate(arrays, layer.attribute("axis", 0)),
               ("axis",)),
    "ConstantOfShape": (_constant_of_shape, ("value",)),
    "DequantizeLinear": (dequantise, ("axis", "block_size", "output_dtype")),
    "Div": (_elementwise(_divide), ()),
    "Equal": (_elementwise(np.equal), ()),
    "Exp": (_function(np.exp), ()),
    "Expand": (_expand, ()),
    "Flatten": (_flatten, ("axis",)),
    "Floor": (_function(np.floor), ()),
    "Gather": (_gather, ("axis",)),
    "Greater": (_elementwise(np.greater), ()),
    "GreaterOrEqual": (_elementwise(np.greater_equal), ()),
    "Identity": (lambda layer, values: values, ()),
    "Less": (_elementwise(np.less), ()),
    "LessOrEqual": (_elementwise(np.less_equal), ()),
    "Log": (_function(np.log), ()),
    "Max": (_elementwise(np.maximum), ()),
    "Min": (_elementwise(np.minimum), ()),
    "Mul": (_elementwise(np.multiply), ()),
    "Neg": (_function(np.negative), ()),
    "Not": (_function(np.logical_not), ()),
    "Or": (_elementwise(np.logical_or), ()),
    "Pow": (_elementwise(np.power), ()),
    "QuantizeLinear": (quantise, ("axis", "block_size", "output_dtype", "precision", "saturate")),
    "Range": (_range, ()),
    "Reciprocal": (_function(np.reciprocal), ()),
    "ReduceMax": (_reduction(np.max), _REDUCED),
    "ReduceMean": (_reduction(np.mean), _REDUCED),
    "ReduceMin": (_reduction(np.min), _REDUCED),
    "ReduceProd": (_reduction(np.prod), _REDUCED),
    "ReduceSum": (_reduction(np.sum), _REDUCED),
    "Reshape": (_reshape, ("allowzero",)),
    "Shape": (lambda layer, values: shape_of(layer, values.shape), ("end", "start")),
    "Size": (lambda layer, values: np.array(values.size), ()),
    "Slice": (_slice, ("axes", "ends", "starts")),
    "Split": (_split, ("axis", "num_outputs", "split")),
    "Sqrt": (_function(np.sqrt), ()),
    "Squeeze": (lambda layer, values, *axes: np.squeeze(values, _axes(layer, axes)), ("axes",)),
    "Sub": (_elementwise(np.subtract), ()),
    "Tile": (_tile, ()),
    "Transpose": (_transpose, ("perm",)),
    "Unsqueeze": (lambda layer, values, *axes: np.expand_dims(values, _axes(layer, axes)),
                  ("axes",)),
    "Where": (lambda layer, chosen, *arrays: np.where(chosen.astype(bool), *arrays), ()),
}

#: Operators that are computed when all their inputs are constants.
FOLDED = frozenset(_FOLDS)


def shape_of(layer, shape):
    """Return the value of a Shape node for a tensor of ``shape``."""
    rank = len(shape)
    start, end = layer.attribute("start", 0), layer.attribute("end", rank)
    return np.array(shape[slice(start, end)], np.int64)
