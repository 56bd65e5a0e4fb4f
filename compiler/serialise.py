"""A fixed-point graph as JSON and arrays, and back."""

import dataclasses
import io
import json
import math

import numpy as np

from . import fixed
from .boxes import Box, Walk

__all__ = ["decode_graph", "encode_graph"]

_CLASSES = {kind.__name__: kind for kind in
          (fixed.ArgMax, fixed.Concat, fixed.Constant, fixed.Convolution, fixed.Elementwise,
           fixed.Lookup, fixed.Move, fixed.Pool, fixed.Reduce, fixed.Reshape, fixed.Upsample)}

#: Values of nodes that are objects. A dict of no class is a table.
_VALUES = {kind.__name__: kind for kind in (Box, Walk)}


def encode_graph(graph):
    """Return the JSON text and the .npz content of a graph, the same bytes for the same graph."""
    # An array that several nodes hold is written once.
    arrays, keys, nodes = {}, {}, []
    for index, node in enumerate(graph.nodes):
        fields = {"class": type(node).__name__}
        for field in dataclasses.fields(node):
            value = getattr(node, field.name)
            if isinstance(value, np.ndarray):
                key = keys.setdefault(id(value), f"{index}.{field.name}")
                # One byte order and one memory order, whatever the machine.
                arrays[key] = np.ascontiguousarray(value, value.dtype.newbyteorder("<"))
                value = {"array": key}
            elif field.default is not dataclasses.MISSING and value == field.default:
                continue
            fields[field.name] = _encode(value)
        nodes.append(fields)
    content = {
        "nodes": nodes,
        "tensors": [dataclasses.asdict(tensor) for tensor in graph.tensors.values()],
        "inputs": graph.inputs, "outputs": graph.outputs,
        "input_shapes": graph.input_shapes, "output_shapes": graph.output_shapes}
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return json.dumps(content, separators=(",", ":")).encode(), buffer.getvalue()


def _encode(value):
    """Return a value with dicts for the objects in it, on every level."""
    if isinstance(value, tuple):
        return [_encode(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        # JSON has no such numbers.
        return {"number": str(value)}
    if not dataclasses.is_dataclass(value):
        return value
    fields = {field.name: _encode(getattr(value, field.name))
              for field in dataclasses.fields(value)}
    name = type(value).__name__
    return {"class": name, **fields} if name in _VALUES else fields


def decode_graph(text, archive):
    """Return the graph that `encode_graph` wrote.

    Raises
    ------
    ValueError, KeyError, TypeError
        If the content is not what `encode_graph` writes.
    """
    content = json.loads(text)
    with np.load(io.BytesIO(archive), allow_pickle=False) as archived:
        arrays = {key: archived[key] for key in archived.files}
        nodes = tuple(_node(dict(fields), arrays) for fields in content["nodes"])
    tensors = {fields["name"]: fixed.Tensor(**_tuples(fields)) for fields in content["tensors"]}
    return fixed.FixedGraph(
        nodes=nodes, tensors=tensors, **_tuples({name: content[name] for name in (
            "inputs", "outputs", "input_shapes", "output_shapes")}))


def _node(fields, arrays):
    node_class = _CLASSES[fields.pop("class")]
    return node_class(**{name: _decode(value, arrays) for name, value in fields.items()})


def _decode(value, arrays):
    """Return a JSON value with tuples for its lists and objects for its dicts."""
    if isinstance(value, list):
        return tuple(_decode(item, arrays) for item in value)
    if not isinstance(value, dict):
        return value
    if "array" in value:
        return arrays[value["array"]]
    if "number" in value:
        return float(value["number"])
    made = {name: _decode(item, arrays) for name, item in value.items()}
    return _VALUES[made.pop("class")](**made) if "class" in made else fixed.LookupTable(**made)


def _tuples(value):
    """Return a JSON value with tuples for its lists, on every level."""
    if isinstance(value, dict):
        return {name: _tuples(item) for name, item in value.items()}
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value
