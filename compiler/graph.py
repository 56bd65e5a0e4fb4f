"""The float graph: the user's network between the front end and quantisation.

Tensors are maps (channels, rows, columns) of one image, a vector of K values is (K, 1, 1); the
batch of 1 is dropped. Nodes keep the name of the user's layer, which errors and reports give.

A tensor of any ONNX shape is its samples in the same order under three dimensions: the last two
are rows and columns, all before them are multiplied into channels. Only Conv, Gemm, Affine, Pool,
Pad, Concat, Upsample and ArgMax take the three dimensions for what their names say. Move, Reduce
and an Elementwise with ``counts`` see a tensor as flat and bring loops of their own, which the
functions of `compiler.boxes` make from ONNX shapes of any rank:

============================================  ====================================================
Transpose, DepthToSpace, SpaceToDepth         Move of ``transpose_box``, between other shapes
Slice, Split, crop, reverse, Gather, Tile,    Move of ``gather_boxes``: a list of indices for each
Expand, Resize to the nearest sample, Pad     dimension, -1 for the one sample of a `Constant`
linear, cubic, antialiased Resize             Resample: a matrix for rows, one for columns
Concat along any dimension                    Move of ``concat_boxes``
Add, Mul, .. with ONNX broadcasting           Elementwise with ``broadcast_walks``
a full constant operand, or constant first    the same, one of the inputs made by a `Constant`
ReduceSum, Mean, Max, Min over any axes       Reduce with ``reduce_walk``
ArgMax over any axis                          Reduce of kind "argmax"
product of two computed matrices              Elementwise "mul" of all pairs, then Reduce
============================================  ====================================================

A Move whose samples lie together in one input (a Split or Slice of the outermost dimension) costs
nothing: its output is a view of the input's memory.
"""

from dataclasses import dataclass, field

import numpy as np

from .boxes import places
from .nodes import (
    Activation,
    Affine,
    ArgMax,
    Concat,
    Constant,
    Conv,
    Conv3d,
    ConvTranspose,
    Elementwise,
    Gemm,
    Identity,
    Move,
    Node,
    Pad,
    Pool,
    Reduce,
    Resample,
    Reshape,
    Upsample,
    window_outputs,
)

__all__ = ["Activation", "Affine", "ArgMax", "Concat", "Constant", "Conv", "Conv3d",
           "ConvTranspose", "Elementwise", "Gemm", "Graph", "Identity", "Move", "Node", "Pad",
           "Pool", "Reduce", "Resample", "Reshape", "Upsample", "verify", "window_outputs"]


@dataclass(frozen=True, eq=False)
class Graph:
    """Nodes in an order in which each tensor is made before it is read.

    Parameters
    ----------
    nodes : tuple of Node
        The operations.
    shapes : dict of str to tuple
        (channels, rows, columns) of every tensor.
    inputs, outputs : tuple of str
        Tensors, under their ONNX names.
    input_shapes, output_shapes : dict of str to tuple
        Their ONNX shapes, batch of 1 included.
    """

    nodes: tuple[Node, ...]
    shapes: dict[str, tuple[int, int, int]]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    input_shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    output_shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)

    def producer(self, tensor):
        """Return the node that makes ``tensor``, or None for an input."""
        return next((node for node in self.nodes if node.output == tensor), None)

    def readers(self, tensor):
        """Return the nodes that read ``tensor``."""
        return [node for node in self.nodes if tensor in node.inputs]

    def only_reader(self, tensor):
        """Return the one node that reads ``tensor``, or None if other nodes or the user do too."""
        readers = self.readers(tensor)
        return readers[0] if len(readers) == 1 and tensor not in self.outputs else None


def _fills(move):
    """Return whether a Move writes every sample of its output."""
    written = np.zeros(np.prod(move.target), bool)
    for box in move.boxes:
        written[places(box.counts, box.write)] = True
    return written.all()


def verify(graph):
    """Raise AssertionError unless the graph is consistent: names, order, shapes, numbers.

    A failure is a mistake of the compiler, never of the user.
    """
    assert set(graph.input_shapes) == set(graph.inputs), "an input without its ONNX shape"
    assert set(graph.output_shapes) == set(graph.outputs), "an output without its ONNX shape"
    names, known = set(), set(graph.inputs)
    for node in graph.nodes:
        assert node.name not in names, f"{node.name} is defined twice"
        names.add(node.name)
        missing = [name for name in node.inputs if name not in known]
        assert not missing, f"{node.name} reads {missing}, not made before it"
        assert node.output not in known, f"{node.name} makes {node.output} again"
        shape = node.shape(*(graph.shapes[name] for name in node.inputs))
        assert graph.shapes[node.output] == shape, f"{node.name}: {shape} is not as recorded"
        assert min(shape) >= 1, f"{node.name} makes nothing: {shape}"
        assert not isinstance(node, Move) or _fills(node), f"{node.name} leaves samples out"
        for value in vars(node).values():
            if isinstance(value, np.ndarray):
                assert np.isfinite(value).all(), f"{node.name} holds a number that is not finite"
        known.add(node.output)
    assert set(graph.shapes) == known, f"shapes of unknown tensors {set(graph.shapes) - known}"
    assert set(graph.outputs) <= known, f"outputs {set(graph.outputs) - known} are not made"
