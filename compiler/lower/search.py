"""The cheapest way to cut a convolution: lanes, pieces, interleave, blocks, convolvers."""

import itertools
from dataclasses import replace

from hdl.registers import PARAMETER_SLOTS

from ..errors import CompileError
from .assign import assign_maps
from .axis import plan_axis, split_evenly
from .frames import Infeasible, plan_frames
from .job import Job
from .placement import partners
from .predict import STEP_GAP, batch_cycles, job_cycles
from .sparse import connections, plan_sparse_jobs

__all__ = ["plan_jobs"]

#: Words of a pass that a second drain stream must take off the first one to be worth its registers.
LEAST_SAVING = 64

#: Most passes of one step: what the registers hold.
MOST_PASSES = (1 << 16) - 1

#: Most samples of one weight stream: what the registers hold.
MOST_WEIGHTS = (1 << 24) - 1


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
            work, table, lambda length: _kernels(work, length, target.kernel_rows), target)
    try:
        batches = _plan_dense(work, target)
    except CompileError:
        if sparse is None:
            raise
        return sparse[1]
    cycles = sum(STEP_GAP + batch_cycles(jobs, target) for jobs in batches)
    return sparse[1] if sparse is not None and sparse[0] < cycles else batches


def _plan_dense(work, target):
    """Return the jobs of the cheapest way in which lanes share their input maps."""
    ways, reasons = [], []
    for lanes in range(1, min(target.banks, work.maps_per_group) + 1):
        for kernel in _kernels(work, target.lane_length(lanes), target.kernel_rows):
            for interleave in range(1, min(PARAMETER_SLOTS // lanes, _units(work)) + 1):
                ways += _estimates(work, lanes, kernel, interleave, target, reasons)
    ways.sort(key=lambda way: way[0])
    for _, way in ways:
        try:
            return _build(work, *way, target)
        except Infeasible as reason:
            reasons.append(str(reason))
    why = reasons[-1] if reasons else "its kernel fits no lane"
    raise CompileError(f"{work.layer}: no way to cut the layer fits target {target.name}: {why}")


def _kernels(work, lane_length, kernel_rows):
    """Return the piece sizes worth trying in lanes of ``lane_length`` MACs."""
    phase_rows, phase_columns = (-(-taps // min(stride, taps))
                                 for taps, stride in zip(work.kernel, work.stride, strict=True))
    found = []
    for cuts in range(1, phase_rows + 1):
        rows = -(-phase_rows // cuts)
        if rows > min(kernel_rows, lane_length):
            continue
        parts = -(-phase_columns // (lane_length // rows))
        kernel = (rows, -(-phase_columns // parts))
        if kernel not in found:
            found.append(kernel)
    return found


def _estimates(work, lanes, kernel, interleave, target, reasons):
    """Return (cycles, way) for each set of blocks worth trying."""
    capacity = target.lane_banks(lanes) * target.half_depth // interleave
    ways = []
    for blocks in _block_counts(work, kernel, capacity, target, reasons):
        for parts in range(1, min(len(target.convolvers), _units(work)) + 1):
            try:
                cycles = _estimate(work, lanes, kernel, interleave, blocks, parts, target)
            except Infeasible as reason:
                reasons.append(str(reason))
                continue
            if cycles is not None:
                ways.append((cycles, (lanes, kernel, interleave, blocks, parts)))
    return ways


def _block_counts(work, kernel, capacity, target, reasons):
    """Return numbers of blocks (down, across) whose outputs fit ``capacity`` words."""
    found = []
    for across in range(1, work.outputs[1] + 1):
        first, widest = max(split_evenly(work.outputs[1], across), key=lambda item: item[1])
        columns = work.computed(1, widest)
        tallest = (capacity // columns - work.window[0]) // work.step[0] + 1
        if tallest < 1:
            reasons.append(f"outputs of one row exceed the {capacity} words of a half bank")
            continue
        frame = plan_axis(work.size[1], work.kernel[1], work.stride[1], work.before[1],
                          first * work.step[1], columns, kernel[1]).frame
        if frame > target.line_width:
            reasons.append(f"rows of {frame} samples exceed the line buffers' "
                           f"{target.line_width}")
            continue
        down = -(-work.outputs[0] // min(tallest, work.outputs[0]))
        more = len(target.convolvers) if down * across > 1 or work.maps == 1 else 1
        found += [(count, across) for count in range(down, min(down + more, work.outputs[0] + 1))]
        if len(found) >= 2 * more:
            break
    return found


def _estimate(work, lanes, kernel, interleave, blocks, parts, target):
    """Return about how many cycles a way takes, from one block, or None if maps do not fit."""
    rows, columns = (split_evenly(work.outputs[axis], blocks[axis]) for axis in (0, 1))
    jobs = _part_jobs(work, lanes, kernel, interleave, rows[len(rows) // 2],
                      columns[len(columns) // 2], (0, -(-_units(work) // parts)), target)
    if not jobs:
        return None
    rounds = -(-blocks[0] * blocks[1] * parts // len(target.convolvers))
    return rounds * sum(STEP_GAP + batch_cycles([job], target) for job in jobs)


def _units(work):
    return work.groups if work.groups > 1 else work.maps


def _part_jobs(work, lanes, kernel, interleave, rows, columns, part, target):
    """Return the jobs of one block and one part of the maps."""
    length = target.lane_length(lanes)
    frames = plan_frames(work, rows, columns, kernel, interleave, length, target)
    entries = len(frames.sequence) * work.inputs
    weights = lanes * interleave * (4 + entries * length)
    most = min(MOST_PASSES, MOST_WEIGHTS // weights)
    if most < 1:
        raise Infeasible(f"{weights} weights of one pass exceed a weight channel's {MOST_WEIGHTS}")
    if work.groups > 1:
        bases = len(frames.sequence) if len(frames.kinds) == 1 else entries
        most = min(most, max(1, target.table_depth // bases))
    whole = columns[1] == work.outputs[1]
    return [
        _with_streams(
            Job(work, rows, columns,
                plan_frames(work, rows, columns, kernel, item.interleave, length, target),
                item, length), target)
        for item in assign_maps(work, part, lanes, interleave, whole, most)]


def _with_streams(job, target):
    """Return the job with a second drain stream where that saves cycles."""
    halves = job.assignment.halves
    if halves is None or not partners(target):
        return job
    saved = halves[1] * job.assignment.interleave * job.drain_words
    return replace(job, streams=2) if saved >= LEAST_SAVING else job


def _build(work, lanes, kernel, interleave, blocks, parts, target):
    """Return all jobs of a way, in batches.

    Raises
    ------
    Infeasible
        If a block does not fit.
    """
    rows, columns = (split_evenly(work.outputs[axis], blocks[axis]) for axis in (0, 1))
    jobs = []
    for row, column in itertools.product(rows, columns):
        for part in split_evenly(_units(work), parts):
            made = _part_jobs(work, lanes, kernel, interleave, row, column, part, target)
            for job in made:
                job.walks(target)
            jobs += made
    # Long jobs run with long ones: a step lasts as long as its longest job.
    if len(target.convolvers) > 1:
        jobs.sort(key=lambda job: -job_cycles(job, target))
    width = len(target.convolvers)
    return [jobs[start:start + width] for start in range(0, len(jobs), width)]
