"""Circuits that copy samples to other places: every DMA port reads by loops, and writes by others.

A piece that already stands where it is to be costs nothing, see `sharing.py`.
"""

from dataclasses import replace

from .circuit import Circuit
from .nests import Channel, Nest, channel_loops, deal
from .posts import chain
from .predict import read_traffic
from .streaming import Stream, set_read, set_write

__all__ = ["move_streams"]

#: Cycles of a burst of one beat, as the RTL of target `tiny` takes them; in longer ones about 1.
READ_BURST, WRITE_BURST = 1.29, 1.64


def move_streams(stage, boxes, target, addresses):
    """Return batches of streams that copy pieces of a Move or Concat.

    Parameters
    ----------
    stage : Stage
        Move or Concat, and a Lookup behind it if nothing of it stands in place.
    boxes : list of Box
        The pieces that do not stand in place.
    target : Target
        The machine.
    addresses : tuple of int
        Sample addresses of the head's inputs in order, then of the output.
    """
    *sources, result = addresses
    nests = []
    for box in boxes:
        nest = Nest(box.counts, (
            Channel(sources[box.source] + box.read.start, box.read.strides),
            Channel(result + box.write.start, box.write.strides)))
        nests.append(_sorted(nest, target.data_width // 16))
    return [[_stream(stage, target, port, job) for port, job in step]
            for step in deal(nests, target.ports, target.table_depth)]


def _sorted(nest, wide):
    """Return the nest with its loops in the order that costs memory least.

    One loop is innermost, the others are sorted by the strides of writing. ``wide``: samples of a
    beat.
    """
    read, write = nest.channels
    axes = sorted(range(len(nest.counts)), key=lambda axis: -abs(write.strides[axis]))
    orders = [(*(axis for axis in axes if axis != inner), inner) for inner in reversed(axes)]
    nests = [Nest(tuple(nest.counts[axis] for axis in order), tuple(
        replace(channel, strides=tuple(channel.strides[axis] for axis in order))
        for channel in (read, write))) for order in orders or [()]]
    return min(nests, key=lambda nest: sum(
        _cycles(channel_loops(nest.counts, channel), wide, burst)
        for channel, burst in zip(nest.channels, (READ_BURST, WRITE_BURST), strict=True)))


def _cycles(loops, wide, burst):
    """Return the cycles a sample that a channel's innermost loop takes of the memory."""
    count, stride = loops[0]
    if abs(stride) > wide:
        return burst
    return ((count - 1) * abs(stride) // wide + 1) / count


def _stream(stage, target, port, job):
    circuit, node = Circuit(), target.tiles + port
    set_read(circuit, node, job.loops[0], job.tables[0])
    set_write(circuit, node, job.loops[1], job.tables[1])
    chain(circuit, target.dma_tiles[port], "dma", stage.posts, {})
    units = circuit.units[node]
    return Stream(circuit, job.size,
                  read_traffic(units["read"], units["read_table"], job.size, target))
