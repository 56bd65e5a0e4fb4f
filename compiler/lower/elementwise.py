"""Circuits of operators on two tensors, each read by loops of its own, and of those on one."""

import math

from hdl.registers import OPERATIONS

from ..boxes import Walk, row_major, split_inner
from ..errors import CompileError
from ..fixed import Lookup, Reduce
from .circuit import Circuit, route
from .nests import Channel, Nest, deal
from .placement import OPPOSITE, port_pairs
from .posts import chain
from .predict import read_traffic
from .reduce import reduce_values
from .streaming import Stream, sample_streams, set_read, set_write

__all__ = ["elementwise_streams"]


def elementwise_streams(stage, graph, target, addresses):
    """Return batches of streams of an Elementwise: each pair of DMA tiles makes some outputs.

    With a constant there is one tensor to read, and each DMA port takes a share. A Reduce behind
    two tensors is the other operator of the tile.

    Raises
    ------
    CompileError
        If the operators do not know the operation, or no two DMA tiles are neighbours.
    """
    node = stage.head
    if node.operation not in OPERATIONS[:OPERATIONS.index("reduce_sum")]:
        raise CompileError(f"{node.layer}: the operators do not know {node.operation!r}")
    if node.constant is not None:
        return sample_streams(stage, graph, target, addresses, _operator_values(node))
    pairs = list(port_pairs(target).items())
    if not pairs:
        raise CompileError(f"{node.layer}: target {target.name} has no two DMA ports on "
                           f"neighbouring tiles to bring two tensors")
    nest = _nest(node, graph, addresses, stage.post(Reduce))
    return [[_pair_stream(stage, target, pairs[slot], job) for slot, job in step]
            for step in deal([nest], len(pairs), target.table_depth)]


def _operator_values(node):
    values = {"operation": OPERATIONS.index(node.operation), "shift_a": node.shift_a,
              "shift_b": node.shift_b, "shift": node.shift}
    if node.constant is not None:
        values |= {"constant_enable": 1, "constant": node.constant}
    return values


def _nest(node, graph, addresses, reduce):
    """Return the nest of two reading channels and one that writes; a Reduce takes inner loops."""
    counts, reads = node.counts, node.reads
    if counts is None:
        counts, reads = (graph.tensors[node.output].size,), (Walk(0, (1,)),) * 2
    outer, inner = split_inner(counts, [walk.strides for walk in reads],
                               math.prod(reduce.reduced) if reduce else 1)
    counts = tuple(count for count, *_ in outer)
    sources = [
        Channel(address + walk.start, tuple(loop[index] for loop in outer),
                tuple((loop[0], loop[index]) for loop in reversed(inner)))
        for index, (address, walk) in enumerate(zip(addresses, reads, strict=False), start=1)]
    return Nest(counts, (*sources, Channel(addresses[-1], row_major(counts))))


def _pair_stream(stage, target, pair, job):
    tile, (other, direction) = pair
    first, second = (target.tiles + target.port_of_tile(name) for name in (tile, other))
    circuit, reduce = Circuit(), stage.post(Reduce)
    set_read(circuit, first, job.loops[0], job.tables[0])
    set_read(circuit, second, job.loops[1], job.tables[1])
    set_write(circuit, first, job.loops[2], job.tables[2])
    circuit.set(tile, "op0", _operator_values(stage.head))
    route(circuit, other, {OPPOSITE[direction]: "dma"})
    pairs, source, written = {"op0_a": "dma", "op0_b": direction}, "op0", job.size
    if reduce:
        circuit.set(tile, "op1", reduce_values(reduce))
        pairs["op1_a"], source = source, "op1"
        written //= math.prod(reduce.reduced)
    chain(circuit, tile, source, [post for post in stage.posts if isinstance(post, Lookup)], pairs)
    traffic = [read_traffic(units["read"], units["read_table"], samples, target)
               for units, samples in ((circuit.units[first], written),
                                      (circuit.units[second], 0))]
    return Stream(circuit, job.size, traffic[0] + traffic[1])
