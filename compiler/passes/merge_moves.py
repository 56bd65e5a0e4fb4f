"""Read through moves: what reorders a tensor is no step of its own if its readers can do it."""

import math
from dataclasses import dataclass, replace

from compiler.boxes import Box, Walk, concat_boxes
from compiler.graph import Concat, Elementwise, Graph, Move, Reduce, Reshape
from compiler.passes.drop_dead import drop_dead

__all__ = ["merge_moves"]


def merge_moves(graph: Graph) -> Graph:
    """Return the graph with moves composed with what reads them, and with what they read.

    Moves take the loops of a move of one box before them over, unless they are views and not its
    only reader; so do reductions, and operators that read every sample once, if nothing else reads
    it. What is left to reorder a whole tensor of several parts, alone, puts these in place itself.
    A move that leaves all samples in order is a Reshape, and what nothing reads any more is
    dropped. Idempotent.
    """
    while True:
        merged = drop_dead(_merged_once(graph))
        if _same(merged, graph):
            merged = drop_dead(_put_in_place(graph))
            if _same(merged, graph):
                return merged
        # What lost a reader may be read through by the last one now.
        graph = merged


def _same(first, second):
    return [node.inputs for node in first.nodes] == [node.inputs for node in second.nodes]


def _merged_once(graph):
    made, nodes = {}, []
    for node in graph.nodes:
        node = _through(graph, node, made)
        if isinstance(node, Move) and len(node.boxes) == 1:
            node = _plain(graph, node)
        made[node.output] = node
        nodes.append(node)
    return replace(graph, nodes=tuple(nodes))


def _put_in_place(graph):
    """Return the graph with parts moved at once to where they are in a reordered whole."""
    nodes = []
    for node in graph.nodes:
        made = _parts(graph, node)
        found = made and _reordered_parts(node, *made)
        nodes.append(found or node)
    return replace(graph, nodes=tuple(nodes))


def _parts(graph, node):
    """Return (inputs, boxes) that a move of one box puts in another order, or None."""
    if not isinstance(node, Move) or len(node.boxes) != 1:
        return None
    name = node.inputs[0]
    while graph.only_reader(name):
        maker = graph.producer(name)
        if math.prod(graph.shapes[name]) != math.prod(node.target) or maker is None:
            return None
        if isinstance(maker, Move) and len(maker.boxes) > 1:
            return maker.inputs, maker.boxes
        if isinstance(maker, Concat):
            sizes = [math.prod(graph.shapes[source]) for source in maker.inputs]
            return maker.inputs, concat_boxes([(size,) for size in sizes], 0)
        if not isinstance(maker, Reshape):
            return None
        name = maker.inputs[0]
    return None


def _reordered_parts(node, inputs, boxes):
    """Return the move that puts boxes where another move would put what they make, or None."""
    box = node.boxes[0].merged()
    places = _Reordered.of(Box(box.counts, box.write, box.read))
    if not places.whole:
        return None
    moved = []
    for part in boxes:
        found = places.compose(part.counts, part.write)
        if found is None:
            return None
        start, loops = found
        moved.append(Box(
            tuple(count for loop in loops for count, _, _ in loop), _split(part.read, loops),
            Walk(start, tuple(stride for loop in loops for _, stride, _ in loop)),
            part.source).merged())
    return replace(node, inputs=inputs, boxes=tuple(moved))


def _plain(graph, node):
    """Return a move of one box of its only input, or the Reshape that it is."""
    box = node.boxes[0].merged()
    name = node.inputs[box.source]
    node = replace(node, inputs=(name,), boxes=(replace(box, source=0),))
    whole = math.prod(graph.shapes[name]) == math.prod(box.counts)
    if whole and box.read == box.write and box.read.start == 0 and len(box.counts) <= 1 \
            and box.read.strides in ((), (1,)):
        return Reshape(node.name, node.inputs, node.output, node.layer, target=node.target)
    return node


def _through(graph, node, made):
    """Return the node that reads what moves before it read, as far as it can."""
    while True:
        changed = node
        for place, name in enumerate(node.inputs):
            maker = made.get(name)
            while isinstance(maker, Reshape):
                maker = made.get(maker.inputs[0])
            if isinstance(maker, Move) and len(maker.boxes) == 1 \
                    and _worth(changed, place, graph.only_reader(maker.output) is not None):
                changed = _read(changed, place, maker)
        if changed is node:
            return node
        node = changed


def _worth(node, place, alone):
    """Return whether a node should read through a move; ``alone`` if nothing else reads that."""
    if isinstance(node, Move):
        boxes = [box.merged() for box in node.boxes if box.source == place]
        return alone or not all(box.read.strides in ((), (1,)) for box in boxes)
    return alone and (isinstance(node, Reduce) or (
        isinstance(node, Elementwise) and node.counts is not None
        and 0 not in node.reads[place].strides))


def _read(node, place, move):
    """Return a node whose input ``place`` is what a move reads, or the node as it is."""
    box = _Reordered.of(move.boxes[0].merged())
    if isinstance(node, Move):
        return _read_move(node, place, move, box)
    if isinstance(node, Reduce):
        cut = len(node.kept)
        found = box.compose((*node.kept, *node.reduced), node.read)
        if found is None:
            return node
        start, loops = found
        kept, reduced = (tuple(count for loop in part for count, _, _ in loop)
                         for part in (loops[:cut], loops[cut:]))
        strides = tuple(stride for loop in loops for _, stride, _ in loop)
        return replace(node, inputs=move.inputs, kept=kept, reduced=reduced,
                       read=Walk(start, strides))
    found = box.compose(node.counts, node.reads[place])
    if found is None:
        return node
    start, loops = found
    reads = [_split(walk, loops) for walk in node.reads]
    reads[place] = Walk(start, tuple(stride for loop in loops for _, stride, _ in loop))
    inputs = list(node.inputs)
    inputs[place], = move.inputs
    return replace(node, inputs=tuple(inputs), reads=tuple(reads),
                   counts=tuple(count for loop in loops for count, _, _ in loop))


def _read_move(node, place, move, reordered):
    """Return a move whose boxes read what another move reads; of all boxes or of none."""
    boxes = []
    for box in node.boxes:
        if box.source == place:
            found = reordered.compose(box.counts, box.read)
            if found is None:
                return node
            start, loops = found
            box = Box(tuple(count for loop in loops for count, _, _ in loop),
                      Walk(start, tuple(stride for loop in loops for _, stride, _ in loop)),
                      _split(box.write, loops), place).merged()
        boxes.append(box)
    inputs = list(node.inputs)
    inputs[place], = move.inputs
    return replace(node, inputs=tuple(inputs), boxes=tuple(boxes))


def _split(walk, loops):
    """Return a walk over loops that were cut into several."""
    return Walk(walk.start, tuple(
        stride * factor for stride, loop in zip(walk.strides, loops, strict=True)
        for _, _, factor in loop))


@dataclass(frozen=True)
class _Reordered:
    """A tensor that one box makes: its places are digits, one for each loop of the box.

    Parameters
    ----------
    start : int
        Place read for the first sample.
    digits : tuple of (int, int, int)
        Count, stride written (the digit's weight) and stride read, heaviest first.
    """

    start: int
    digits: tuple

    @classmethod
    def of(cls, box):
        start, digits = box.read.start, []
        for count, read, write in zip(box.counts, box.read.strides, box.write.strides,
                                      strict=True):
            if write < 0:
                start, read, write = start + (count - 1) * read, -read, -write
            digits.append((count, write, read))
        return cls(start, tuple(sorted(digits, key=lambda digit: -digit[1])))

    @property
    def whole(self):
        """Whether every place is a combination of digits, and just one."""
        weights = [math.prod(count for count, _, _ in self.digits[place + 1:])
                   for place in range(len(self.digits))]
        return weights == [weight for _, weight, _ in self.digits]

    def compose(self, counts, walk):
        """Return where a walk over the tensor goes in the box's source.

        Returns
        -------
        int
            Place of the first sample.
        list of list of (int, int, int)
            For each loop the loops that it is cut into, outermost first: count, stride, and how
            many strides of the whole loop that is. None instead of both if a loop cannot be cut.
        """
        first = [walk.start // weight % count for count, weight, _ in self.digits]
        low, high = list(first), list(first)
        cut = []
        for count, stride in zip(counts, walk.strides, strict=True):
            parts = self._cut(count, stride)
            if parts is None:
                return None
            for times, steps, digit, _ in parts:
                if digit is not None:
                    span = (times - 1) * steps
                    low[digit] += min(span, 0)
                    high[digit] += max(span, 0)
            cut.append([(times, 0 if digit is None else steps * self.digits[digit][2], factor)
                        for times, steps, digit, factor in parts])
        for (count, _, _), least, most in zip(self.digits, low, high, strict=True):
            if least < 0 or most >= count:
                return None
        return self.start + sum(place * read for place, (_, _, read) in zip(
            first, self.digits, strict=True)), cut

    def _cut(self, count, stride):
        """Return (count, steps of a digit, digit, factor) of the loops a loop is cut into."""
        if stride == 0 or count == 1:
            return [(count, 0, None, 1)]
        fitting = [place for place, (_, weight, _) in enumerate(self.digits)
                   if stride % weight == 0]
        if not fitting:
            return None
        digit = fitting[0]
        size, weight, _ = self.digits[digit]
        steps = abs(stride) // weight
        if (count - 1) * steps < size:
            return [(count, stride // weight, digit, 1)]
        times = size // steps
        if steps >= size or size % steps or count % times:
            return None
        outer = self._cut(count // times, stride * times)
        return outer and [
            *((most, step, place, factor * times) for most, step, place, factor in outer),
            (times, stride // weight, digit, 1)]
