"""Reading an ONNX file: is it one, whole, of a version we know, with all its data.

onnx's own checker and shape inference are not used: they abort or hang on some malformed models.
"""

from pathlib import Path, PurePosixPath

import numpy as np
import onnx
from onnx import external_data_helper, numpy_helper

from compiler.errors import ModelError

__all__ = ["OLDEST_OPSET", "dimensions", "model_opset", "read_model", "tensor_values"]

#: The first operator set whose BatchNormalization, Dropout and Add need no old-style attributes.
OLDEST_OPSET = 7

#: Characters of a name; exporters join the names of nested modules, but not that many.
LONGEST_NAME = 1000

#: Samples that a tensor may have: what a 31-bit sample address reaches.
MOST_SAMPLES = 1 << 31

_NUMERIC = {getattr(onnx.TensorProto, name) for name in (
    "FLOAT", "DOUBLE", "FLOAT16", "BFLOAT16", "INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16",
    "UINT32", "UINT64", "BOOL")}


def read_model(model):
    """Return a checked ModelProto with its external data.

    Parameters
    ----------
    model : path, bytes or onnx.ModelProto
        The model.

    Returns
    -------
    onnx.ModelProto
        The model, in which every initialiser holds its data.
    str
        Name of the file for error messages.

    Raises
    ------
    ModelError
        If it is no ONNX model, is truncated or refers to data that is not there.
    """
    if isinstance(model, onnx.ModelProto):
        proto, where, folder = onnx.ModelProto(), "model", None
        proto.CopyFrom(model)
    elif isinstance(model, (bytes, bytearray)):
        proto, where, folder = _parse(bytes(model), "model"), "model", None
    else:
        path = Path(model)
        where, folder = str(path), path.parent
        try:
            content = path.read_bytes()
        except OSError as error:
            raise ModelError(f"{where}: cannot be read: {error.strerror or error}") from None
        proto = _parse(content, where)
    if not proto.HasField("graph") or not proto.graph.output:
        raise ModelError(f"{where}: not an ONNX model, or a truncated one: it has no graph with "
                         "outputs")
    model_opset(proto, where)
    _check_names(proto.graph, where)
    for tensor in proto.graph.initializer:
        _load_external(tensor, folder, where)
    for node in proto.graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                _load_external(attribute.t, folder, where)
    return proto, where


def _check_names(graph, where):
    """Raise unless all names are text that can be printed on a line."""
    names = [item.name for items in (graph.initializer, graph.input, graph.output)
             for item in items]
    for node in graph.node:
        names += [node.name, node.op_type, node.domain, *node.input, *node.output]
        names += [attribute.name for attribute in node.attribute]
    for name in names:
        # protobuf gives bytes for what is not UTF-8.
        if not isinstance(name, str) or not name.isprintable() or len(name) > LONGEST_NAME:
            text = repr(name) if len(name) <= LONGEST_NAME else f"{name[:50]!r}.."
            raise ModelError(f"{where}: the name {text} is not text of at most {LONGEST_NAME} "
                             "characters that can be printed; rename it, or is the file damaged?")


def _parse(content, where):
    proto = onnx.ModelProto()
    try:
        proto.ParseFromString(content)
    except Exception:  # protobuf's exceptions differ from one of its back ends to the next
        raise ModelError(f"{where}: not an ONNX model, or a truncated one: its {len(content)} "
                         "bytes are no protocol buffer of type ModelProto") from None
    return proto


def model_opset(proto, where="model"):
    """Return the version of the standard operator set that a model imports.

    Raises
    ------
    ModelError
        If it imports none, or one that this version of onnx does not define.
    """
    newest = onnx.defs.onnx_opset_version()
    versions = [entry.version for entry in proto.opset_import if entry.domain in ("", "ai.onnx")]
    if not versions:
        raise ModelError(f"{where}: imports no standard operator set (opset_import); is the file "
                         "truncated?")
    if not OLDEST_OPSET <= max(versions) <= newest:
        raise ModelError(f"{where}: operator set (opset) {max(versions)} is not supported; "
                         f"supported are {OLDEST_OPSET} to {newest}; convert the model with "
                         "onnx.version_converter or export it again")
    return max(versions)


def _load_external(tensor, folder, where):
    if tensor.data_location != onnx.TensorProto.EXTERNAL:
        return
    fields = {entry.key: entry.value for entry in tensor.external_data}
    location = fields.get("location", "")
    label = repr(location) if len(location) <= LONGEST_NAME else f"{location[:50]!r}.."
    what = f"{where}: initialiser {tensor.name!r} has its data in another file, {label}, "
    path = PurePosixPath(location)
    if not location or path.is_absolute() or ".." in path.parts:
        raise ModelError(f"{what}which is not a path below the model's folder")
    if folder is None:
        raise ModelError(f"{what}but the model was not read from a file; give the path of its file")
    try:
        there = (folder / location).is_file()
    except OSError as error:
        raise ModelError(f"{what}which cannot be looked for: {error.strerror}") from None
    if not there:
        raise ModelError(f"{what}which does not exist; put it beside the model")
    try:
        external_data_helper.load_external_data_for_tensor(tensor, str(folder))
    except Exception as error:  # onnx raises bare ValueError, ValidationError, OSError
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ModelError(f"{what}which cannot be read: {reason}") from None
    tensor.data_location = onnx.TensorProto.DEFAULT
    del tensor.external_data[:]


def tensor_values(tensor, name, where="model"):
    """Return a TensorProto's values as an array, floats as float64.

    Raises
    ------
    ModelError
        If its dimensions, type or data are at fault.
    """
    what = f"{where}: initialiser {name!r}"
    shape = tuple(tensor.dims)
    if any(size < 0 for size in shape):
        raise ModelError(f"{what} has a negative dimension: {list(shape)}")
    if _product(shape) > MOST_SAMPLES:
        raise ModelError(f"{what} of shape {list(shape)} is larger than {MOST_SAMPLES} elements")
    if tensor.data_type not in _NUMERIC:
        kind = onnx.TensorProto.DataType.Name(tensor.data_type) \
            if tensor.data_type in onnx.TensorProto.DataType.values() else tensor.data_type
        raise ModelError(f"{what} is of type {kind}; supported are the float and integer types")
    try:
        values = numpy_helper.to_array(tensor)
    except Exception as error:  # numpy and onnx raise many kinds for data that does not fit
        raise ModelError(f"{what} of shape {list(shape)} does not have the data for it "
                         f"({error}); is the file truncated?") from None
    if values.shape != shape:
        raise ModelError(f"{what} holds shape {list(values.shape)} where {list(shape)} is stated")
    if values.dtype.kind not in "iub":
        # NaNs stay what they are, to be reported with the layer that reads them.
        with np.errstate(invalid="ignore"):
            values = values.astype(np.float64)
    return values


def dimensions(info, where="model"):
    """Return the static shape that a graph input or output states.

    Raises
    ------
    ModelError
        If it is no tensor of floats, or a dimension is less than 1, or is dynamic and not the
        first, the batch, which becomes 1.
    """
    what = f"{where}: input {info.name!r}"
    if not info.type.HasField("tensor_type"):
        raise ModelError(f"{what} is not a tensor")
    tensor = info.type.tensor_type
    if tensor.elem_type not in (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16,
                                onnx.TensorProto.DOUBLE, onnx.TensorProto.BFLOAT16):
        kind = onnx.TensorProto.DataType.Name(tensor.elem_type) \
            if tensor.elem_type in onnx.TensorProto.DataType.values() else tensor.elem_type
        raise ModelError(f"{what} is of type {kind}; supported are the float types")
    if not tensor.HasField("shape"):
        raise ModelError(f"{what} has no shape; export the model with static shapes")
    shape = []
    for index, entry in enumerate(tensor.shape.dim):
        if index == 0 and not entry.HasField("dim_value"):
            # The machine runs one image at a time.
            shape.append(1)
            continue
        if not entry.HasField("dim_value"):
            label = f"{entry.dim_param!r} " if entry.dim_param else ""
            raise ModelError(
                f"{what}: dimension {index} {label}is dynamic; NeuFlow needs static shapes: export "
                f"the model without dynamic axes, or set it, for example with `python -m "
                f"onnxruntime.tools.make_dynamic_shape_fixed --input_name {info.name} "
                f"--input_shape {_example(tensor)} MODEL.onnx FIXED.onnx`")
        if entry.dim_value < 1:
            raise ModelError(f"{what}: dimension {index} is {entry.dim_value}; it must be at "
                             "least 1")
        shape.append(entry.dim_value)
    if _product(shape) > MOST_SAMPLES:
        raise ModelError(f"{what} of shape {shape} is larger than {MOST_SAMPLES} samples")
    return tuple(shape)


def _example(tensor):
    """Return the shape for the tool's command line, with 1 for what is dynamic."""
    return ",".join(str(entry.dim_value if entry.HasField("dim_value") else 1)
                    for entry in tensor.shape.dim)


def _product(shape):
    result = 1
    for size in shape:
        result *= int(size)
    return result
