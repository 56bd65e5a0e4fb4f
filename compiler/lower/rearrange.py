"""Circuits that move samples to other places: copies, enlargement, and the largest of all maps."""

import math

from hdl.registers import OPERATIONS

from ..errors import CompileError
from .axis import split_evenly
from .circuit import Circuit, loops
from .posts import chain
from .predict import read_traffic
from .sharing import share_memory
from .streaming import MOST_COUNT, MOST_REDUCED, Stream, linear_loops, set_read

__all__ = ["argmax_streams", "concat_streams", "upsample_streams"]


def _stream(stage, target, port, order, table, write, samples, reduce=None):
    """Return the stream of one DMA port: read in an order, perhaps reduce, write."""
    circuit, node, tile = Circuit(), target.tiles + port, target.dma_tiles[port]
    set_read(circuit, node, order, table)
    circuit.set(node, "write", write)
    chain(circuit, tile, "dma", stage.nodes, {}, reduce)
    traffic = read_traffic(circuit.units[node]["read"], table, math.prod(write["count"]), target)
    return Stream(circuit, samples, traffic)


def concat_streams(stage, graph, target, addresses):
    """Return batches of streams that copy the tensors of a Concat which stand elsewhere."""
    *sources, result = addresses
    streams = []
    for source, (name, offset) in zip(sources, share_memory(graph).copies[stage.output],
                                      strict=True):
        tensor = graph.tensors[name]
        order = linear_loops(tensor.shape)
        write = {"enable": 1, "base": result + offset} | loops(*order)
        streams.append((order, [source], write, tensor.size))
    return [[_stream(stage, target, port, order, table, write, samples)
             for port, (order, table, write, samples) in
             enumerate(streams[start:start + target.ports])]
            for start in range(0, len(streams), target.ports)]


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
    if channels > min(MOST_REDUCED, 1 << 15):
        raise CompileError(f"{stage.head.layer}: {channels} maps exceed the "
                           f"{min(MOST_REDUCED, 1 << 15)} that an operator numbers")
    if plane > MOST_COUNT:
        raise CompileError(f"{stage.head.layer}: maps of {plane} samples exceed the "
                           f"{MOST_COUNT} of a loop")
    reduce = {"operation": OPERATIONS.index("reduce_argmax"), "count": channels}
    return [[_stream(stage, target, port, [(channels, plane), (count, 1)], [source + first],
                     {"enable": 1, "base": result + first} | loops((count, 1)),
                     channels * count, reduce)
             for port, (first, count) in enumerate(split_evenly(plane, min(plane, target.ports)))]]
