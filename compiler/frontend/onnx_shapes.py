"""ONNX operators that name the same samples anew."""

import math

import onnx

from compiler.graph import Identity, Reshape

from .onnx_layer import maps_shape
from .onnx_operator import Operator

__all__ = ["SHAPES"]


def _same_samples(layer, shape):
    """Emit the reshape to an ONNX shape, or nothing but a name where the maps stay as they are."""
    before = layer.shape()
    if math.prod(shape) != math.prod(before):
        raise layer.malformed(f"shape {list(before)} cannot become {list(shape)}")
    maps = maps_shape(shape)
    if maps == layer.maps():
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
    layer.emit(Identity, layer.shape(), None, layer.maps())


def _dropout(layer):
    if layer.has(2) and layer.scalar(2, "training_mode", 0):
        raise layer.fault("training_mode is true; supported is inference: export the model in "
                          "evaluation mode")
    _identity(layer)


def _cast(layer):
    kind = layer.attribute("to", 0)
    if kind not in _FLOATS:
        raise layer.fault(f"attribute to is {_type_name(kind)}; supported are the float types, "
                          "which all become 16-bit samples")
    _identity(layer)


def _cast_like(layer):
    if layer.is_constant(1) and layer.constant(1, "pattern").dtype.kind != "f":
        raise layer.fault("its pattern is not of a float type; supported are the float types, "
                          "which all become 16-bit samples")
    _identity(layer)


def _type_name(kind):
    types = onnx.TensorProto.DataType
    return types.Name(kind) if kind in types.values() else kind


_FLOATS = {getattr(onnx.TensorProto, name) for name in ("FLOAT", "DOUBLE", "FLOAT16", "BFLOAT16")}

#: Reshapes, and what is left out.
SHAPES = {
    "Cast": Operator(_cast, ("round_mode", "saturate", "to")),
    "CastLike": Operator(_cast_like, ("round_mode", "saturate")),
    "Dropout": Operator(_dropout, ("ratio", "seed"), constants=(1, 2)),
    "Flatten": Operator(_flatten, ("axis",)),
    "Identity": Operator(_identity),
    "Reshape": Operator(_reshape, ("allowzero",), constants=(1,)),
    "Squeeze": Operator(_squeeze, ("axes",), constants=(1,)),
    "Unsqueeze": Operator(_unsqueeze, ("axes",), constants=(1,)),
}
