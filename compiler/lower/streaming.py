"""Circuits without a convolver: look-up tables, pooling, operators on two tensors."""

import itertools
import math
from dataclasses import dataclass

from hdl.registers import OPERATIONS

from ..errors import CompileError
from .axis import split_evenly
from .circuit import Circuit, loops, route
from .placement import OPPOSITE, port_pairs
from .posts import chain, reduction
from .predict import Traffic, read_traffic

__all__ = ["MOST_COUNT", "MOST_REDUCED", "Stream", "elementwise_streams", "linear_loops",
           "lookup_streams", "pool_streams", "set_read"]

#: Most samples that one reduction takes, and most iterations of a loop: what the registers hold.
MOST_REDUCED = (1 << 16) - 1
MOST_COUNT = (1 << 20) - 1

#: Most beats of a burst.
MAX_BEATS = 16


@dataclass(frozen=True)
class Stream:
    """One circuit and what it moves.

    Parameters
    ----------
    circuit : Circuit
        Its registers.
    samples : int
        Samples through its operator.
    traffic : Traffic
        What it reads and writes.
    """

    circuit: Circuit
    samples: int
    traffic: Traffic


def set_read(circuit, node, order, table):
    """Let a DMA port read ``order`` (count, stride) loops from each base of ``table``."""
    circuit.set(node, "read", {"enable": 1, "repeat": 1, "entries": len(table)} | loops(*order))
    circuit.set(node, "read_table", table)


def linear_loops(shape):
    """Return loops over consecutive samples of ``shape``."""
    channels, rows, columns = shape
    plane = rows * columns
    return [(plane, 1), (channels, plane)] if plane <= MOST_COUNT else \
        [(columns, 1), (rows, columns), (channels, plane)]


def _shares(shape, parts):
    """Return (sample offset, shape) of up to ``parts`` parts of a tensor that follow each other.

    Parts are whole maps, or any samples where there are fewer maps than parts.
    """
    channels, rows, columns = shape
    plane = rows * columns
    if channels >= parts or channels * plane > parts * MOST_COUNT:
        return [(first * plane, (count, rows, columns))
                for first, count in split_evenly(channels, min(channels, parts))]
    return [(first, (1, 1, count))
            for first, count in split_evenly(channels * plane, min(channels * plane, parts))]


def lookup_streams(stage, graph, target, addresses):
    """Return batches of streams of a Lookup: each DMA port takes a share of the samples."""
    return _sample_streams(stage, graph, target, addresses, None)


def _sample_streams(stage, graph, target, addresses, values):
    """Return streams of a head that takes sample by sample; ``values`` are operator 0's."""
    source, result = addresses
    batch = []
    for port, (offset, shape) in enumerate(
            _shares(graph.tensors[stage.output].shape, target.ports)):
        circuit, node = Circuit(), target.tiles + port
        set_read(circuit, node, linear_loops(shape), [source + offset])
        circuit.set(node, "write", {
            "enable": 1, "base": result + offset} | loops(*linear_loops(shape)))
        chain(circuit, target.dma_tiles[port], "dma", stage.nodes, {}, values)
        size = math.prod(shape)
        batch.append(Stream(circuit, size, _linear_traffic(size, 1, target)))
    return [batch]


def _linear_traffic(size, tensors, target):
    """Return the traffic of reading ``tensors`` times ``size`` samples and writing them once."""
    beats = tensors * (-(-size * 16 // target.data_width) + 1)
    return Traffic(beats, -(-beats // MAX_BEATS), size)


def _regions(size, window, stride, before, after, outputs, layer):
    """Return (first output, count, first sample, samples taken, samples padding included).

    All windows of a region take equally many samples and stand ``stride`` apart.
    """
    regions = []
    for output in range(outputs):
        begin = output * stride - before
        low, high = max(0, begin), min(size, begin + window)
        padded = min(size + after, begin + window) - max(-before, begin)
        if high <= low:
            raise CompileError(f"{layer}: window {output} lies in the padding alone; "
                               f"padding must be less than the window")
        if regions:
            first, count, start, taken, whole = regions[-1]
            if (taken, whole) == (high - low, padded) and low == start + count * stride:
                regions[-1] = (first, count + 1, start, taken, whole)
                continue
        regions.append((output, 1, low, high - low, padded))
    return regions


def pool_streams(stage, graph, target, addresses):
    """Return batches of streams of a Pool: DMA ports share regions and maps.

    Windows that leave the map take fewer samples, so maps are cut into regions of equal windows.

    Raises
    ------
    CompileError
        If a window has too many samples, or none.
    """
    pool = stage.head
    shape, made = graph.tensors[pool.inputs[0]].shape, graph.tensors[stage.output].shape
    rows, columns = (
        _regions(shape[axis + 1], pool.window[axis], pool.stride[axis], pool.padding[axis],
                 pool.padding[axis + 2], made[axis + 1], pool.layer) for axis in (0, 1))
    parts = max(-(-shape[0] // target.table_depth), min(shape[0], target.ports))
    rows = [share for row in rows for share in _split_region(row, pool, target.ports // parts)]
    jobs = [(row, column, maps) for row, column in itertools.product(rows, columns)
            for maps in split_evenly(shape[0], parts)]
    jobs.sort(key=lambda job: -_pool_samples(*job))
    batches = []
    for start in range(0, len(jobs), target.ports):
        batches.append([
            _pool_stream(stage, (shape, made), target, addresses, port, job)
            for port, job in enumerate(jobs[start:start + target.ports])])
    return batches


def _split_region(region, pool, parts):
    """Return a region of rows in up to ``parts`` parts."""
    output, count, start, *rest = region
    return [(output + first, rows, start + first * pool.stride[0], *rest)
            for first, rows in split_evenly(count, max(1, min(count, parts)))]


def _pool_samples(row, column, maps):
    return maps[1] * row[1] * column[1] * row[3] * column[3]


def _pool_stream(stage, shapes, target, addresses, port, job):
    pool = stage.head
    (_, rows, columns), (_, out_rows, out_columns) = shapes
    row, column, (first, count) = job
    taken = row[3] * column[3]
    if taken > MOST_REDUCED:
        raise CompileError(f"{pool.layer}: a window of {taken} samples exceeds the "
                           f"{MOST_REDUCED} of an operator; pool in two steps")
    circuit, node = Circuit(), target.tiles + port
    base = addresses[0] + row[2] * columns + column[2]
    windows = [(column[3], 1), (row[3], columns), (column[1], pool.stride[1]),
               (row[1], pool.stride[0] * columns)]
    set_read(
        circuit, node, windows,
        [base + channel * rows * columns for channel in range(first, first + count)])
    plane = out_rows * out_columns
    circuit.set(node, "write", {
        "enable": 1, "base": addresses[1] + first * plane + row[0] * out_columns + column[0],
    } | loops((column[1], 1), (row[1], out_columns), (count, plane)))
    averaged = row[4] * column[4] if pool.count_include_pad else taken
    chain(circuit, target.dma_tiles[port], "dma", stage.nodes, {},
          reduction(pool.kind, taken, averaged))
    units = circuit.units[node]
    return Stream(circuit, _pool_samples(*job), read_traffic(
        units["read"], units["read_table"], count * row[1] * column[1], target))


def elementwise_streams(stage, graph, target, addresses):
    """Return batches of streams of an Elementwise: each pair of DMA tiles takes some samples.

    With a constant there is one tensor to read, and each DMA port takes a share.

    Raises
    ------
    CompileError
        If the operators do not know the operation, or no two DMA tiles are neighbours.
    """
    node = stage.head
    if node.operation not in OPERATIONS[:OPERATIONS.index("reduce_sum")]:
        raise CompileError(f"{node.layer}: the operators do not know {node.operation!r}")
    if node.constant is not None:
        return _sample_streams(stage, graph, target, addresses, _operator_values(node))
    pairs = port_pairs(target)
    if not pairs:
        raise CompileError(f"{node.layer}: target {target.name} has no two DMA ports on "
                           f"neighbouring tiles to bring two tensors")
    shares = _shares(graph.tensors[stage.output].shape, len(pairs))
    return [[_pair_stream(stage, target, addresses, pair, *share)
             for pair, share in zip(pairs.items(), shares, strict=False)]]


def _operator_values(node):
    values = {"operation": OPERATIONS.index(node.operation), "shift_a": node.shift_a,
              "shift_b": node.shift_b, "shift": node.shift}
    if node.constant is not None:
        values |= {"constant_enable": 1, "constant": node.constant}
    return values


def _pair_stream(stage, target, addresses, pair, offset, shape):
    head = stage.head
    tile, (other, direction) = pair
    first, second = (target.tiles + target.port_of_tile(name) for name in (tile, other))
    circuit = Circuit()
    for node, address in zip((first, second), addresses, strict=False):
        set_read(circuit, node, linear_loops(shape), [address + offset])
    circuit.set(first, "write", {
        "enable": 1, "base": addresses[2] + offset} | loops(*linear_loops(shape)))
    circuit.set(tile, "op0", _operator_values(head))
    route(circuit, other, {OPPOSITE[direction]: "dma"})
    chain(circuit, tile, "op0", stage.posts, {"op0_a": "dma", "op0_b": direction})
    size = math.prod(shape)
    return Stream(circuit, size, _linear_traffic(size, 2, target))
