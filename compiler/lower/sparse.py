"""Sparse connection tables: each lane makes maps of its own from input maps of its own.

A lane that has an input stream to itself reads only the maps that its output map is connected
to. The convolver has two streams, so two lanes work on unrelated maps; the second stream comes
and goes through the partner tile.
"""

import itertools
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .axis import split_evenly
from .frames import Infeasible, plan_frames
from .job import Job, Walk
from .placement import partners
from .predict import STEP_GAP, batch_cycles, job_cycles

__all__ = ["SparseAssignment", "SparseJob", "connections", "plan_sparse_jobs"]

#: Input streams of a convolver: lanes that can have one to themselves.
STREAMS = 2

#: Most blocks side by side: narrower ones read little of each beat at their edges.
_MOST_ACROSS = 4


@dataclass(frozen=True)
class SparseAssignment:
    """Output maps of one convolver: pass p, lane l makes one map, from ``inputs`` input maps.

    Parameters
    ----------
    order : tuple of int
        Output maps, lanes first, then passes.
    lanes : int
        Lanes, each with a stream of its own.
    inputs : int
        Input maps accumulated for each output map; some maps may need fewer.
    """

    order: tuple[int, ...]
    lanes: int
    inputs: int

    interleave = 1
    blocks = 1

    @property
    def passes(self):
        """Number of passes."""
        return -(-len(self.order) // self.lanes)

    @property
    def block_passes(self):
        """Passes over one block: all of them."""
        return self.passes

    @property
    def maps(self):
        """Number of maps made."""
        return len(self.order)

    @property
    def drained(self):
        """Lanes that make maps in all passes but the last."""
        return self.lanes

    @property
    def last(self):
        """Lanes that make maps in the last pass."""
        return self.maps - (self.passes - 1) * self.lanes

    def map_of(self, number, lane, group):
        """Return the output map, or None for a lane that makes none."""
        place = number * self.lanes + lane
        return self.order[place] if place < len(self.order) else None

    def maps_of(self, lane):
        """Return the maps of a lane, pass by pass."""
        return self.order[lane::self.lanes]


@dataclass(frozen=True)
class SparseJob(Job):
    """A job whose lanes have an input stream each.

    Parameters
    ----------
    table : tuple of tuple of int
        Input maps of each output map of the layer.
    """

    table: tuple[tuple[int, ...], ...] = ()

    @property
    def input_streams(self):
        """Input streams in use."""
        return self.assignment.lanes

    @property
    def entry_count(self):
        return self.assignment.inputs * len(self.frames.sequence)

    @cached_property
    def entries(self):
        items = [item or (None, None) for item in self.frames.sequence]
        places = range(self.assignment.inputs)
        if len(self.frames.kinds) == 1:
            return [(place, *item) for item in items for place in places]
        return [(place, *item) for place in places for item in items]

    @property
    def drain_lanes(self):
        return 1, 1

    @property
    def macs(self):
        rows, columns = self.computed
        connected = sum(len(self.table[number]) for number in self.assignment.order)
        return connected * self.work.kernel[0] * self.work.kernel[1] * rows * columns

    def drain_registers(self):
        """Return the convolver's registers that say which lanes each drain stream takes."""
        if self.assignment.lanes == 1:
            return {"drain_lanes": (1, 0), "drain_last_lanes": (1, 0)}
        return {"drain_first": (0, 1), "drain_lanes": (1, 1),
                "drain_last_lanes": (1, self.assignment.last - 1)}

    def sources(self, lane):
        """Return the input map of each entry, pass by pass, and whether it is connected.

        A pass in which the lane makes no map reads what lane 0 reads; entries beyond a map's
        connections read its first one: their weights are zero.
        """
        assignment = self.assignment
        maps = assignment.maps_of(lane)
        first = assignment.maps_of(0)
        for number in range(assignment.passes):
            wanted = self.table[maps[number]] if number < len(maps) else ()
            spare = (wanted or self.table[first[number]] or (0,))[0]
            yield [(wanted[place], True) if place < len(wanted) else (spare, False)
                   for place, _, _ in self.entries]

    def walks(self, target):
        """Return the `Walk` of each input stream.

        Raises
        ------
        Infeasible
            If a table is too short.
        """
        size = self.work.map_size
        offsets = [0 if y is None else y.start * self.work.size[1] + x.start
                   for _, y, x in self.entries]
        walks = []
        for lane in range(self.assignment.lanes):
            table = tuple(source * size + offset for read in self.sources(lane)
                          for (source, _), offset in zip(read, offsets, strict=True))
            if len(table) > target.table_depth:
                raise Infeasible(f"{len(table)} frames of different addresses exceed the "
                                 f"{target.table_depth} entries of a DMA port's table")
            walks.append(Walk(1, table, 0, ()))
        return walks

    def kernels(self, weights, index):
        """Return the weights of each frame, as (passes, entries, 1, lanes, MACs of a lane)."""
        assignment, work = self.assignment, self.work
        rows, columns = self.frames.kernel
        weights = weights.reshape(work.maps, work.inputs, *work.kernel)
        made = np.zeros((assignment.passes, len(self.entries), 1, assignment.lanes,
                         self.lane_length), "<i2")
        for lane in range(assignment.lanes):
            maps = assignment.maps_of(lane)
            for number, read in enumerate(self.sources(lane)):
                for index, ((source, used), (_, y, x)) in enumerate(
                        zip(read, self.entries, strict=True)):
                    if not used or y is None:
                        continue
                    piece = np.zeros((rows, columns), "<i2")
                    piece[:y.taps, :x.taps] = weights[maps[number], source % work.inputs][
                        y.kernel_slice(work.stride[0]), x.kernel_slice(work.stride[1])]
                    made[number, index, 0, lane] = self.in_chain(piece)
        return made


def connections(work, weights):
    """Return the input maps that each output map is connected to: those with a weight not 0."""
    used = np.asarray(weights).reshape(work.maps, work.inputs, -1).any(axis=2)
    first = np.arange(work.maps) // work.maps_per_group * work.inputs
    return tuple(tuple((first[number] + np.flatnonzero(row)).tolist())
                 for number, row in enumerate(used))


def plan_sparse_jobs(work, table, kernels, target):
    """Return (cycles, batches) of the cheapest way with a stream a lane, or None.

    Parameters
    ----------
    work : Work
        The layer.
    table : tuple of tuple of int
        See `connections`.
    kernels : callable
        Gives the piece sizes worth trying for a number of lanes.
    target : Target
        The machine.
    """
    # Maps with equally many connections go together: a pass is as long as its longest.
    order = tuple(sorted(range(work.maps), key=lambda number: -len(table[number])))
    best = None
    most = min(STREAMS, work.maps, target.banks) if partners(target) else 1
    for lanes in range(most, 0, -1):
        for kernel in kernels(lanes):
            best = _ways(work, table, order, (lanes, kernel), target, best)
    return best


def _ways(work, table, order, shape, target, best):
    """Return the cheapest of ``best``, the maps all alike, and those that fill no round apart.

    In a round every lane of the machine makes one map. What is left is cut into smaller blocks,
    so that it occupies all lanes for a part of a round.
    """
    whole = _cheapest(work, table, order, shape, target, best)
    left = len(order) % (len(target.convolvers) * shape[0])
    if left in (0, len(order)) or whole is best:
        return whole
    parts = [_cheapest(work, table, maps, shape, target)
             for maps in (order[:-left], order[-left:])]
    cycles = sum(part[0] for part in parts)
    return whole if whole[0] <= cycles else (
        cycles, [jobs for _, batches in parts for jobs in batches])


def _cheapest(work, table, maps, shape, target, best=None):
    """Return (cycles, batches) of the best blocks for some maps, or ``best``, which is cheaper."""
    lanes, kernel = shape
    length, width = target.lane_length(lanes), len(target.convolvers)
    frames_made = sum(len(table[number]) for number in maps)
    for blocks in _blocks(work, lanes, target):
        places = list(itertools.product(*(
            split_evenly(work.outputs[axis], blocks[axis]) for axis in (0, 1))))
        try:
            frames = [plan_frames(work, *place, kernel, 1, length, target) for place in places]
        except Infeasible:
            continue
        least = sum(item.cycles * len(item.sequence) for item in frames) * frames_made
        if best is not None and least >= best[0] * lanes * width:
            continue
        for parts in range(1, min(width, len(maps)) + 1):
            try:
                batches = _batches(work, table, maps, lanes, places, frames, parts, target)
            except Infeasible:
                continue
            cycles = sum(STEP_GAP + batch_cycles(jobs, target) for jobs in batches)
            if best is None or cycles < best[0]:
                best = cycles, batches
    return best


def _blocks(work, lanes, target):
    """Return the numbers of blocks (down, across) worth trying."""
    capacity = target.lane_banks(lanes) * target.half_depth
    found = []
    for across in range(1, min(_MOST_ACROSS, work.outputs[1]) + 1):
        columns = work.computed(1, -(-work.outputs[1] // across))
        tallest = (capacity // columns - work.window[0]) // work.step[0] + 1
        if tallest < 1:
            continue
        down = -(-work.outputs[0] // min(tallest, work.outputs[0]))
        found += [(count, across) for count in
                  range(down, min(down + len(target.convolvers), work.outputs[0] + 1))]
    return found


def _batches(work, table, maps, lanes, places, frames, parts, target):
    """Return the jobs that make ``maps`` in ``parts`` parts of each block, in batches.

    Raises
    ------
    Infeasible
        If a frame does not fit.
    """
    length = target.lane_length(lanes)
    jobs = []
    for place, item in zip(places, frames, strict=True):
        for first, count in split_evenly(len(maps), parts):
            jobs += _jobs(work, table, maps[first:first + count], lanes, *place, item, length,
                          target)
    jobs.sort(key=lambda job: -job_cycles(job, target))
    width = len(target.convolvers)
    return [jobs[start:start + width] for start in range(0, len(jobs), width)]


def _jobs(work, table, maps, lanes, rows, columns, frames, length, target):
    """Return the jobs that make ``maps``; several when their frames exceed a DMA port's table."""
    inputs = max(1, *(len(table[number]) for number in maps), 1)
    passes = target.table_depth // (inputs * len(frames.sequence))
    if passes < 1:
        raise Infeasible(f"{inputs * len(frames.sequence)} frames of a pass exceed the "
                         f"{target.table_depth} entries of a DMA port's table")
    most = passes * lanes
    return [
        SparseJob(work, rows, columns, frames,
                  SparseAssignment(tuple(maps[start:start + most]), lanes, inputs), length,
                  lanes, table=table)
        for start in range(0, len(maps), most)]
