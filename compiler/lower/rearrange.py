"""Circuits that read maps in another order: enlargement, and the largest of all maps."""

import math

from hdl.registers import OPERATIONS

from ..errors import CompileError
from .axis import split_evenly
from .circuit import Circuit, loops
from .nests import MOST_COUNT
from .posts import chain
from .predict import read_traffic
from .reduce import MOST_PLACES
from .streaming import Stream, linear_loops, set_read

__all__ = ["argmax_streams", "upsample_streams"]


def _stream(stage, target, port, order, table, write, samples, reduce=None):
    """Return the stream of one DMA port: read in an order, perhaps reduce, write."""
    circuit, node, tile = Circuit(), target.tiles + port, target.dma_tiles[port]
    set_read(circuit, node, order, table)
    circuit.set(node, "write", write)
    chain(circuit, tile, "dma", stage.nodes, {}, reduce)
    traffic = read_traffic(circuit.units[node]["read"], table, math.prod(write["count"]), target)
    return Stream(circuit, samples, traffic)


def upsample_streams(stage, graph, target, addresses):
    """Return batches of streams of an Upsample: each DMA port takes some of the maps."""
    source, result = addresses
    channels, rows, columns = graph.tensors[stage.head.inputs[0]].shape
    down, across = stage.head.factors
    plane = rows * columns * down * across
    parts = max(-(-channels // target.table_depth), min(channels, target.ports))
    streams = split_evenly(channels, parts)
    order = [(across, 0), (columns, 1), (down, 0), (rows, columns)]
    return [[_stream(stage, target, port, order,
                     [source + number * rows * columns for number in range(first, first + count)],
                     {"enable": 1, "base": result + first * plane}
                     | loops(*linear_loops((count, rows * down, columns * across))),
                     count * plane)
             for port, (first, count) in enumerate(streams[start:start + target.ports])]
            for start in range(0, parts, target.ports)]


def argmax_streams(stage, graph, target, addresses):
    """Return the batch of streams of an ArgMax: each DMA port takes some of the positions.

    Raises
    ------
    CompileError
        If there are more maps than an operator compares, or samples than a loop counts.
    """
    source, result = addresses
    channels, rows, columns = graph.tensors[stage.head.inputs[0]].shape
    plane = rows * columns
    if channels > MOST_PLACES:
        raise CompileError(f"{stage.head.layer}: {channels} maps exceed the {MOST_PLACES} that an "
                           "operator numbers")
    if plane > MOST_COUNT:
        raise CompileError(f"{stage.head.layer}: maps of {plane} samples exceed the "
                           f"{MOST_COUNT} of a loop")
    reduce = {"operation": OPERATIONS.index("reduce_argmax"), "count": channels}
    return [[_stream(stage, target, port, [(channels, plane), (count, 1)], [source + first],
                     {"enable": 1, "base": result + first} | loops((count, 1)),
                     channels * count, reduce)
             for port, (first, count) in enumerate(split_evenly(plane, min(plane, target.ports)))]]
