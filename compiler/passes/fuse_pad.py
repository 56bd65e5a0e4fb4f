"""Make zeros around a map the padding of the convolution that reads it, or copy the map."""

from dataclasses import replace

import numpy as np

from compiler.boxes import gather_boxes
from compiler.graph import Constant, Conv, Graph, Move, Pad, Pool

__all__ = ["fuse_pad"]


def fuse_pad(graph: Graph) -> Graph:
    """Return the graph without Pad nodes.

    Convolutions, and average pools that count their padding, take them over; for other readers
    the map is copied into one of zeros. Idempotent.
    """
    nodes, shapes = list(graph.nodes), dict(graph.shapes)
    for pad in graph.nodes:
        if not isinstance(pad, Pad):
            continue
        place = next(index for index, node in enumerate(nodes) if node.name == pad.name)
        pad = nodes[place]
        readers = [node for node in nodes if pad.output in node.inputs]
        able = [reader for reader in readers if _can_pad(reader, pad)]
        nodes = [_take_over(node, pad) if node in able else node for node in nodes]
        made = []
        if len(able) < len(readers) or pad.output in graph.outputs:
            made = _copied(pad, shapes)
        else:
            del shapes[pad.output]
        nodes[place:place + 1] = made
    return replace(graph, nodes=tuple(nodes), shapes=shapes)


def _copied(pad, shapes):
    """Return the nodes that make a padded map; ``shapes`` takes that of the constant."""
    channels, rows, columns = shapes[pad.inputs[0]]
    top, left, bottom, right = pad.padding
    zero = f"{pad.output}.zero"
    while zero in shapes:
        zero += "_"
    shapes[zero] = (1, 1, 1)
    indices = [None, [-1] * top + [*range(rows)] + [-1] * bottom,
               [-1] * left + [*range(columns)] + [-1] * right]
    return [Constant(zero, (), zero, pad.layer, values=np.zeros((1, 1, 1))),
            Move(pad.name, (*pad.inputs, zero), pad.output, pad.layer,
                 boxes=gather_boxes((channels, rows, columns), indices),
                 target=shapes[pad.output])]


def _can_pad(reader, pad):
    if isinstance(reader, (Conv, Pad)):
        return True
    if not isinstance(reader, Pool) or reader.kind != "average":
        return False
    counted = reader.count_include_pad or not any(reader.padding)
    total = [own + more for own, more in zip(reader.padding, pad.padding, strict=True)]
    return counted and all(size < reader.window[index % 2] for index, size in enumerate(total))


def _take_over(reader, pad):
    padding = tuple(own + more for own, more in zip(reader.padding, pad.padding, strict=True))
    changes = {"count_include_pad": True} if isinstance(reader, Pool) else {}
    return replace(reader, inputs=pad.inputs, padding=padding, **changes)
