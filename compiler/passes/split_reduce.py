"""Cut reductions in two that are too large for one operator, or keep too few of them busy."""

import math
from dataclasses import replace

from compiler.boxes import Box, Walk, merge
from compiler.graph import Graph, Move, Reduce

__all__ = ["MOST_LOOPS", "MOST_REDUCED", "split_reduce"]

#: Most samples that one operator reduces, and most loops over them.
MOST_REDUCED, MOST_LOOPS = (1 << 16) - 1, 4

#: Outputs below which, and samples of each from which on, partial results are made of about
#: so many parts, for as many operators.
_FEW_OUTPUTS, _MANY_SAMPLES, _PARTS = 8, 8192, 16


def split_reduce(graph: Graph) -> Graph:
    """Return the graph with sums, maxima and minima of many samples in two or more levels.

    The inner level makes partial results, tensors with a format of their own, the outer one
    reduces these. An argmax stays as it is. Idempotent.
    """
    nodes, shapes = [], dict(graph.shapes)
    for node in graph.nodes:
        if isinstance(node, Reduce) and node.kind != "argmax":
            nodes += _levels(node, shapes)
        else:
            nodes.append(node)
    return replace(graph, nodes=tuple(nodes), shapes=shapes)


def _levels(node, shapes):
    """Return the nodes that make a Reduce; ``shapes`` takes those of new tensors."""
    outer = len(node.kept)
    counts, strides = merge(node.reduced, node.read.strides[outer:])
    total, most = math.prod(counts), MOST_REDUCED
    if math.prod(node.kept) < _FEW_OUTPUTS and total >= _MANY_SAMPLES:
        most = min(most, total // _PARTS)
    if total <= most and len(counts) <= MOST_LOOPS:
        return [node]
    loops, inner = list(zip(counts, strides, strict=True)), []
    while loops and len(inner) < MOST_LOOPS:
        count, stride = loops[-1]
        room = most // math.prod(count for count, _ in inner)
        part = max(size for size in range(1, min(count, room) + 1) if count % size == 0)
        if part == 1 or (not inner and part < min(count, room // 8)):
            break
        inner.insert(0, (part, stride))
        if part < count:
            loops[-1] = (count // part, stride * part)
            break
        loops.pop()
    if not inner:
        return _uneven(node, loops, most, shapes)
    first, middle = _partial(node, loops, inner, node.read.start, shapes, "part")
    return [first, *_levels(_last(node, middle, shapes), shapes)]


def _partial(node, loops, inner, start, shapes, suffix):
    """Return a Reduce over ``inner`` for each iteration of ``loops``, and its output's name."""
    name = f"{node.output}.{suffix}"
    while name in shapes:
        name += "_"
    rounds = tuple(count for count, _ in loops)
    shapes[name] = (math.prod(node.kept), math.prod(rounds), 1)
    strides = (*node.read.strides[:len(node.kept)], *(stride for _, stride in loops),
               *(stride for _, stride in inner))
    return replace(node, name=name, output=name, kept=(*node.kept, *rounds),
                   reduced=tuple(count for count, _ in inner), read=Walk(start, strides),
                   target=shapes[name], scale=1.0), name


def _last(node, middle, shapes):
    """Return the Reduce of partial results (outputs, rounds, 1)."""
    kept, rounds, _ = shapes[middle]
    return replace(node, inputs=(middle,), kept=(kept,), reduced=(rounds,),
                   read=Walk(0, (rounds, 1)))


def _uneven(node, loops, most, shapes):
    """Return the nodes for a loop of so many samples that nothing divides it: the rest apart."""
    count, stride = loops[-1]
    size = max(most // 2, 1)
    while count % size == 0:
        size -= 1
    whole, rest = divmod(count, size)
    start = node.read.start
    first, main = _partial(node, [*loops[:-1], (whole, stride * size)], [(size, stride)], start,
                           shapes, "part")
    second, tail = _partial(node, loops[:-1], [(rest, stride)], start + whole * size * stride,
                            shapes, "rest")
    rows = math.prod(node.kept) * math.prod(count for count, _ in loops[:-1])
    joined = f"{main}s"
    while joined in shapes:
        joined += "_"
    shapes[joined] = (math.prod(node.kept), rows // math.prod(node.kept) * (whole + 1), 1)
    boxes = tuple(Box((rows, size), Walk(0, (size, 1)), Walk(place, (whole + 1, 1)), source)
                  for source, size, place in ((0, whole, 0), (1, 1, whole)))
    move = Move(joined, (main, tail), joined, node.layer, boxes=boxes, target=shapes[joined])
    return [first, second, move, *_levels(_last(node, joined, shapes), shapes)]
