"""Circuits that reduce: each DMA port reads all samples of an output one behind the other."""

import math

from hdl.registers import LOOPS, OPERATIONS

from ..boxes import merge, row_major
from ..errors import CompileError
from .circuit import Circuit
from .nests import Channel, Nest, deal
from .posts import chain
from .predict import read_traffic
from .streaming import MOST_REDUCED, Stream, set_read, set_write

__all__ = ["MOST_PLACES", "reduce_streams", "reduce_values"]

#: Most samples that argmax numbers.
MOST_PLACES = 1 << 15


def reduce_values(node):
    """Return registers of the operator that a Reduce node needs.

    Raises
    ------
    CompileError
        If it reduces more samples than an operator takes.
    """
    count = math.prod(node.reduced)
    most = MOST_PLACES if node.kind == "argmax" else MOST_REDUCED
    if count > most:
        raise CompileError(f"{node.layer}: {node.kind} of {count} samples at a time exceeds the "
                           f"{most} of an operator; reduce in two steps")
    return {"operation": OPERATIONS.index(f"reduce_{node.kind}"), "count": count,
            "constant": node.factor if node.kind == "sum" else 0, "shift": node.shift}


def reduce_streams(stage, graph, target, addresses):
    """Return batches of streams of a Reduce: each DMA port makes some of the outputs.

    Raises
    ------
    CompileError
        If it reduces more samples than an operator takes, or over more loops than a DMA channel
        has.
    """
    node = stage.head
    source, result = addresses
    outer = len(node.kept)
    counts, strides = merge(node.reduced, node.read.strides[outer:])
    if len(counts) > LOOPS:
        raise CompileError(f"{node.layer}: reduces over {len(counts)} dimensions that do not "
                           f"follow each other; a DMA channel has {LOOPS} loops")
    inner = tuple(zip(counts[::-1], strides[::-1], strict=True))
    nest = Nest(node.kept, (
        Channel(source + node.read.start, node.read.strides[:outer], inner),
        Channel(result, row_major(node.kept))))
    values = reduce_values(node)
    return [[_stream(stage, target, port, job, values) for port, job in step]
            for step in deal([nest], target.ports, target.table_depth)]


def _stream(stage, target, port, job, values):
    circuit, node = Circuit(), target.tiles + port
    set_read(circuit, node, job.loops[0], job.tables[0])
    set_write(circuit, node, job.loops[1], job.tables[1])
    chain(circuit, target.dma_tiles[port], "dma", stage.nodes, {}, values)
    units = circuit.units[node]
    return Stream(circuit, job.size, read_traffic(
        units["read"], units["read_table"], job.size // values["count"], target))
