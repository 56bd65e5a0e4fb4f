"""Nested loops over flat tensors: how Move, Reduce and broadcasting operators reach samples.

A tensor is its samples in the order of its shape, the last dimension fastest, whatever the number
of dimensions; ``row_major`` gives the strides. The functions here take shapes of any rank, as ONNX
has them, and merge loops that follow each other without a gap.
"""

import math
from dataclasses import dataclass
from itertools import product

import numpy as np

__all__ = ["Box", "Walk", "broadcast_walks", "concat_boxes", "extent", "gather_boxes", "merge",
           "places", "reduce_walk", "row_major", "split_inner", "transpose_box"]

#: Longest repeating pattern of indices that is looked for.
_LONGEST_PERIOD = 1024


@dataclass(frozen=True)
class Walk:
    """Places in a flat tensor: ``start`` plus each loop's index times its stride.

    Parameters
    ----------
    start : int
        Place of the first sample.
    strides : tuple of int
        Samples that each loop steps, outermost first; 0 repeats, negative goes backwards.
    """

    start: int
    strides: tuple[int, ...]


@dataclass(frozen=True)
class Box:
    """Samples that are copied by nested loops, from one walk to another.

    Parameters
    ----------
    counts : tuple of int
        Iterations of each loop, outermost first.
    read, write : Walk
        Places in the source and in the destination.
    source : int
        Which of a node's inputs is read.
    """

    counts: tuple[int, ...]
    read: Walk
    write: Walk
    source: int = 0

    def merged(self):
        """Return the box with the loops merged that follow each other without a gap."""
        counts, reads, writes = merge(self.counts, self.read.strides, self.write.strides)
        return Box(counts, Walk(self.read.start, reads), Walk(self.write.start, writes),
                   self.source)


def row_major(shape):
    """Return the strides of a tensor's dimensions."""
    return tuple(math.prod(shape[axis + 1:]) for axis in range(len(shape)))


def extent(counts, walk):
    """Return the lowest and the highest place of a walk."""
    spans = [(count - 1) * stride for count, stride in zip(counts, walk.strides, strict=True)]
    return (walk.start + sum(min(span, 0) for span in spans),
            walk.start + sum(max(span, 0) for span in spans))


def places(counts, walk):
    """Return all places of a walk in its order, as an array of shape ``counts``."""
    found = np.full((1,) * len(counts), walk.start)
    for axis, (count, stride) in enumerate(zip(counts, walk.strides, strict=True)):
        along = [1] * len(counts)
        along[axis] = count
        found = found + (np.arange(count) * stride).reshape(along)
    return found


def merge(counts, *strides):
    """Return loops in which those that follow each other without a gap are one.

    Parameters
    ----------
    counts : sequence of int
        Iterations, outermost first.
    strides : sequence of int
        For each of the walks that the loops drive, the strides.

    Returns
    -------
    tuple
        Counts, then the strides of each walk; loops of one iteration are left out.
    """
    kept = []
    for count, *steps in zip(counts, *strides, strict=True):
        if count == 1:
            continue
        if kept and all(outer == count * step
                        for outer, step in zip(kept[-1][1:], steps, strict=True)):
            kept[-1] = (kept[-1][0] * count, *steps)
        else:
            kept.append((count, *steps))
    columns = list(zip(*kept, strict=True)) or [()] * (1 + len(strides))
    return tuple(tuple(column) for column in columns)


def split_inner(counts, strides, size):
    """Return the outer and the inner ones of nested loops, the inner with ``size`` iterations.

    Parameters
    ----------
    counts : sequence of int
        Iterations, outermost first.
    strides : sequence of sequence of int
        For each walk that the loops drive, the strides.
    size : int
        Iterations of the inner loops together; a loop may be cut in two for it.

    Returns
    -------
    tuple of list, or None
        Outer and inner loops, each (count, stride of each walk), outermost first; None if no cut
        makes inner loops of that size.
    """
    outer, inner = list(zip(counts, *strides, strict=True)), []
    while size > 1:
        if not outer:
            return None
        count, *steps = outer.pop()
        taken = min(count, size)
        if count % taken or size % taken:
            return None
        if count > taken:
            outer.append((count // taken, *(step * taken for step in steps)))
        inner.insert(0, (taken, *steps))
        size //= taken
    return outer, inner


def _box(counts, read, write, source=0):
    """Return the box of (start, strides) walks with its loops merged."""
    (first, reads), (into, writes) = read, write
    return Box(tuple(counts), Walk(first, tuple(reads)), Walk(into, tuple(writes)),
               source).merged()


def transpose_box(shape, permutation):
    """Return the `Box` that reorders the dimensions of a tensor.

    Parameters
    ----------
    shape : tuple of int
        The source's, of any rank.
    permutation : sequence of int
        Source dimension of each output dimension, as ONNX Transpose has it.
    """
    strides = row_major(shape)
    made = tuple(shape[axis] for axis in permutation)
    return _box(made, (0, [strides[axis] for axis in permutation]), (0, row_major(made)))


def concat_boxes(shapes, axis):
    """Return the boxes that join tensors of ``shapes`` along ``axis``, source by source."""
    made = list(shapes[0])
    made[axis] = sum(shape[axis] for shape in shapes)
    strides, before, boxes = row_major(made), 0, []
    for source, shape in enumerate(shapes):
        boxes.append(_box(shape, (0, row_major(shape)), (before * strides[axis], strides), source))
        before += shape[axis]
    return tuple(boxes)


def gather_boxes(shape, indices, fill=1):
    """Return the boxes of an output whose sample [i, j, ..] is [first[i], second[j], ..] of input.

    Slices, crops, reversals, padding of every mode, tiling, repetition, enlargement to the nearest
    sample and constant gathers are of this kind.

    Parameters
    ----------
    shape : tuple of int
        The input's, of any rank.
    indices : sequence
        For each dimension the input's index for each of the output's, or None for all of them in
        order; -1 stands for a constant.
    fill : int
        Which of a node's inputs holds the constant, its only sample.
    """
    maps = [np.arange(size) if index is None else np.asarray(index, np.int64)
            for size, index in zip(shape, indices, strict=True)]
    made = [len(index) for index in maps]
    reads, writes = row_major(shape), row_major(made)
    parts = [_segments(index) for index in maps]
    boxes = [_join(chosen, reads, writes, 0) for chosen in product(
        *([part for part in axis if part[1] >= 0] for axis in parts))]
    for axis in range(len(shape)):
        # What is constant for this dimension's sake, and not for that of one before it.
        outside = [part for part in parts[axis] if part[1] < 0]
        before = [[part for part in other if part[1] >= 0] for other in parts[:axis]]
        after = [[(0, 0, ((size, 0, 1),))] for size in made[axis + 1:]]
        boxes += [_join(chosen, [0] * len(shape), writes, fill)
                  for chosen in product(*before, outside, *after)]
    return tuple(boxes)


def _join(parts, reads, writes, source):
    """Return the box of one (place written, index read, loops) part for each dimension."""
    counts, steps, into = [], [], []
    for (_, _, inner), read, write in zip(parts, reads, writes, strict=True):
        counts += [count for count, _, _ in inner]
        steps += [step * read for _, step, _ in inner]
        into += [step * write for _, _, step in inner]
    first = sum(index * read for (_, index, _), read in zip(parts, reads, strict=True))
    place = sum(place * write for (place, _, _), write in zip(parts, writes, strict=True))
    return _box(counts, (first, steps), (place, into), source)


def _segments(index):
    """Return (place, index, loops) parts of one dimension; an index of -1 is a constant's."""
    parts, start = [], 0
    edges = np.flatnonzero(np.diff(index < 0)) + 1
    for end in (*edges.tolist(), len(index)):
        if index[start] < 0:
            parts.append((start, -1, ((end - start, 0, 1),)))
        else:
            parts += [(start + place, first, loops)
                      for place, first, loops in _patterns(index[start:end])]
        start = end
    return parts


def _patterns(index):
    """Return (place, index, loops) parts that make a list of indices, few of them."""
    best = _runs(index)
    for period in range(2, min(len(index) // 2, _LONGEST_PERIOD) + 1):
        if len(best) == 1:
            break
        if np.ptp(index[period:2 * period] - index[:period]):
            continue
        times = len(index) // period
        whole = index[:times * period].reshape(times, period)
        steps = np.diff(whole, axis=0)
        if (steps != steps[0, 0]).any():
            continue
        outer = (times, int(steps[0, 0]), period)
        found = [(place, first, (outer, *loops)) for place, first, loops in _patterns(whole[0])]
        if len(index) > times * period:
            found += [(place + times * period, first, loops)
                      for place, first, loops in _patterns(index[times * period:])]
        best = min(best, found, key=len)
    return best


def _runs(index):
    """Return (place, index, loops) parts of evenly spaced indices."""
    parts, start = [], 0
    steps = np.diff(index)
    while start < len(index):
        end = start + 1
        if end < len(index):
            changed = np.flatnonzero(steps[start:] != steps[start])
            end = start + 1 + (int(changed[0]) if len(changed) else len(steps) - start)
        step = int(steps[start]) if end - start > 1 else 0
        parts.append((start, int(index[start]), ((end - start, step, 1),)))
        start = end
    return parts


def broadcast_walks(target, *shapes):
    """Return counts, and the `Walk` of each tensor that is broadcast to ``target``.

    Parameters
    ----------
    target : tuple of int
        ONNX shape of the result.
    shapes : tuple of int
        Shapes of the operands, which broadcast to it by ONNX's (NumPy's) rule.
    """
    strides = []
    for shape in shapes:
        full = (1,) * (len(target) - len(shape)) + tuple(shape)
        strides.append([0 if size == 1 else step
                        for size, step in zip(full, row_major(full), strict=True)])
    counts, *walks = merge(target, *strides)
    return counts, tuple(Walk(0, steps) for steps in walks)


def reduce_walk(shape, axes):
    """Return counts kept, counts reduced, and the `Walk` over both, for a reduction over ``axes``.

    The output holds the dimensions that are kept in their order.
    """
    strides = row_major(shape)
    kept = [axis for axis in range(len(shape)) if axis not in axes]
    outer, inner = (merge([shape[axis] for axis in part], [strides[axis] for axis in part])
                    for part in (kept, sorted(axes)))
    return outer[0], inner[0], Walk(0, (*outer[1], *inner[1]))
