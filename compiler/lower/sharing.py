"""Which tensors share memory: reshaped ones, and the parts of a concatenation."""

from dataclasses import dataclass, field

from ..fixed import Concat, Reshape

__all__ = ["Sharing", "share_memory"]


@dataclass
class Sharing:
    """Where tensors stand in the memory of others.

    Parameters
    ----------
    parents : dict of str to tuple
        (tensor, sample offset) of each tensor that stands in another one.
    copies : dict of str to list
        For each output of a concatenation the (tensor, sample offset) pairs that must be copied
        into it, because their memory is elsewhere.
    """

    parents: dict = field(default_factory=dict)
    copies: dict = field(default_factory=dict)

    def home(self, name):
        """Return (tensor whose memory it is, sample offset in it)."""
        offset = 0
        while name in self.parents:
            name, more = self.parents[name]
            offset += more
        return name, offset


def share_memory(graph):
    """Return the `Sharing` of a graph.

    A tensor that is concatenated is made in place, unless it is an input of the graph or stands
    in another tensor already; then it is copied.
    """
    sharing = Sharing()
    for node in graph.nodes:
        if isinstance(node, Reshape):
            sharing.parents[node.output] = (node.inputs[0], 0)
        elif isinstance(node, Concat):
            _place(sharing, graph, node)
    return sharing


def _place(sharing, graph, node):
    offset = 0
    for name in node.inputs:
        root, inside = sharing.home(name)
        size = graph.tensors[name].size
        whole = inside == 0 and graph.tensors[root].size == size
        if whole and root not in graph.inputs and root != node.output:
            sharing.parents[root] = (node.output, offset)
        else:
            sharing.copies.setdefault(node.output, []).append((name, offset))
        offset += size
