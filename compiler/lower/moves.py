"""Circuits that copy samples to other places: every DMA port reads by loops, and writes by others.

A piece that already stands where it is to be costs nothing, see `sharing.py`.
"""

from dataclasses import replace

from ..boxes import Box
from .circuit import Circuit
from .nests import Channel, Nest, deal
from .posts import chain
from .predict import read_traffic
from .sharing import share_memory
from .streaming import Stream, set_read, set_write

__all__ = ["move_streams"]


def move_streams(stage, graph, target, addresses):
    """Return batches of streams that copy the pieces of a Move or Concat which stand elsewhere.

    Parameters
    ----------
    stage : Stage
        Move or Concat, and a Lookup behind it if nothing of it stands in place.
    graph : FixedGraph
        The network.
    target : Target
        The machine.
    addresses : tuple of int
        Sample addresses of the head's inputs in order, then of the output.
    """
    *sources, result = addresses
    nests = []
    for box in share_memory(graph).copies[stage.head.output]:
        box = _in_order_of_writing(box)
        nests.append(Nest(box.counts, (
            Channel(sources[box.source] + box.read.start, box.read.strides),
            Channel(result + box.write.start, box.write.strides))))
    return [[_stream(stage, target, port, job) for port, job in step]
            for step in deal(nests, target.ports, target.table_depth)]


def _in_order_of_writing(box: Box) -> Box:
    """Return the box with its loops sorted: what is written together is written in one burst."""
    order = sorted(range(len(box.counts)), key=lambda axis: -abs(box.write.strides[axis]))
    read, write = (replace(walk, strides=tuple(walk.strides[axis] for axis in order))
                   for walk in (box.read, box.write))
    return replace(box, counts=tuple(box.counts[axis] for axis in order), read=read, write=write)


def _stream(stage, target, port, job):
    circuit, node = Circuit(), target.tiles + port
    set_read(circuit, node, job.loops[0], job.tables[0])
    set_write(circuit, node, job.loops[1], job.tables[1])
    chain(circuit, target.dma_tiles[port], "dma", stage.posts, {})
    units = circuit.units[node]
    return Stream(circuit, job.size,
                  read_traffic(units["read"], units["read_table"], job.size, target))
