"""Float graphs of nodes that see tensors as flat: what NumPy makes of them, too."""

import numpy as np

from compiler.boxes import (
    broadcast_walks,
    concat_boxes,
    gather_boxes,
    reduce_walk,
    transpose_box,
)
from compiler.graph import Constant, Elementwise, Graph, Move, Reduce, verify

__all__ = ["FlatGraph", "maps"]


def maps(shape):
    """Return (channels, rows, columns) of a tensor of any shape."""
    full = (1, 1, 1, *shape)
    return (int(np.prod(full[:-2])), *full[-2:])


class FlatGraph:
    """Builds a graph; keeps each tensor's own shape, of any rank.

    Parameters
    ----------
    inputs : dict of str to tuple
        Shapes of the inputs.
    """

    def __init__(self, inputs):
        self.inputs, self.shapes, self.nodes = tuple(inputs), dict(inputs), []

    def add(self, node_class, inputs, shape, /, **fields):
        """Add a node; return its output's name."""
        name = f"t{len(self.nodes)}"
        self.nodes.append(node_class(name, tuple(inputs), name, name, **fields))
        self.shapes[name] = tuple(shape)
        return name

    def constant(self, values):
        values = np.asarray(values, np.float64)
        return self.add(Constant, (), values.shape, values=values.reshape(maps(values.shape)))

    def transpose(self, x, order):
        shape = self.shapes[x]
        made = [shape[axis] for axis in order]
        return self.add(Move, [x], made, boxes=(transpose_box(shape, order),), target=maps(made))

    def gather(self, x, indices, fill=0.0):
        shape = self.shapes[x]
        made = [size if index is None else len(index)
                for size, index in zip(shape, indices, strict=True)]
        boxes = gather_boxes(shape, indices)
        inputs = [x, self.constant([fill])] if any(box.source for box in boxes) else [x]
        return self.add(Move, inputs, made, boxes=boxes, target=maps(made))

    def concat(self, names, axis):
        shapes = [self.shapes[name] for name in names]
        made = list(shapes[0])
        made[axis] = sum(shape[axis] for shape in shapes)
        return self.add(Move, names, made, boxes=concat_boxes(shapes, axis), target=maps(made))

    def elementwise(self, operation, a, b, shapes=None):
        shapes = shapes or (self.shapes[a], self.shapes[b])
        made = np.broadcast_shapes(*shapes)
        counts, reads = broadcast_walks(made, *shapes)
        return self.add(Elementwise, [a, b], made, operation=operation, counts=counts,
                        reads=reads, target=maps(made))

    def reduce(self, kind, x, axes, scale=1.0):
        shape = self.shapes[x]
        made = [size for axis, size in enumerate(shape) if axis not in axes]
        kept, reduced, read = reduce_walk(shape, axes)
        return self.add(Reduce, [x], made, kind=kind, kept=kept, reduced=reduced, read=read,
                        target=maps(made), scale=scale)

    def node(self, node_class, inputs, /, **fields):
        """Add a node that keeps its first input's shape."""
        return self.add(node_class, inputs, self.shapes[inputs[0]], **fields)

    def graph(self, *outputs):
        """Return the graph, verified."""
        graph = Graph(
            tuple(self.nodes), {name: maps(shape) for name, shape in self.shapes.items()},
            self.inputs, outputs, {name: (1, *self.shapes[name]) for name in self.inputs},
            {name: (1, *self.shapes[name]) for name in outputs})
        verify(graph)
        return graph


