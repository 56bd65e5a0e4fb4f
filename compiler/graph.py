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

from .boxes import Box, Walk, extent, places

__all__ = ["Activation", "Affine", "ArgMax", "Concat", "Constant", "Conv", "Elementwise", "Gemm",
           "Graph", "Identity", "Move", "Node", "Pad", "Pool", "Reduce", "Reshape", "Upsample",
           "verify", "window_outputs"]


def window_outputs(size, window, stride, before, after):
    """Return how many windows fit along one axis; 0 or less when none does."""
    return (size + before + after - window) // stride + 1


@dataclass(frozen=True, eq=False)
class Node:
    """One operation.

    Parameters
    ----------
    name : str
        Unique in the graph.
    inputs : tuple of str
        Tensors read.
    output : str
        Tensor made.
    layer : str
        The user's layer that it comes from.
    """

    name: str
    inputs: tuple[str, ...]
    output: str
    layer: str

    def shape(self, *shapes):
        """Return the output's shape for the shapes of the inputs."""
        return shapes[0]


@dataclass(frozen=True, eq=False)
class Conv(Node):
    """Correlation of all input maps of a group, plus bias.

    weights: float64 (maps, input maps / groups, rows, columns); bias: float64 (maps,); stride:
    (rows, columns); padding: (top, left, bottom, right), zeros.
    """

    weights: np.ndarray
    bias: np.ndarray
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    groups: int = 1

    def shape(self, *shapes):
        """Return the output's shape for the shapes of the inputs."""
        channels, rows, columns = shapes[0]
        maps, per_group, kernel_rows, kernel_columns = self.weights.shape
        assert channels == per_group * self.groups and maps % self.groups == 0, self.name
        top, left, bottom, right = self.padding
        return (maps, window_outputs(rows, kernel_rows, self.stride[0], top, bottom),
                window_outputs(columns, kernel_columns, self.stride[1], left, right))


@dataclass(frozen=True, eq=False)
class Gemm(Node):
    """Fully connected: weights float64 (outputs, inputs), bias float64 (outputs,)."""

    weights: np.ndarray
    bias: np.ndarray

    def shape(self, *shapes):
        """Return the output's shape for the shapes of the inputs."""
        assert shapes[0] == (self.weights.shape[1], 1, 1), self.name
        return (self.weights.shape[0], 1, 1)


@dataclass(frozen=True, eq=False)
class Affine(Node):
    """Factor and offset a map: batch normalisation, or a constant added or multiplied."""

    scale: np.ndarray
    offset: np.ndarray

    def shape(self, *shapes):
        """Return the output's shape for the shapes of the inputs."""
        assert self.scale.shape == self.offset.shape == shapes[0][:1], self.name
        return shapes[0]


@dataclass(frozen=True, eq=False)
class Activation(Node):
    """A function of each sample: a name in `compiler.functions.FUNCTIONS` and its parameters."""

    function: str
    parameters: tuple[float, ...] = ()


@dataclass(frozen=True, eq=False)
class Pool(Node):
    """Maximum (``kind="max"``) or mean (``"average"``) over windows, map by map.

    The padding is not part of a window, unless ``count_include_pad`` counts its zeros.
    """

    kind: str
    window: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    count_include_pad: bool = False

    def shape(self, *shapes):
        """Return the output's shape for the shapes of the inputs."""
        channels, rows, columns = shapes[0]
        top, left, bottom, right = self.padding
        return (channels, window_outputs(rows, self.window[0], self.stride[0], top, bottom),
                window_outputs(columns, self.window[1], self.stride[1], left, right))


@dataclass(frozen=True, eq=False)
class Pad(Node):
    """Zeros around each map: (top, left, bottom, right)."""

    padding: tuple[int, int, int, int]

    def shape(self, *shapes):
        """Return the output's shape for the shapes of the inputs."""
        channels, rows, columns = shapes[0]
        top, left, bottom, right = self.padding
        return (channels, top + rows + bottom, left + columns + right)


@dataclass(frozen=True, eq=False)
class Elementwise(Node):
    """An operation sample by sample: add, sub, mul, div, max or min.

    Of two tensors of one shape, or max or min of one tensor and ``constant``; the other operations
    with a constant are an `Affine`. With ``counts``, of two tensors each read by loops of its own
    (broadcasting, or any part of a tensor): ``reads`` holds the two walks, ``target`` the output's
    shape, and the output's samples follow each other in the order of the loops.
    """

    operation: str
    constant: float | None = None
    counts: tuple[int, ...] | None = None
    reads: tuple[Walk, ...] = ()
    target: tuple[int, int, int] | None = None

    def shape(self, *shapes):
        """Return the output's shape for the shapes of the inputs."""
        constant = self.constant is not None
        assert len(shapes) == (1 if constant else 2), self.name
        assert not constant or self.operation in ("max", "min"), self.name
        if self.counts is None:
            assert len(set(shapes)) == 1, self.name
            return shapes[0]
        assert not constant and len(self.reads) == 2, self.name
        for shape, walk in zip(shapes, self.reads, strict=True):
            _check_walk(self, self.counts, walk, shape)
        assert np.prod(self.counts) == np.prod(self.target), self.name
        return self.target


@dataclass(frozen=True, eq=False)
class Concat(Node):
    """The maps of all inputs, one input after another."""

    def shape(self, *shapes):
        """Return the output's shape for the shapes of the inputs."""
        assert len({shape[1:] for shape in shapes}) == 1, self.name
        return (sum(shape[0] for shape in shapes), *shapes[0][1:])


@dataclass(frozen=True, eq=False)
class Upsample(Node):
    """Every sample repeated ``factors`` = (rows, columns) times: nearest neighbour."""

    factors: tuple[int, int]

    def shape(self, *shapes):
        """Return the output's shape for the shapes of the inputs."""
        channels, rows, columns = shapes[0]
        return (channels, rows * self.factors[0], columns * self.factors[1])


@dataclass(frozen=True, eq=False)
class ArgMax(Node):
    """Number of the map that is largest at each position, the lowest of equals: one map."""

    def shape(self, *shapes):
        """Return the output's shape for the shapes of the inputs."""
        return (1, *shapes[0][1:])


@dataclass(frozen=True, eq=False)
class Constant(Node):
    """A tensor of known numbers: float64 (channels, rows, columns). It reads nothing."""

    values: np.ndarray

    def shape(self, *shapes):
        """Return the output's shape."""
        assert not shapes, self.name
        return self.values.shape


@dataclass(frozen=True, eq=False)
class Move(Node):
    """Samples copied to other places: each box copies some, and together they make all."""

    boxes: tuple[Box, ...]
    target: tuple[int, int, int]

    def shape(self, *shapes):
        """Return the output's shape for the shapes of the inputs."""
        for box in self.boxes:
            _check_walk(self, box.counts, box.read, shapes[box.source])
            _check_walk(self, box.counts, box.write, self.target)
        assert sum(int(np.prod(box.counts)) for box in self.boxes) == np.prod(self.target), \
            self.name
        return self.target


@dataclass(frozen=True, eq=False)
class Reduce(Node):
    """Sum times ``scale``, max, min or argmax over the inner ones of nested loops.

    ``read`` walks the input by loops of counts ``kept``, then ``reduced``; there is one output
    sample for each round of the inner loops, in the order of the outer ones. A mean is a sum with
    the scale of one by the number of samples. argmax gives the number, from 0, of the first of the
    largest samples; the output then holds integers.
    """

    kind: str
    kept: tuple[int, ...]
    reduced: tuple[int, ...]
    read: Walk
    target: tuple[int, int, int]
    scale: float = 1.0

    def shape(self, *shapes):
        """Return the output's shape for the shapes of the inputs."""
        assert self.kind in ("sum", "max", "min", "argmax"), self.name
        assert self.scale > 0 and (self.kind == "sum" or self.scale == 1), self.name
        _check_walk(self, (*self.kept, *self.reduced), self.read, shapes[0])
        assert np.prod(self.kept) == np.prod(self.target), self.name
        return self.target


@dataclass(frozen=True, eq=False)
class Reshape(Node):
    """The same samples in the same order under another shape."""

    target: tuple[int, int, int]

    def shape(self, *shapes):
        """Return the output's shape for the shapes of the inputs."""
        assert np.prod(shapes[0]) == np.prod(self.target), self.name
        return self.target


@dataclass(frozen=True, eq=False)
class Identity(Node):
    """Nothing: what is left of Dropout, or of a reshape that changes no map."""


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


def _check_walk(node, counts, walk, shape):
    """Assert that a walk stays in a tensor of ``shape``."""
    assert min(counts, default=1) >= 1, node.name
    low, high = extent(counts, walk)
    assert low >= 0 and high < np.prod(shape), f"{node.name} walks from {low} to {high}"


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
