"""Circuits without a convolver that take a tensor sample by sample, or in windows."""

import itertools
import math
from dataclasses import dataclass

from ..errors import CompileError
from .axis import split_evenly
from .circuit import Circuit, loops
from .nests import MOST_COUNT
from .posts import chain, reduction
from .predict import Traffic, read_traffic

__all__ = ["MOST_REDUCED", "Stream", "linear_loops", "lookup_streams", "pool_streams",
           "sample_streams", "set_read", "set_write"]

#: Most samples that one reduction takes: what the register holds.
MOST_REDUCED = (1 << 16) - 1

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


def set_write(circuit, node, order, table):
    """Let a DMA port write ``order`` (count, stride) loops from each base of ``table``."""
    base = min(table)
    values = {"enable": 1, "base": base} | loops(*order)
    if len(table) > 1:
        values["entries"] = len(table)
        circuit.set(node, "write_table", [place - base for place in table])
    circuit.set(node, "write", values)


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
    return sample_streams(stage, graph, target, addresses, None)


def sample_streams(stage, graph, target, addresses, values):
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
