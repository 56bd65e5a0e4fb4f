"""ONNX's backend interface: models run by whoever knows `onnx.backend.base` alone.

A backend gets a model before it gets data, and ONNX's tests give weights, shapes and axes as
inputs. So a model is compiled when it first runs: what an operator needs as a constant becomes one,
dimensions become those of the data, and the data decides where the binary points stand. Other
constants, other shapes or larger numbers compile it again.
"""

import numpy as np
import onnx
from onnx import numpy_helper
from onnx.backend.base import Backend, BackendRep, namedtupledict

from compiler.compile import compile_model
from compiler.frontend.onnx_ops import OPERATORS
from hdl.target import TARGETS

from .device import BACKENDS, BoardDevice, open_device
from .samples import InputError

__all__ = ["NeuFlowBackend", "PreparedModel", "bind"]

_FLOAT = onnx.TensorProto.FLOAT

#: Kinds of device that need nothing but a program.
_DEVICES = tuple(name for name in BACKENDS if name != BoardDevice.backend)


class PreparedModel(BackendRep):
    """A model that is compiled when it first runs.

    Parameters
    ----------
    model : onnx.ModelProto
        The model.
    target : str
        Name of the machine.
    device : str
        Kind of device, of `host.device.BACKENDS` but a board.

    Attributes
    ----------
    program : compiler.program.Program or None
        What ran last.
    """

    def __init__(self, model, target, device):
        self.model, self.target, self.device = model, target, device
        self.program = None
        self._ranges, self._bound = {}, None

    def run(self, inputs, **kwargs):
        """Run the model.

        Parameters
        ----------
        inputs : sequence of array, or dict of str to array
            In the order of the model's inputs, or by name.
        **kwargs
            Nothing; ONNX's interface has it.

        Returns
        -------
        namedtuple of numpy.ndarray
            The outputs by name.

        Raises
        ------
        CompileError
            If the model is not supported.
        InputError
            If an input does not fit.
        DeviceError
            If the machine fails.
        """
        given = _by_name(self.model, inputs)
        parameters = {name for name in given if _is_parameter(self.model, name)}
        data = {name: np.asarray(value) for name, value in given.items() if name not in parameters}
        if not self._fits(data, {name: given[name] for name in parameters}):
            self._compile(data, {name: given[name] for name in parameters})
        with open_device(self.program, self.device) as device:
            outputs = device.run(data)
        names = [output.name for output in self.model.graph.output]
        return namedtupledict("Outputs", names)(*(outputs[name] for name in names))

    def _fits(self, data, bound):
        """Return whether the program was made with these constants, and for data of this kind."""
        if self.program is None or any(not np.array_equal(value, self._bound[name])
                                       for name, value in bound.items()):
            return False
        return all(value.shape == self._ranges[name][0] and value.size
                   and self._ranges[name][1] <= value.min()
                   and value.max() <= self._ranges[name][2] for name, value in data.items())

    def _compile(self, data, bound):
        model = bind(self.model, bound, {name: value.shape for name, value in data.items()})
        samples = {name: value[None] for name, value in data.items()}
        self.program = compile_model(model, self.target, samples)
        self._bound = bound
        self._ranges = {name: (value.shape, value.min(), value.max())
                        for name, value in data.items()}


class NeuFlowBackend(Backend):
    """NeuFlow behind ONNX's backend interface; a device is a kind of `host.device.BACKENDS`."""

    @classmethod
    def is_compatible(cls, model, device="functional", **kwargs):
        """Return whether all operators of a model are known; their attributes may not be."""
        return all(node.op_type in OPERATORS for node in model.graph.node)

    @classmethod
    def prepare(cls, model, device="functional", **kwargs):
        """Return a `PreparedModel`.

        Parameters
        ----------
        model : onnx.ModelProto
            The model.
        device : str
            "functional", "reference" or "rtl"; "CPU" is "functional".
        **kwargs
            target : str, name of the machine (default: virtex6-lx240t).

        Raises
        ------
        ValueError
            If there is no such device or target.
        """
        device = "functional" if device == "CPU" else device
        target = kwargs.get("target", "virtex6-lx240t")
        if not cls.supports_device(device):
            raise ValueError(f"unknown device {device!r}; devices are {', '.join(_DEVICES)}")
        if target not in TARGETS:
            raise ValueError(f"unknown target {target!r}; targets are {', '.join(TARGETS)}")
        return PreparedModel(model, target, device)

    @classmethod
    def run_node(cls, node, inputs, device="functional", outputs_info=None, **kwargs):
        """Run one node on arrays in the order of its inputs; return its outputs."""
        version = kwargs.pop("opset_version", onnx.defs.onnx_opset_version())
        names = [name for name in node.input if name]
        graph = onnx.helper.make_graph(
            [node], "node",
            [onnx.helper.make_tensor_value_info(
                name, onnx.helper.np_dtype_to_tensor_dtype(np.asarray(value).dtype), None)
             for name, value in zip(names, inputs, strict=True)],
            [onnx.helper.make_tensor_value_info(name, _FLOAT, None)
             for name in node.output if name])
        model = onnx.helper.make_model(
            graph, opset_imports=[onnx.helper.make_opsetid("", version)])
        return cls.run_model(model, inputs, device, **kwargs)

    @classmethod
    def supports_device(cls, device):
        """Return whether there is such a kind of device."""
        return device in _DEVICES or device == "CPU"


def bind(model, values, shapes):
    """Return a model in which inputs have become constants, and others have their shapes.

    Parameters
    ----------
    model : onnx.ModelProto
        The model; it stays as it is.
    values : dict of str to array
        Inputs that become initialisers.
    shapes : dict of str to tuple
        Shapes of the inputs that stay.

    Returns
    -------
    onnx.ModelProto
    """
    bound = onnx.ModelProto()
    bound.CopyFrom(model)
    graph = bound.graph
    kept = [info for info in model.graph.input if info.name not in values]
    del graph.input[:]
    for info in kept:
        kind = info.type.tensor_type.elem_type
        graph.input.append(onnx.helper.make_tensor_value_info(
            info.name, kind, shapes.get(info.name)))
    graph.initializer.extend(numpy_helper.from_array(np.asarray(value), name)
                             for name, value in values.items())
    return bound


def _by_name(model, inputs):
    constants = {tensor.name for tensor in model.graph.initializer}
    names = [info.name for info in model.graph.input if info.name not in constants]
    if not isinstance(inputs, dict):
        inputs = dict(zip(names, inputs, strict=False)) if len(inputs) == len(names) else {}
    if set(inputs) != set(names):
        raise InputError(f"the model's inputs are {', '.join(names)}; give one array for each")
    return inputs


def _is_parameter(model, name):
    """Return whether an input must be a constant: integers, and what only fixes operators."""
    info = next(info for info in model.graph.input if info.name == name)
    if info.type.tensor_type.elem_type != _FLOAT:
        return True
    readers = [(node.op_type, index) for node in model.graph.node
               for index, read in enumerate(node.input) if read == name]
    return bool(readers) and all(op in OPERATORS and index in OPERATORS[op].constants
                                 for op, index in readers)
