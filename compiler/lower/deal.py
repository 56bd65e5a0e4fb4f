"""Dealing a layer's work to the convolvers: blocks, and parts of the maps, in batches."""

import itertools
from dataclasses import dataclass, replace

from .assign import assign_maps, cut_maps, spread_maps
from .axis import split_evenly
from .blocks import alike_blocks
from .feeds import can_share
from .frames import Infeasible, plan_frames
from .job import Job
from .placement import partners
from .predict import STEP_GAP, batch_cycles, job_cycles

__all__ = ["Way", "batches_cost", "deal_batches"]

#: Words of a pass that a second drain stream must take off the first one to be worth its registers.
LEAST_SAVING = 64

#: Most passes of one step: what the registers hold.
MOST_PASSES = (1 << 16) - 1

#: Most frames that a pass adds up: what the registers hold.
MOST_ENTRIES = (1 << 16) - 1

#: Most samples of one weight stream: what the registers hold.
MOST_WEIGHTS = (1 << 24) - 1


@dataclass(frozen=True)
class Way:
    """One way to cut a layer.

    Parameters
    ----------
    lanes : int
        Lanes of a chain.
    kernel : tuple of int
        Longest pieces of the kernel along rows and columns.
    interleave : int
        Groups that take turns.
    grid : tuple of int
        Blocks down and across.
    """

    lanes: int
    kernel: tuple[int, int]
    interleave: int
    grid: tuple[int, int]


@dataclass(frozen=True)
class _Run:
    """Blocks whose frames are alike, and the consecutive maps to make of each."""

    blocks: tuple
    maps: tuple[int, int]

    def take(self, first, count):
        """Return the run of some of its blocks."""
        return replace(self, blocks=self.blocks[first:first + count])


def deal_batches(work, way, target):
    """Return each way to deal the jobs of a layer: batches that run together, a job a convolver.

    Parameters
    ----------
    work : Work
        The layer.
    way : Way
        How it is cut.
    target : Target
        The machine.

    Raises
    ------
    Infeasible
        If no way to deal them fits the machine.
    """
    dealer = _Dealer(work, way, target)
    deals, reason = [], None
    for make, *arguments in dealer.ways():
        try:
            deals.append(make(*arguments))
        except Infeasible as limit:
            reason = limit
    if not deals and dealer.cut(1):
        # Some weight streams are too long for one step.
        deals.append(dealer.mixed_batches(1))
    deals = [batches for batches in deals if batches]
    if not deals and reason:
        raise reason
    return deals


def batches_cost(batches, target):
    """Return the cycles of batches, and the samples they read, which decide between equals."""
    return (sum(STEP_GAP + batch_cycles(jobs, target) for jobs in batches),
            sum(job.read_streams * job.assignment.passes * job.pass_cycles
                for jobs in batches for job in jobs))


class _Dealer:
    """Makes the jobs of one way."""

    def __init__(self, work, way, target):
        self.work, self.way, self.target = work, way, target
        self.convolvers = len(target.convolvers)
        self.length = target.lane_length(way.lanes)

    @property
    def units(self):
        """Groups, or maps of the only group."""
        return self.work.groups if self.work.groups > 1 else self.work.maps

    def ways(self):
        """Yield the method and arguments of each way to deal."""
        alike = self.work.groups <= 2 * self.convolvers and self.cut(1)
        if alike:
            runs = self.runs()
            for parts in range(1, self.convolvers + 1):
                if self.cut(parts):
                    yield self.batches, runs, parts
            yield self.best_batches, runs
        if not alike or self.work.groups > 1:
            for parts in range(1, min(self.convolvers, self.units) + 1):
                yield self.mixed_batches, parts

    def cut(self, parts):
        """Return passes and maps of the parts of a group's maps, or None."""
        return cut_maps(self.work.maps_per_group, self.way.lanes, self.way.interleave, parts)

    def frames(self, rows, columns, interleave):
        """Return the frames of a block."""
        return plan_frames(self.work, rows, columns, self.way.kernel, interleave, self.length,
                           self.target)

    def runs(self):
        """Return all work as runs, those of long frames first."""
        maps = self.work.maps_per_group
        runs = [_Run(tuple(blocks), (group * maps, maps))
                for blocks in alike_blocks(self.work, self.way.kernel, self.way.grid)
                for group in range(self.work.groups)]
        return sorted(runs, key=lambda run: -self.frames(*run.blocks[0],
                                                         self.way.interleave).cycles)

    def batches(self, runs, parts):
        """Return batches in which each run of blocks has ``parts`` convolvers, or more at the end.

        Runs are shared out evenly; blocks that are left over meet those of other runs.
        """
        passes, sizes = self.cut(parts)
        side_by_side = self.convolvers // parts
        several = all(size % (passes * self.way.interleave) == 0 for size in sizes)
        batches, rest = [], []
        for run in runs:
            blocks = len(run.blocks)
            count = blocks // side_by_side if several else 0
            if count:
                batches += self._together(
                    [run.take(place * count, count) for place in range(side_by_side)], parts)
            rest += [run.take(place, 1) for place in range(side_by_side * count, blocks)]
        for start in range(0, len(rest), side_by_side):
            group = rest[start:start + side_by_side]
            more = next(number for number in range(self.convolvers // len(group), 0, -1)
                        if self.cut(number))
            batches += self._together(group, more)
        return batches

    def best_batches(self, runs):
        """Return batches for which each run of several blocks is cut into its own best parts.

        Runs of one block are dealt together.
        """
        several = [[run] for run in runs if len(run.blocks) > 1]
        single = [run for run in runs if len(run.blocks) == 1]
        batches = []
        for group in filter(None, [*several, single]):
            batches += min((self.batches(group, parts) for parts
                            in range(1, self.convolvers + 1) if self.cut(parts)),
                           key=lambda made: batches_cost(made, self.target))
        return batches

    def _together(self, runs, parts):
        """Return the batches of runs that are made at the same time, one if it fits the machine."""
        try:
            return [self._cheaper([job for run in runs for job in self._run_jobs(run, parts)],
                                  parts)]
        except Infeasible:
            blocks = len(runs[0].blocks)
            if blocks == 1:
                raise
            half = blocks // 2
            return (self._together([run.take(0, half) for run in runs], parts)
                    + self._together([run.take(half, blocks - half) for run in runs], parts))

    def _cheaper(self, jobs, parts):
        """Return jobs, ``parts`` of each run, that share frames where that costs no cycles."""
        shared = [replace(job, shared=place % parts > 0) for place, job in enumerate(jobs)]
        if (parts > 1 and can_share(shared, self.target)
                and batch_cycles(shared, self.target) <= batch_cycles(jobs, self.target)):
            return shared
        return jobs

    def _run_jobs(self, run, parts):
        """Return the jobs of a run."""
        (rows, columns), *others = run.blocks
        others = tuple((row[0], column[0]) for row, column in others)
        interleave = self.way.interleave
        frames = self.frames(rows, columns, interleave)
        passes, sizes = self.cut(parts)
        first, jobs = run.maps[0], []
        for size in sizes:
            assignment = spread_maps(first, size, self.way.lanes, interleave, passes,
                                     len(run.blocks))
            jobs.append(Job(self.work, rows, columns, frames, assignment, self.length,
                            others=others))
            first += size
        # Parts differ in their maps alone: what holds for the first holds for all.
        most = self._most_passes(frames)
        if passes > most or passes * len(run.blocks) > MOST_PASSES:
            raise Infeasible(f"{passes} passes exceed the {most} of one weight stream")
        if len(run.blocks) > self.target.table_depth:
            raise Infeasible(f"{len(run.blocks)} blocks exceed the {self.target.table_depth} "
                             f"entries of a DMA port's table")
        jobs[0].walks(self.target)
        return [self._with_streams(job) for job in jobs]

    def _most_passes(self, frames):
        """Return how many passes one weight stream can serve."""
        entries = len(frames.sequence) * self.work.inputs
        if entries > MOST_ENTRIES:
            raise Infeasible(f"{entries} frames of a pass exceed the convolver's {MOST_ENTRIES}")
        weights = self.way.lanes * self.way.interleave * (4 + entries * self.length)
        most = min(MOST_PASSES, MOST_WEIGHTS // weights)
        if most < 1:
            raise Infeasible(f"{weights} weights of one pass exceed a weight channel's "
                             f"{MOST_WEIGHTS}")
        return most

    def _with_streams(self, job):
        """Return the job with a second drain stream where that saves cycles."""
        if not partners(self.target):
            return job
        lanes, last = job.assignment.halves
        saved = lanes[1] * job.assignment.interleave * job.drain_words
        table = job.assignment.passes * lanes[0] if last != lanes else job.assignment.blocks
        if saved < LEAST_SAVING or table > self.target.table_depth:
            return job
        return replace(job, streams=2)

    def mixed_batches(self, parts):
        """Return batches of jobs that need not be alike: groups and maps in any number."""
        rows, columns = (split_evenly(self.work.outputs[axis], self.way.grid[axis])
                         for axis in (0, 1))
        jobs = []
        for row, column in itertools.product(rows, columns):
            for part in split_evenly(self.units, parts):
                made = self._part_jobs(row, column, part)
                for job in made:
                    job.walks(self.target)
                jobs += made
        # Long jobs run with long ones: a step lasts as long as its longest job.
        jobs.sort(key=lambda job: -job_cycles(job, self.target))
        return [jobs[start:start + self.convolvers]
                for start in range(0, len(jobs), self.convolvers)]

    def _part_jobs(self, rows, columns, part):
        """Return the jobs of one block and some groups, or some maps of the only group."""
        way, work = self.way, self.work
        frames = self.frames(rows, columns, way.interleave)
        most = self._most_passes(frames)
        if work.groups > 1:
            entries = len(frames.sequence) * work.inputs
            bases = len(frames.sequence) if len(frames.kinds) == 1 else entries
            most = min(most, max(1, self.target.table_depth // bases))
        whole = columns[1] == work.outputs[1]
        return [
            self._with_streams(Job(work, rows, columns,
                                   self.frames(rows, columns, item.interleave), item, self.length))
            for item in assign_maps(work, part, way.lanes, way.interleave, whole, most)]
