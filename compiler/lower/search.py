"""The cheapest way to cut a convolution: lanes, pieces, interleave, blocks, convolvers."""

import math
from functools import lru_cache

import numpy as np

from hdl.registers import PARAMETER_SLOTS

from ..errors import CompileError
from .axis import split_evenly
from .blocks import block_axis, block_grids
from .deal import Way, batches_cost, deal_batches
from .frames import Infeasible, least_frame, widest_frame
from .placement import partners
from .predict import STEP_GAP, Traffic, batch_cycles
from .sparse import connections, plan_sparse_jobs

__all__ = ["plan_jobs"]

#: Ways whose jobs are made: those that a closed formula ranks first.
MOST_WAYS = 16


def plan_jobs(work, weights, target):
    """Return the jobs of a convolution, in batches that run together, one job a convolver.

    Parameters
    ----------
    work : Work
        The layer.
    weights : array
        Its kernels; those that are all zero are left out where that saves cycles.
    target : Target
        The machine.

    Returns
    -------
    list of list of Job

    Raises
    ------
    CompileError
        If no way to cut the layer fits the machine; the message gives the limit of the last
        way tried.
    """
    sparse = None
    table = connections(work, weights)
    if sum(map(len, table)) < work.maps * work.inputs * work.groups:
        sparse = plan_sparse_jobs(
            work, table, lambda lanes: _kernels(work, lanes, target), target)
    try:
        batches = _plan_dense(work, target)
    except CompileError:
        if sparse is None:
            raise
        return sparse[1]
    cycles = sum(STEP_GAP + batch_cycles(jobs, target) for jobs in batches)
    return sparse[1] if sparse is not None and sparse[0] < cycles else batches


@lru_cache(maxsize=64)
def _plan_dense(work, target):
    """Return the jobs of the cheapest way in which lanes share their input maps.

    The samples of a batch are layers of one work.
    """
    reasons = []
    ways = sorted(_ways(work, target, reasons), key=lambda way: _estimate(work, way, target))
    found, tried = [], 0
    for way in ways:
        try:
            deals = deal_batches(work, way, target)
        except Infeasible as reason:
            reasons.append(str(reason))
            continue
        found += [(batches_cost(batches, target), batches) for batches in deals]
        tried += bool(deals)
        if tried == MOST_WAYS:
            break
    if found:
        return min(found, key=lambda item: item[0])[1]
    why = reasons[-1] if reasons else "its kernel fits no lane"
    raise CompileError(f"{work.layer}: no way to cut the layer fits target {target.name}: {why}")


def _ways(work, target, reasons):
    """Return the ways to cut a layer that are worth a look."""
    ways = []
    units = work.groups if work.groups > 1 else work.maps
    for lanes in range(1, min(target.banks, work.maps_per_group) + 1):
        for kernel in _kernels(work, lanes, target):
            for interleave in range(1, min(PARAMETER_SLOTS // lanes, units) + 1):
                capacity = target.lane_banks(lanes) * target.half_depth // interleave
                ways += [Way(lanes, kernel, interleave, grid) for grid in block_grids(
                    work, kernel, widest_frame(kernel[0], target.lane_length(lanes), target),
                    capacity, target, reasons)]
    return ways


def _kernels(work, lanes, target):
    """Return the piece sizes worth trying in so many lanes."""
    phase_rows, phase_columns = (-(-taps // min(stride, taps))
                                 for taps, stride in zip(work.kernel, work.stride, strict=True))
    found = []
    for cuts in range(1, phase_rows + 1):
        rows = -(-phase_rows // cuts)
        if rows > target.lane_rows(lanes):
            continue
        parts = -(-phase_columns // target.row_length(lanes, rows))
        kernel = (rows, -(-phase_columns // parts))
        if kernel not in found:
            found.append(kernel)
    return found


def _estimate(work, way, target):
    """Return about how many cycles a way takes, from sizes alone."""
    convolvers, length = len(target.convolvers), target.lane_length(way.lanes)
    (heights, down), (widths, across) = (
        _axis_frames(work, axis, way.grid[axis], way.kernel[axis]) for axis in (0, 1))
    frames = np.maximum(np.outer(heights, widths),
                        least_frame(length, way.interleave, target)).sum()
    entries = work.inputs * down * across
    turns, blocks = way.lanes * way.interleave, math.prod(way.grid)
    passes = -(-work.maps_per_group // turns) * work.groups
    chain = passes * entries * way.interleave * frames
    weights = passes * blocks * turns * (4 + entries * length)
    drained = work.maps * math.prod((*work.outputs, *work.window, *work.repeat))
    streams = min(2 if partners(target) else 1, way.lanes)
    # What does not divide evenly leaves convolvers idle.
    rounds = -(-passes * blocks // convolvers) / (passes * blocks)
    # Every step waits for its first weights, and for the last pass to be drained.
    ends = (way.lanes + 1) * length + turns * drained / (work.maps * blocks * streams)
    rows = passes * entries * way.interleave * heights.sum() * way.grid[1]
    memory = _memory_cycles(work, way.grid[1], rows / min(passes, convolvers), widths.mean(),
                            target)
    return max(memory, rounds * max(chain, weights, drained / streams)) + ends


@lru_cache(maxsize=1 << 12)
def _axis_frames(work, axis, blocks, taps):
    """Return the frames' lengths along an axis, block by block, and the most pieces of one."""
    made = [block_axis(work, axis, place, taps)
            for place in split_evenly(work.outputs[axis], blocks)]
    return np.array([item.frame for item in made]), max(len(item.pieces) for item in made)


def _memory_cycles(work, across, rows, width, target):
    """Return about how many cycles memory needs, when convolvers share what they can."""
    wide = target.data_width // 16
    beats = width if work.stride[1] > wide else width * work.stride[1] / wide + 1
    written = work.maps * math.prod(work.written)
    if across > 1:
        # A beat at either end of a row is filled in part.
        written += work.maps * work.written[0] * across * (wide - 1)
    return Traffic(int(rows * beats), int(rows), written).cycles(target)
