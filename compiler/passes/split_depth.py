"""Make convolutions over depth ordinary ones: each output plane is one over several planes."""

from dataclasses import replace

from compiler.boxes import gather_boxes, transpose_box
from compiler.graph import Concat, Conv, Conv3d, Graph, Move, Reshape

__all__ = ["split_depth"]


def split_depth(graph: Graph) -> Graph:
    """Return the graph without Conv3d nodes.

    The planes of a group's maps are put one depth behind the other; what a plane of the output
    sees then is a view of maps that follow each other, and all planes but those at the ends have
    the same kernels. Idempotent.
    """
    nodes, shapes = [], dict(graph.shapes)
    for node in graph.nodes:
        nodes += _planes(node, shapes) if isinstance(node, Conv3d) else [node]
    return replace(graph, nodes=tuple(nodes), shapes=shapes)


class _Planes:
    """The nodes of one Conv3d in the making."""

    def __init__(self, node, shapes):
        self.node, self.shapes, self.made = node, shapes, []
        self.inputs = node.weights.shape[1]
        self.size = shapes[node.inputs[0]][1:]

    def move(self, inputs, output, boxes, target):
        self.shapes[output] = target
        self.made.append(Move(output, inputs, output, self.node.layer, boxes=boxes, target=target))
        return output

    def new(self, suffix):
        name = f"{self.node.output}.{suffix}"
        while name in self.shapes:
            name += "_"
        return name

    def sorted(self):
        """Return the input as (groups, depth, maps of a group) planes."""
        node, source = self.node, self.node.inputs[0]
        if self.inputs == 1 or node.depth == 1:
            return source
        shape = (node.groups, self.inputs, node.depth, *self.size)
        return self.move((source,), self.new("planes"),
                         (transpose_box(shape, (0, 2, 1, 3, 4)),), self.shapes[source])

    def conv(self, source, plane, group):
        """Return the tensor of one output plane of a group's maps."""
        node = self.node
        maps, _, taps, *kernel = node.weights.shape
        first = plane * node.stride[0] - node.padding[0]
        seen = range(max(first, 0), min(first + taps, node.depth))
        outputs = slice(group * maps // node.groups, (group + 1) * maps // node.groups)
        # A plane that sees nothing but padding has one tap of zeros.
        if seen:
            weights = node.weights[outputs, :, seen.start - first:seen.stop - first]
        else:
            seen, weights = range(1), 0 * node.weights[outputs, :, :1]
        weights = weights.swapaxes(1, 2).reshape(len(weights), -1, *kernel)
        shape = (node.groups, node.depth, self.inputs, *self.size)
        name = self.new(f"{plane}.{group}")
        view = self.move((source,), f"{name}.seen",
                         gather_boxes(shape, [[group], seen, None, None, None]),
                         (len(seen) * self.inputs, *self.size))
        _, top, left, _, bottom, right = node.padding
        conv = Conv(name, (view,), name, node.layer, weights=weights, bias=node.bias[outputs],
                    stride=node.stride[1:], padding=(top, left, bottom, right))
        self.shapes[name] = conv.shape(self.shapes[view])
        self.made.append(conv)
        return name


def _planes(node, shapes):
    """Return the nodes that make a Conv3d; ``shapes`` takes those of new tensors."""
    planes = _Planes(node, shapes)
    source, depth = planes.sorted(), node.planes()
    names = [planes.conv(source, plane, group)
             for group in range(node.groups) for plane in range(depth)]
    maps, *size = shapes[names[0]]
    if len(names) == 1:
        planes.made.append(Reshape(node.name, tuple(names), node.output, node.layer,
                                   target=shapes[node.output]))
        return planes.made
    joined = planes.new("joined")
    shapes[joined] = shapes[node.output]
    planes.made += [
        Concat(joined, tuple(names), joined, node.layer),
        Move(node.name, (joined,), node.output, node.layer, target=shapes[node.output],
             boxes=(transpose_box((node.groups, depth, maps, *size), (0, 2, 1, 3, 4)),))]
    return planes.made
