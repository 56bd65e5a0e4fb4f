"""The operations of the float graph, see `compiler.graph`."""

from dataclasses import dataclass

import numpy as np

from .boxes import Box, Walk, extent

__all__ = ["Activation", "Affine", "ArgMax", "Concat", "Constant", "Conv", "Conv3d",
           "ConvTranspose", "Elementwise", "Gemm", "Identity", "Move", "Node", "Pad", "Pool",
           "Reduce", "Resample", "Reshape", "Upsample", "window_outputs"]


def window_outputs(size, window, stride, before, after):
    """Return how many windows fit along one axis; 0 or less when none does."""
    return (size + before + after - window) // stride + 1


def _check_walk(node, counts, walk, shape):
    """Assert that a walk stays in a tensor of ``shape``."""
    assert min(counts, default=1) >= 1, node.name
    low, high = extent(counts, walk)
    assert low >= 0 and high < np.prod(shape), f"{node.name} walks from {low} to {high}"


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
    (rows, columns); padding: (top, left, bottom, right), zeros, or negative for samples left out.
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
class ConvTranspose(Node):
    """What makes a convolution's input gradient: every sample adds a kernel to the output.

    Sample (r, c) adds its kernel at rows from r * stride - top on, columns likewise. weights:
    float64 (input maps, maps / groups, rows, columns), as ONNX has them; bias: float64 (maps,);
    stride: (rows, columns); padding: (top, left, bottom, right), cut off the output; extra: (rows,
    columns) added to it at bottom and right.
    """

    weights: np.ndarray
    bias: np.ndarray
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    extra: tuple[int, int] = (0, 0)
    groups: int = 1

    def shape(self, *shapes):
        """Return the output's shape for the shapes of the inputs."""
        channels, *size = shapes[0]
        inputs, maps, *kernel = self.weights.shape
        assert channels == inputs and inputs % self.groups == 0, self.name
        return (maps * self.groups, *(
            (length - 1) * self.stride[axis] + kernel[axis] + self.extra[axis]
            - self.padding[axis] - self.padding[axis + 2] for axis, length in enumerate(size)))


@dataclass(frozen=True, eq=False)
class Conv3d(Node):
    """Correlation over depth, rows and columns, plus bias.

    The input holds ``depth`` planes of every map, one behind the other: (maps * depth, rows,
    columns), the order of ONNX; the output likewise. weights: float64 (maps, input maps / groups,
    depth, rows, columns); bias: float64 (maps,); stride: (depth, rows, columns); padding: (front,
    top, left, back, bottom, right).
    """

    weights: np.ndarray
    bias: np.ndarray
    depth: int
    stride: tuple[int, int, int] = (1, 1, 1)
    padding: tuple[int, int, int, int, int, int] = (0, 0, 0, 0, 0, 0)
    groups: int = 1

    def planes(self):
        """Return how many planes of each map the output has."""
        return window_outputs(self.depth, self.weights.shape[2], self.stride[0], self.padding[0],
                              self.padding[3])

    def shape(self, *shapes):
        """Return the output's shape for the shapes of the inputs."""
        channels, *size = shapes[0]
        maps, inputs, _, *kernel = self.weights.shape
        assert channels == inputs * self.groups * self.depth, self.name
        assert maps % self.groups == 0, self.name
        return (maps * self.planes(), *(
            window_outputs(size[axis], kernel[axis], self.stride[axis + 1],
                           self.padding[axis + 1], self.padding[axis + 4]) for axis in range(2)))


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
class Resample(Node):
    """Rows and columns of every map interpolated: rows @ map @ columns.T.

    rows: float64 (output rows, input rows), columns: float64 (output columns, input columns); None
    leaves an axis as it is. Linear, cubic and antialiased resizing of any ratio are of this kind.
    """

    rows: np.ndarray | None = None
    columns: np.ndarray | None = None

    def shape(self, *shapes):
        """Return the output's shape for the shapes of the inputs."""
        channels, *size = shapes[0]
        for axis, matrix in enumerate((self.rows, self.columns)):
            if matrix is not None:
                assert matrix.shape[1] == size[axis], self.name
                size[axis] = matrix.shape[0]
        return (channels, *size)


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
