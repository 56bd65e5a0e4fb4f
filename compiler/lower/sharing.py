"""Which tensors share memory: reshaped ones, views, and the parts of a larger tensor."""

import math
from dataclasses import dataclass, field

from ..boxes import Box, Walk
from ..fixed import Concat, Constant, Move, Reshape

__all__ = ["Sharing", "share_memory"]


@dataclass
class Sharing:
    """Where tensors stand in the memory of others.

    Parameters
    ----------
    parents : dict of str to tuple
        (tensor, sample offset) of each tensor that stands in another one.
    copies : dict of str to list
        For each output of a Concat or Move the boxes that must be copied into it, because their
        samples stand elsewhere.
    constants : set of str
        Tensors that stand in the program.
    """

    parents: dict = field(default_factory=dict)
    copies: dict = field(default_factory=dict)
    constants: set = field(default_factory=set)

    def home(self, name):
        """Return (tensor whose memory it is, sample offset in it)."""
        offset = 0
        while name in self.parents:
            name, more = self.parents[name]
            offset += more
        return name, offset


def share_memory(graph):
    """Return the `Sharing` of a graph.

    What a Move takes from one place of its only input, in order, is a view of it. A tensor that
    becomes part of a larger one in order is made in place, unless it is an input of the graph,
    constant, or stands in another tensor already; then it is copied.
    """
    sharing = Sharing()
    for node in graph.nodes:
        if isinstance(node, Constant):
            sharing.constants.add(node.output)
        elif isinstance(node, Reshape):
            sharing.parents[node.output] = (node.inputs[0], 0)
        elif isinstance(node, (Concat, Move)):
            boxes = node.boxes if isinstance(node, Move) else _joined(graph, node)
            if len(boxes) == 1 and _in_order(boxes[0]):
                sharing.parents[node.output] = (node.inputs[boxes[0].source], boxes[0].read.start)
            else:
                _place(sharing, graph, node, boxes)
    return sharing


def _joined(graph, node):
    """Return the boxes of a Concat."""
    boxes, offset = [], 0
    for source, name in enumerate(node.inputs):
        size = graph.tensors[name].size
        boxes.append(Box((size,), Walk(0, (1,)), Walk(offset, (1,)), source))
        offset += size
    return boxes


def _in_order(box):
    """Return whether a box copies samples that follow each other to the same."""
    box = box.merged()
    return box.counts == () or box.read.strides == box.write.strides == (1,)


def _place(sharing, graph, node, boxes):
    for box in boxes:
        name = node.inputs[box.source]
        size = math.prod(box.counts)
        root, inside = sharing.home(name)
        whole = inside == 0 and graph.tensors[root].size == size
        movable = root not in graph.inputs and root not in sharing.constants
        if whole and movable and root != node.output and _in_order(box):
            sharing.parents[root] = (node.output, box.write.start)
        else:
            sharing.copies.setdefault(node.output, []).append(box)
