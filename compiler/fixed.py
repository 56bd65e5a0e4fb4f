"""The fixed-point graph: what a network is after quantisation, in integers.

The compiler lowers it to the machine, the NumPy reference executes it as `docs/arithmetic.md`
says, and a program file carries it. It holds data and checks, no execution.

Tensors are maps in (channels, rows, columns) order, one image at a time; a vector of K values is
(K, 1, 1). Real value = integer * 2**-fraction.
"""

from dataclasses import dataclass, field

import numpy as np

from .boxes import Box, Walk

__all__ = ["ArgMax", "Concat", "Constant", "Convolution", "Elementwise", "FixedGraph", "Lookup",
           "LookupTable", "Move", "Node", "Pool", "Reduce", "Reshape", "Tensor", "Upsample"]


@dataclass(frozen=True)
class Tensor:
    """A tensor's shape (channels, rows, columns) and binary point."""

    name: str
    shape: tuple[int, int, int]
    fraction: int

    @property
    def size(self):
        """Number of samples."""
        return self.shape[0] * self.shape[1] * self.shape[2]


@dataclass(frozen=True)
class LookupTable:
    """A function of one sample, as the mapper computes it; see docs/arithmetic.md, "Mapper".

    ``a`` and ``b`` hold signed 16-bit, ``c`` signed 32-bit values, one a segment in use.
    """

    low: int
    high: int
    origin: int
    logarithmic: bool
    segment_shift: int
    square_shift: int
    shift: int
    a: tuple[int, ...]
    b: tuple[int, ...]
    c: tuple[int, ...]


@dataclass(frozen=True)
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
        Name of the user's layer that errors and reports give.
    """

    name: str
    inputs: tuple[str, ...]
    output: str
    layer: str


@dataclass(frozen=True, eq=False)
class Convolution(Node):
    """Correlation, summed over input maps, plus bias, requantised by a shift a map.

    weights: int (maps, input maps / groups, R, C), 16 bits; bias: int (maps,), in units of the
    accumulator (input fraction + weight fraction); shift: int (maps,), 0 to 35. stride: (rows,
    columns); padding: (top, left, bottom, right), zeros, or negative for samples left out; groups
    divide both map counts.
    """

    weights: np.ndarray
    bias: np.ndarray
    shift: np.ndarray
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    groups: int = 1


@dataclass(frozen=True)
class Lookup(Node):
    """A function applied to every sample.

    ``function`` and ``parameters`` name what ``table`` stands for, as `compiler.functions` knows
    it; the samples are the table's.
    """

    function: str
    table: LookupTable
    parameters: tuple[float, ...] = ()


@dataclass(frozen=True)
class Pool(Node):
    """Max or average over windows, map by map; see docs/arithmetic.md, "Average pooling"."""

    kind: str
    window: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    count_include_pad: bool = False


@dataclass(frozen=True)
class Elementwise(Node):
    """An operation of docs/arithmetic.md, "Operators", sample by sample.

    ``operation``: add, sub, max, min (operands aligned by left shifts), mul or div. Two tensors of
    one shape, or one tensor and ``constant`` (signed 16 bits) in the place of the second. With
    ``counts``, two tensors each read by a walk of its own over these loops; the output's samples
    follow each other.
    """

    operation: str
    shift_a: int
    shift_b: int
    shift: int
    constant: int | None = None
    counts: tuple[int, ...] | None = None
    reads: tuple[Walk, ...] = ()


@dataclass(frozen=True)
class Concat(Node):
    """The maps of all inputs, one input after another; all of one fraction and size."""


@dataclass(frozen=True)
class Upsample(Node):
    """Every sample repeated ``factors`` = (rows, columns) times: nearest neighbour."""

    factors: tuple[int, int]


@dataclass(frozen=True)
class ArgMax(Node):
    """Number of the map that is largest at each position, the lowest of equals: one map."""


@dataclass(frozen=True, eq=False)
class Constant(Node):
    """A tensor of known samples: int16 (channels, rows, columns). It reads nothing."""

    values: np.ndarray


@dataclass(frozen=True)
class Move(Node):
    """Samples copied to other places, each output sample once; all tensors have one fraction."""

    boxes: tuple[Box, ...]


@dataclass(frozen=True)
class Reduce(Node):
    """One output sample for all iterations of the inner loops of a walk.

    ``read`` walks the input by loops of counts ``kept``, then ``reduced``. ``kind``: sum, which is
    rq(sum * factor, shift) of docs/arithmetic.md, max, min or argmax.
    """

    kind: str
    kept: tuple[int, ...]
    reduced: tuple[int, ...]
    read: Walk
    factor: int = 1
    shift: int = 0


@dataclass(frozen=True)
class Reshape(Node):
    """The same samples in the same order under another shape."""


@dataclass(frozen=True)
class FixedGraph:
    """Nodes in an order in which each tensor is made before it is read.

    ``inputs`` and ``outputs`` name tensors; these names are the ONNX names. ``input_shapes`` and
    ``output_shapes`` give the ONNX shape of each (batch of 1 included), for the host.
    """

    nodes: tuple[Node, ...]
    tensors: dict[str, Tensor]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    input_shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    output_shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)

    def dtype(self, name):
        """Return the type that a tensor has for the user, as the ONNX model has it.

        Numbers of places, from an `ArgMax` or a `Reduce` of kind argmax, are "int64", also when
        they were moved or counted from the other end; everything else stands for real numbers,
        "float32".
        """
        makers = {node.output: node for node in self.nodes}
        node = makers.get(name)
        while isinstance(node, (Concat, Move, Reshape)):
            node = makers.get(node.inputs[0])
        chosen = isinstance(node, ArgMax) or (isinstance(node, Reduce) and node.kind == "argmax") \
            or (isinstance(node, Lookup) and node.function.startswith("count_down"))
        return "int64" if chosen else "float32"
