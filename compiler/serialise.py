"""A fixed-point graph as JSON and arrays, and back."""

import dataclasses
import io
import json

import numpy as np

from . import fixed

__all__ = ["decode_graph", "encode_graph"]

_CLASSES = {kind.__name__: kind for kind in
          (fixed.ArgMax, fixed.Concat, fixed.Convolution, fixed.Elementwise, fixed.Lookup,
           fixed.Pool, fixed.Reshape, fixed.Upsample)}


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
            elif isinstance(value, fixed.LookupTable):
                value = dataclasses.asdict(value)
            fields[field.name] = value
        nodes.append(fields)
    content = {
        "nodes": nodes,
        "tensors": [dataclasses.asdict(tensor) for tensor in graph.tensors.values()],
        "inputs": graph.inputs, "outputs": graph.outputs,
        "input_shapes": graph.input_shapes, "output_shapes": graph.output_shapes}
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return json.dumps(content, separators=(",", ":")).encode(), buffer.getvalue()


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
    values = {}
    for name, value in fields.items():
        if isinstance(value, dict):
            value = arrays[value["array"]] if "array" in value \
                else fixed.LookupTable(**_tuples(value))
        values[name] = value
    return node_class(**_tuples(values))


def _tuples(value):
    """Return a JSON value with tuples for its lists, on every level."""
    if isinstance(value, dict):
        return {name: _tuples(item) for name, item in value.items()}
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value
