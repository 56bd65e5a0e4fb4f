"""ONNX models to the float graph.

Every node is checked before anything is computed from it, and all parts that are not supported are
reported together, under the names the user gave them.
"""

import itertools
import math
from dataclasses import replace
from functools import cached_property

import numpy as np

from compiler.errors import ModelError, UnsupportedError
from compiler.graph import Graph, verify

from . import onnx_constants
from .onnx_file import dimensions, model_opset, read_model, tensor_values
from .onnx_layer import Layer, maps_shape
from .onnx_ops import OPERATORS

__all__ = ["import_onnx"]

_HINTS = dict.fromkeys(
    ("ConvInteger", "DynamicQuantizeLinear", "MatMulInteger", "QLinearConv", "QLinearMatMul"),
    "give the float model, or one of QuantizeLinear and DequantizeLinear")


def import_onnx(model):
    """Read an ONNX model.

    Parameters
    ----------
    model : path, bytes or onnx.ModelProto
        The model: static shapes but for the batch, operator set 7 or newer.

    Returns
    -------
    Graph
        The verified float graph.

    Raises
    ------
    ModelError
        If it is not a well-formed ONNX model.
    UnsupportedError
        If it uses what is not supported; the message lists all of it.
    """
    proto, where = read_model(model)
    importer = Importer(proto.graph, where, model_opset(proto, where))
    graph = importer.run()
    verify(graph)
    return graph


class Importer:
    """What is known so far while the nodes of one ONNX graph are walked.

    Parameters
    ----------
    proto : onnx.GraphProto
        The graph.
    where : str
        Name of the file, for messages.
    opset : int
        Version of the standard operator set.
    """

    def __init__(self, proto, where, opset):
        self.proto, self.where, self.opset = proto, where, opset
        self.outputs = {info.name for info in proto.output}
        self.constants, self.shapes, self.maps = {}, {}, {}
        self.nodes, self.names, self.faults = [], set(), []
        #: Tensors of nodes that are not supported: nothing is known about what depends on them.
        self.unknown = set()
        #: Tensors of integers: what made them, and who alone may read them.
        self.integers = {}
        #: Zero point of quantised tensors, and what one step is in the tensor.
        self.quantised = {}

    def run(self):
        """Return the float graph.

        Raises
        ------
        ModelError, UnsupportedError
            See `import_onnx`.
        """
        if self.proto.sparse_initializer:
            raise ModelError(f"{self.where}: sparse initialisers are not supported; store them as "
                             "dense tensors")
        for tensor in self.proto.initializer:
            if tensor.name in self.constants:
                raise ModelError(f"{self.where}: initialiser {tensor.name!r} is defined twice")
            self.constants[tensor.name] = tensor_values(tensor, tensor.name, self.where)
        inputs = self._inputs()
        for node in self.proto.node:
            self._node(Layer(node, self))
        outputs = self._outputs()
        if self.faults:
            raise UnsupportedError(self.faults)
        return Graph(
            nodes=tuple(self.nodes), shapes=self.maps, inputs=inputs, outputs=outputs,
            input_shapes={name: self.shapes[name] for name in inputs},
            output_shapes={name: self.shapes[name] for name in outputs})

    def _inputs(self):
        names = []
        for info in self.proto.input:
            # Old files list initialisers among the inputs; having a value, they are constants.
            if info.name in self.constants:
                continue
            if info.name in self.shapes or not info.name:
                raise ModelError(f"{self.where}: input {info.name!r} is defined twice or nameless")
            shape = dimensions(info, self.where)
            self.shapes[info.name], self.maps[info.name] = shape, maps_shape(shape)
            names.append(info.name)
        if not names:
            raise ModelError(f"{self.where}: the model has no input; NeuFlow runs networks of at "
                             "least one")
        return tuple(names)

    def _node(self, layer):
        read = [name for name in layer.inputs if name]
        for name in read:
            if not (name in self.shapes or name in self.constants or name in self.unknown):
                raise layer.malformed(f"reads {name!r}, which no input, initialiser or node before "
                                      "it makes")
        for name in filter(None, layer.outputs):
            if name in self.shapes or name in self.constants or name in self.unknown \
                    or layer.outputs.count(name) > 1:
                raise layer.malformed(f"makes {name!r}, which is defined already")
        if not layer.outputs or not layer.outputs[0]:
            raise layer.malformed("has no output")
        try:
            self._convert(layer, read)
        except UnsupportedError as error:
            self.faults += error.faults
        self.unknown.update(name for name in layer.outputs
                            if name and name not in self.shapes and name not in self.constants)

    def _convert(self, layer, read):
        if layer.op == "Constant":
            self.constants[layer.outputs[0]] = onnx_constants.constant_value(
                layer, lambda tensor, name: tensor_values(tensor, name, self.where))
            return
        if layer.op in ("Shape", "Size") and read and read[0] in self.shapes:
            layer.check_attributes(("end", "start"))
            shape = self.shapes[read[0]]
            self.constants[layer.outputs[0]] = np.array(math.prod(shape)) if layer.op == "Size" \
                else onnx_constants.shape_of(layer, shape)
            return
        if layer.op == "CastLike" and read[0] in self.constants \
                and not any(name in self.unknown for name in read):
            # What is computed is float.
            like = self.constants.get(read[-1], np.zeros(1))
            self.constants[layer.outputs[0]] = self.constants[read[0]].astype(like.dtype)
            return
        if layer.op in onnx_constants.FOLDED and read \
                and all(name in self.constants for name in read):
            made = onnx_constants.fold(layer, [self.constants[name] for name in read])
            self.constants.update(zip(layer.outputs, made, strict=False))
            return
        if layer.op not in OPERATORS:
            hint = _HINTS.get(layer.op)
            raise layer.fault("this operator is not supported; "
                              + (hint or f"supported are {', '.join(OPERATORS)}"))
        operator = OPERATORS[layer.op]
        if not layer.has(0):
            raise layer.malformed("input 0 is missing")
        layer.check_attributes(operator.attributes)
        for name in layer.outputs[operator.outputs:] if operator.outputs else ():
            if name in self.used:
                raise layer.fault(f"output {name!r} is used; supported is the first output only")
        # What depends on an unsupported node cannot be checked further.
        if not any(name in self.unknown for name in read):
            operator.handler(layer)

    @cached_property
    def used(self):
        """Names that a node reads or the user gets."""
        return {name for node in self.proto.node for name in node.input if name} \
            | {info.name for info in self.proto.output}

    def new_tensor(self, like):
        """Return a name for a tensor that the model does not name, after one that it does."""
        return next(name for count in itertools.count(1)
                    if (name := f"{like}.{count}") not in self.named and name not in self.shapes)

    @cached_property
    def named(self):
        """Names of all tensors in the model."""
        return self.used | {name for node in self.proto.node for name in node.output} \
            | {info.name for info in self.proto.input}

    def add(self, layer, output, node_class, shape, maps, inputs, fields):
        """Append a node of the float graph; `Layer.emit` calls it with checked shapes."""
        name, count = layer.name, 2
        while name in self.names:
            name, count = f"{layer.name}_{count}", count + 1
        self.names.add(name)
        self.shapes[output], self.maps[output] = shape, maps
        self.nodes.append(node_class(name=name, inputs=tuple(inputs), output=output,
                                     layer=layer.name, **fields))

    def rename(self, layer, name, output, shape):
        """Give a tensor that a layer's last node made another name; return whether it did."""
        last = self.nodes[-1] if self.nodes else None
        if last is None or last.output != name or last.layer != layer.name or name in self.used:
            return False
        self.nodes[-1] = replace(last, output=output)
        self.maps[output], self.shapes[output] = self.maps.pop(name), shape
        del self.shapes[name]
        return True

    def _outputs(self):
        names = []
        for info in self.proto.output:
            name = info.name
            what = f"{self.where}: output {name!r}"
            if name in self.constants:
                raise ModelError(f"{what} is a constant; it must depend on an input")
            if name in self.unknown:
                continue
            if name not in self.shapes:
                raise ModelError(f"{what} is made by no node; is the file truncated?")
            if name in names:
                raise ModelError(f"{what} is listed twice")
            if all(name != node.output for node in self.nodes):
                raise ModelError(f"{what} is an input; it must be made by a node")
            self._check_stated(info, what)
            names.append(name)
        return tuple(names)

    def _check_stated(self, info, what):
        tensor = info.type.tensor_type
        stated = [entry.dim_value for entry in tensor.shape.dim if entry.HasField("dim_value")]
        if not tensor.HasField("shape") or len(stated) < len(tensor.shape.dim):
            return
        if tuple(stated) != self.shapes[info.name]:
            raise ModelError(f"{what} is stated to have shape {stated}, but its nodes make "
                             f"{list(self.shapes[info.name])}")
