"""Reduce over outer dimensions without reading memory sample by sample."""

import math
from dataclasses import replace

import numpy as np

from compiler.boxes import Walk, merge
from compiler.graph import Conv, Elementwise, Graph, Reduce, Reshape

__all__ = ["stream_reduce"]

#: Samples from which on it is worth more steps, samples that lie together, and terms of a sum.
_LEAST_SAMPLES, _LEAST_INNER, _MOST_TERMS = 4096, 16, 4096

#: Terms up to which the accumulator leaves a factor of any value 14 bits; powers of two need one.
_MOST_SCALED = 64


def stream_reduce(graph: Graph) -> Graph:
    """Return the graph with reductions over all but the inner dimensions made other nodes.

    One behind the other, the samples of a sum over maps would each come from another part of
    memory. The sum is a convolution of 1x1 instead, a maximum or minimum that of both halves of the
    maps, and of halves again: all of them read maps as they lie. Idempotent.
    """
    nodes, shapes = [], dict(graph.shapes)
    for node in graph.nodes:
        found = _outer(node, shapes) if isinstance(node, Reduce) else None
        if found is None:
            nodes.append(node)
        elif node.kind == "sum":
            nodes += _convolution(node, shapes, *found)
        else:
            nodes += _halves(node, shapes, *found)
    return replace(graph, nodes=tuple(nodes), shapes=shapes)


def _outer(node, shapes):
    """Return (groups, terms, samples that lie together) if these are a tensor's dimensions."""
    cut = len(node.kept)
    kept, outer = merge(node.kept, node.read.strides[:cut])
    reduced, inner = merge(node.reduced, node.read.strides[cut:])
    if len(reduced) != 1 or not 1 <= len(kept) <= 2 or node.read.start or node.kind == "argmax":
        return None
    groups, terms, together = math.prod(kept[:-1]), reduced[0], kept[-1]
    lies = (*outer[:-1], *inner, outer[-1])
    if lies != (*(terms * together,)[:len(kept) - 1], together, 1) \
            or together < _LEAST_INNER or terms > _MOST_TERMS \
            or groups * terms * together != math.prod(shapes[node.inputs[0]]) \
            or groups * terms * together < _LEAST_SAMPLES:
        return None
    return groups, terms, together


def _new(node, shapes, suffix, shape):
    name = f"{node.output}.{suffix}"
    while name in shapes:
        name += "_"
    shapes[name] = shape
    return name


def _reshape(node, source, name, shape):
    return Reshape(name if name != node.output else node.name, (source,), name, node.layer,
                   target=shape)


def _convolution(node, shapes, groups, terms, together):
    """Return the nodes of a sum over maps."""
    rows, columns = next((shape[1:] for shape in (shapes[node.inputs[0]], shapes[node.output])
                          if math.prod(shape[1:]) == together), (1, together))
    maps = _new(node, shapes, "maps", (groups * terms, rows, columns))
    sums = _new(node, shapes, "sums", (groups, rows, columns))
    exact = math.frexp(node.scale)[0] == 0.5 or terms <= _MOST_SCALED
    nodes = [_reshape(node, node.inputs[0], maps, shapes[maps]),
             _ones(node, maps, sums, groups, terms, node.scale if exact else 1.0)]
    if not exact:
        scaled = _new(node, shapes, "scaled", shapes[sums])
        nodes.append(_ones(node, sums, scaled, groups, 1, node.scale))
        sums = scaled
    return [*nodes, _reshape(node, sums, node.output, node.target)]


def _ones(node, source, name, groups, terms, scale):
    """Return the convolution that sums the maps of each group and scales the sums."""
    return Conv(name, (source,), name, node.layer, weights=np.full((groups, terms, 1, 1), scale),
                bias=np.zeros(groups), groups=groups)


def _halves(node, shapes, groups, terms, together):
    """Return the nodes that compare both halves of the maps until one is left."""
    nodes, source = [], node.inputs[0]
    while terms > 1:
        # Of an odd number the map in the middle is in both halves.
        half = -(-terms // 2)
        name = _new(node, shapes, f"{half}", (groups, half, together))
        strides = (terms * together, together, 1)
        nodes.append(Elementwise(
            name, (source, source), name, node.layer, operation=node.kind,
            counts=(groups, half, together),
            reads=(Walk(0, strides), Walk((terms - half) * together, strides)),
            target=shapes[name]))
        source, terms = name, half
    return [*nodes, _reshape(node, source, node.output, node.target)]
