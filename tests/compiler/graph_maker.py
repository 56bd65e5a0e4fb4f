"""A small ONNX graph in the making, by what Hypothesis draws."""

import math

import numpy as np
from hypothesis import strategies as st

from tests.compiler.models import node

__all__ = ["MOST", "GraphMaker"]

#: Samples of a tensor from which more are not made.
MOST = 1500


class GraphMaker:
    """Nodes and tensors of a graph, at first its inputs alone.

    Attributes
    ----------
    opset : int
        Operator set of the model.
    inputs, shapes : dict of str to tuple
        Shapes of the inputs, and of all tensors that nodes may read.
    nodes : list of onnx.NodeProto
        The nodes.
    constants : dict of str to array
        The initialisers.
    chosen : dict of str to tuple
        For each tensor of integers: the tensor in which they name places, the axis, and 1 for
        those of the largest sample, -1 for the smallest.
    """

    def __init__(self, draw):
        self.draw = draw
        # The last operator set that has axes of reductions as attributes, and one with more of all.
        self.opset = self.one_of((17, 20))
        self.numbers = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
        self.inputs = {}
        for name in ("x", "z")[:self.whole(1, 2)]:
            rank = self.whole(1, 4)
            self.inputs[name] = (self.one_of((1, 1, 2)), *self.sizes(rank, 7 if rank < 4 else 4))
        self.shapes, self.nodes = dict(self.inputs), []
        self.constants, self.chosen = {}, {}

    def whole(self, low, high):
        """Draw a whole number, both ends included."""
        return self.draw(st.integers(low, high))

    def one_of(self, values):
        """Draw one of some values."""
        return self.draw(st.sampled_from(list(values)))

    def sizes(self, count, most=7):
        """Draw so many dimensions."""
        return tuple(self.whole(1, most) for _ in range(count))

    def axis(self, shape):
        """Draw a dimension's number."""
        return self.whole(0, len(shape) - 1)

    def constant(self, values):
        """Return the name of an initialiser."""
        name = f"c{len(self.constants)}"
        self.constants[name] = np.asarray(values)
        return name

    def whole_numbers(self, *values):
        """Return the name of an initialiser of 64-bit integers."""
        return self.constant(np.array(values, np.int64))

    def weights(self, *shape, inputs):
        """Return the name of random weights that keep a signal's size."""
        return self.constant(self.numbers.normal(size=shape) / math.sqrt(inputs))

    def uniform(self, low, high, *shape):
        """Return the name of random numbers."""
        return self.constant(self.numbers.uniform(low, high, shape))

    def add(self, op, inputs, *shapes, **attributes):
        """Add a node that makes tensors of these shapes; return the first one's name.

        A node that would make too large a tensor is left out: the name is its input's.
        """
        if any(math.prod(shape) > MOST for shape in shapes):
            return inputs[0]
        names = [f"t{len(self.shapes) + len(self.chosen) + index}"
                 for index in range(len(shapes))]
        made = node(op, inputs, names[0], **attributes)
        made.output.extend(names[1:])
        self.nodes.append(made)
        self.shapes.update(zip(names, shapes, strict=True))
        return names[0]

    def choose(self, op, name, shape, axis, **attributes):
        """Add an ArgMax or ArgMin; no node reads what it makes."""
        made = self.add(op, [name], shape, axis=axis, **attributes)
        del self.shapes[made]
        self.chosen[made] = (name, axis, 1 if op == "ArgMax" else -1)
