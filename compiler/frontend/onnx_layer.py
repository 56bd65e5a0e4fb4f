"""One ONNX node as the front end sees it: checked access to attributes, constants and shapes."""

import math

import numpy as np
import onnx

from compiler.errors import ModelError, UnsupportedError
from compiler.graph import Identity, Reshape

__all__ = ["LARGEST_SIDE", "Layer", "maps_shape"]

#: Rows or columns of a map, padding included, that the front end lets through.
LARGEST_SIDE = 32767

#: Attributes that switch something on.
_FLAGS = ("allowzero", "antialias", "ceil_mode", "count_include_pad", "exclude_outside",
          "keepdims", "noop_with_empty_axes", "saturate", "select_last_index", "transA", "transB")

_TYPES = {int: onnx.AttributeProto.INT, float: onnx.AttributeProto.FLOAT,
          str: onnx.AttributeProto.STRING, list: onnx.AttributeProto.INTS,
          tuple: onnx.AttributeProto.FLOATS}


def maps_shape(shape):
    """Return (channels, rows, columns) for an ONNX shape.

    A first dimension of 1, the batch, is dropped; missing dimensions are 1, and of more than three
    the first ones are multiplied. What has too many rows or columns becomes maps of one sample.
    The order of the samples is the same.
    """
    inner = tuple(shape[1:] if len(shape) > 1 and shape[0] == 1 else shape)
    maps = (math.prod(inner[:-2]), *inner[-2:]) if len(inner) > 3 \
        else inner + (1,) * (3 - len(inner))
    return maps if max(maps[1:]) <= LARGEST_SIDE else (math.prod(maps), 1, 1)


class Layer:
    """A node of the ONNX graph, with what is known about its inputs.

    Parameters
    ----------
    node : onnx.NodeProto
        The node.
    importer : Importer
        Holds ``shapes``, ``constants``, ``integers`` and ``opset``; takes what `emit` makes.
    """

    def __init__(self, node, importer):
        self.importer = importer
        self.op = node.op_type if node.domain in ("", "ai.onnx") \
            else f"{node.domain}.{node.op_type}"
        self.inputs = list(node.input)
        self.outputs = list(node.output)
        self.name = node.name or next(filter(None, self.outputs), self.op)
        self.attributes = {attribute.name: attribute for attribute in node.attribute}
        if len(self.attributes) < len(node.attribute):
            raise self.malformed("has two attributes of the same name")

    def fault(self, text):
        """Return the error that says what of this layer is not supported."""
        return UnsupportedError([f"{self.name} ({self.op}): {text}"])

    def malformed(self, text):
        """Return the error that says what of this layer is not ONNX."""
        return ModelError(f"{self.importer.where}: {self.name} ({self.op}): {text}")

    def check_attributes(self, known):
        """Raise for an attribute that the handler does not know, or a flag that is none."""
        for name in self.attributes:
            if name not in known:
                raise self.fault(f"attribute {name} is not supported; supported are "
                                 f"{', '.join(sorted(known)) or 'none'}")
            if name in _FLAGS and self.attribute(name, 0) not in (0, 1):
                raise self.malformed(f"attribute {name} is {self.attribute(name, 0)}; it must be "
                                     "0 or 1")

    def attribute(self, name, default):
        """Return an attribute of the type of ``default``.

        That is int, float, str, a list of int or a tuple of float.
        """
        attribute = self.attributes.get(name)
        if attribute is None:
            return default
        kind = type(default)
        if attribute.type != _TYPES[kind]:
            raise self.malformed(f"attribute {name} is not of type {kind.__name__}")
        value = onnx.helper.get_attribute_value(attribute)
        if kind is str:
            return value.decode(errors="replace")
        return [int(item) for item in value] if kind is list else kind(value)

    def sizes(self, name, default, least=1):
        """Return an attribute of as many integers as ``default``, each at least ``least``.

        What must be positive, steps and sizes of windows, is at most 32767.
        """
        values = tuple(self.attribute(name, list(default)))
        if len(values) != len(default):
            raise self.malformed(f"attribute {name} has {len(values)} values, {list(values)}; it "
                                 f"must have {len(default)}")
        for value in values:
            if value < least or least > 0 and value > LARGEST_SIDE:
                most = f" and at most {LARGEST_SIDE}" if least > 0 else ""
                raise self.fault(f"attribute {name} is {list(values)}; its values must be at "
                                 f"least {least}{most}")
        return values

    def require(self, name, default, value, supported):
        """Raise unless an integer attribute has the one value that is supported."""
        found = self.attribute(name, default)
        if found != value:
            raise self.fault(f"attribute {name} is {found}; supported is {supported}")

    def has(self, index):
        """Return whether an input is given."""
        return index < len(self.inputs) and bool(self.inputs[index])

    def axis(self, shape, default):
        """Return the attribute axis as an index of a shape."""
        axis = self.attribute("axis", default)
        if not -len(shape) <= axis < len(shape):
            raise self.malformed(f"attribute axis is {axis}, the input has {len(shape)} dimensions")
        return axis % len(shape)

    def wants(self, output):
        """Return whether an output is given a name that a node reads or the user gets."""
        return output < len(self.outputs) and self.outputs[output] in self.importer.used

    def is_constant(self, index):
        """Return whether an input is a constant."""
        return self.has(index) and self.inputs[index] in self.importer.constants

    def shape(self, index=0):
        """Return the ONNX shape of an input that is computed."""
        if not self.has(index):
            raise self.malformed(f"input {index} is missing")
        if self.is_constant(index):
            raise self.fault(f"input {index}, {self.inputs[index]!r}, is a constant; supported is "
                             "a tensor that depends on the model's input")
        if self.inputs[index] in self.importer.integers:
            what, supported = self.importer.integers[self.inputs[index]]
            raise self.fault(f"input {index}, {self.inputs[index]!r}, holds the integers of "
                             f"{what}; supported is {supported}")
        return self.importer.shapes[self.inputs[index]]

    def maps(self, index=0):
        """Return (channels, rows, columns) of an input that is computed."""
        self.shape(index)
        return self.importer.maps[self.inputs[index]]

    def channels_first(self, index=0):
        """Return the maps of an input whose dimension 1 is its channels: one a sample of each."""
        shape = self.shape(index)
        return (math.prod(shape[:2]), math.prod(shape[2:-1]), shape[-1] if len(shape) > 2 else 1)

    def view(self, maps, index=0):
        """Return the name of a computed input under a shape of (channels, rows, columns)."""
        self.shape(index)
        return self.reshaped(self.inputs[index], maps)

    def reshaped(self, name, maps):
        """Return the name of a tensor under a shape of (channels, rows, columns)."""
        if self.importer.maps[name] == maps:
            return name
        return self.step(Reshape, self.importer.shapes[name], [name], maps, target=maps)

    def constant(self, index, what, *, rank=None, shape=None, default=None):
        """Return a constant input as finite float64; ``default`` if it is not given.

        Raises
        ------
        UnsupportedError
            If it is computed, or of another rank.
        ModelError
            If it is of another shape, or a value is not finite.
        """
        if not self.has(index):
            if default is None:
                raise self.malformed(f"{what} (input {index}) are missing")
            return default
        name = self.inputs[index]
        if name not in self.importer.constants:
            raise self.fault(f"{what} {name!r} are computed; supported are constants "
                             "(initialisers)")
        values = self.importer.constants[name]
        label = f"{what} (initialiser {name!r})"
        if rank is not None and values.ndim != rank:
            raise self.fault(f"{label} have shape {list(values.shape)}; supported are {rank} "
                             "dimensions")
        if shape is not None and values.shape != shape:
            raise self.malformed(f"{label} have shape {list(values.shape)}, not {list(shape)}")
        if values.size == 0:
            raise self.malformed(f"{label} have shape {list(values.shape)}: no values")
        bad = ~np.isfinite(values)
        if bad.any():
            first = [int(position) for position in np.argwhere(bad)[0]]
            raise self.malformed(f"{label} hold {int(bad.sum())} values that are NaN or infinite, "
                                 f"the first at {first}; weights must be finite")
        return values.astype(np.float64)

    def scalar(self, index, what, default):
        """Return a constant input of one value; ``default`` if it is not given."""
        values = self.constant(index, what, default=np.array(default))
        if values.size != 1:
            raise self.malformed(f"{what} has shape {list(values.shape)}; it must be one value")
        return float(values.reshape(()))

    def integers(self, index, what):
        """Return a constant input of integers as a list."""
        return [int(value) for value in self.whole_numbers(index, what, rank=1)]

    def whole_numbers(self, index, what, rank=None):
        """Return a constant input of integers as an array."""
        if not self.is_constant(index) or self.importer.constants[self.inputs[index]].size:
            self.constant(index, what, rank=rank)
        values = self.importer.constants[self.inputs[index]]
        if values.dtype.kind not in "iu":
            raise self.malformed(f"{what} are not integers")
        return values.astype(np.int64)

    def emit(self, node_class, shape, inputs=None, maps=None, /, *, output=0, **fields):
        """Add a node of the float graph that makes an output with an ONNX shape.

        ``maps`` is its (channels, rows, columns) where these are not the shape's own.
        """
        self._add(self.outputs[output], node_class, tuple(shape), maps or maps_shape(shape),
                  self.inputs[:1] if inputs is None else inputs, fields)

    def step(self, node_class, shape, inputs, maps=None, /, **fields):
        """Add a node on the way to an output; return the name of the tensor that it makes."""
        output = self.importer.new_tensor(self.outputs[0])
        self._add(output, node_class, tuple(shape), maps or maps_shape(shape), inputs, fields)
        return output

    def result(self, name, shape, output=0):
        """Make a tensor that `step` made, or an input, an output with an ONNX shape."""
        if not self.importer.rename(self, name, self.outputs[output], tuple(shape)):
            self.emit(Identity, shape, [name], self.importer.maps[name], output=output)

    def _add(self, output, node_class, shape, maps, inputs, fields):
        if min(shape, default=1) < 1:
            raise self.fault(f"output {self.outputs[0]!r} would have shape {list(shape)}; every "
                             "dimension must be at least 1")
        if max(maps[1:]) > LARGEST_SIDE:
            raise self.fault(f"output {self.outputs[0]!r} has shape {list(shape)}; supported are "
                             f"at most {LARGEST_SIDE} rows and columns")
        for value in fields.values():
            if isinstance(value, np.ndarray) and not np.isfinite(value).all():
                raise self.malformed("its constants make numbers that are infinite")
        self.importer.add(self, output, node_class, shape, maps, inputs, fields)
