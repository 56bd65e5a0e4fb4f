"""Cycles that a step takes from commit to end, from its geometry: what the search compares.

An analytic model, fast and good to a few per cent for long steps; what a program is said to take
comes from `compiler.lower.timing`.

A convolver takes as long for a pass as its chain, its weights, the drain of the pass before or the
memory, whichever is slowest; the first samples and the drain of the last pass come on top. Its
constants were measured on the RTL, of the targets `tiny` and `virtex6-lx240t` alike
(``benchmarks/prediction.py``); what depends on a target's numbers are terms of their own.
"""

import math
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

__all__ = ["MAPPER_LATENCY", "NEIGHBOUR", "REDUCE_LATENCY", "STEP_GAP", "STREAM_MAPPER",
           "STREAM_OPERATOR", "Traffic", "batch_cycles", "job_cycles", "read_traffic",
           "stream_cycles", "with_stores"]

#: Cycles from the end of a step to the next commit, when its packets are loaded.
STEP_GAP = 18

#: Cycles from commit to end besides the work, the memory's latency on both ways and what is
#: listed below: address generators, interconnect, routers, write response.
CONVOLVER_LATENCY, STREAM_LATENCY = 117, 37

#: More cycles through a mapper and through a reducing operator behind a convolver.
MAPPER_LATENCY, REDUCE_LATENCY = 27, 8

#: Cycles from the last chain cycle of a pass at the heads to its first word on a drain stream,
#: besides one for each MAC of a lane.
DRAIN_LATENCY = 24

#: Cycles through a mapper, through an operator, and to an operator from the tile beside it, in a
#: step without a convolver.
STREAM_MAPPER, STREAM_OPERATOR, NEIGHBOUR = 21, 12, 5

#: Samples of the first bursts of a read channel, and of all later ones: see `Coalescer`.
_FIRST_BURST, _LATER_BURSTS = 16, 64

#: Bursts of a read channel that are followed one by one.
_FOLLOWED = 64

#: Beats of the longest burst.
_MOST_BEATS = 16

#: Writes wait until the readers hold samples in advance: for a step of more than so many samples
#: so many cycles a sample, and at most so many in all.
_ADVANCE_FROM, _ADVANCE_CYCLES, _MOST_ADVANCE = 110, 0.35, 100

#: Cycles of a burst of one beat, and of one of a channel that goes on alone.
BURST_CYCLES, LONE_BURST_CYCLES = 1.27, 1.54

#: Table entries of a read channel whose addresses are looked at one by one.
_LOOKED_AT = 4

#: Samples of a base that are looked at.
_MOST_OFFSETS = 1 << 22


@dataclass(frozen=True)
class Traffic:
    """What a circuit moves: beats and bursts read, samples written, and their beats if known."""

    beats: int
    bursts: int
    written: int
    stored: int = 0

    def cycles(self, target):
        """Return the cycles that external memory needs for it."""
        beat = target.data_width // 8
        delivered = target.memory.peak * target.memory.efficiency / target.clock_hz
        read, stored = self.beats * beat, max(beat * self.stored, 2 * self.written)
        # A beat a cycle each way, and no more than memory delivers.
        volume = max(read / beat, stored / beat, (read + stored) / delivered)
        return max(volume, BURST_CYCLES * self.bursts)

    def __add__(self, other):
        return Traffic(self.beats + other.beats, self.bursts + other.bursts,
                       self.written + other.written, self.stored + other.stored)


def job_cycles(job, target, first=0, each=0, last=0, rush=0):
    """Return the cycles of one convolver's job.

    Parameters
    ----------
    job : Job
        The job.
    target : Target
        The machine.
    first, each, last : float
        Cycles that memory needs at least for the first pass, for each later one with the drain of
        the pass before it, and for the drain of the last one.
    rush : float
        Cycles that the chain loses in the first pass, while weights fill all contexts.
    """
    assignment = job.assignment
    turns = assignment.interleave * assignment.lanes
    start = (2 * target.memory.latency + CONVOLVER_LATENCY + 4 * turns
             + assignment.lanes * job.lane_length + job.lane_length
             + math.prod(job.frames.kernel) - 1)
    drain = assignment.interleave * job.drain_words
    streams = max(job.pass_cycles, job.pass_weights)
    # A pass waits until the last but one has been drained: two passes a round trip.
    drained, final = (lanes * drain for lanes in job.drain_lanes)
    round_trip = job.pass_cycles + job.lane_length + DRAIN_LATENCY + drained
    slowest = max(streams, drained, round_trip // 2, each)
    return (start + max(streams + rush, first) + (assignment.passes - 1) * slowest
            + max(final, last))


def _run_beats(samples, wide):
    """Return the mean beats of a run: it begins anywhere in a beat, or with one if it fills all."""
    return samples / wide if samples % wide == 0 else (samples - 1) / wide + 1


def _read_traffic(job, target):
    """Return the `Traffic` of the samples and weights that a job reads."""
    assignment, frames, stride = job.assignment, job.frames, job.work.stride
    wide = target.data_width // 16
    runs = job.read_streams * assignment.passes * job.entry_count * assignment.interleave
    rows, samples = frames.y.data, frames.x.data
    pitch, reach = stride[0] * job.work.size[1], (samples - 1) * stride[1] + 1
    # A stride beyond a beat leaves beats out: every sample is a burst.
    alone = stride[1] > wide
    if not alone and pitch - reach < wide:
        # Rows so near to each other that no beat lies between them are one run.
        rows, samples, reach = 1, rows * samples, (rows - 1) * pitch + reach
    beats = samples if alone else _run_beats(reach, wide)
    bursts = samples if alone else -(-samples // _LATER_BURSTS)
    runs *= rows
    weights = assignment.passes * job.pass_weights // wide
    return Traffic(int(runs * beats) + weights, runs * bursts, 0)


def _written_beats(job, wide):
    """Return the beats that a job writes: those of which it fills a part count whole."""
    maps = job.assignment.maps // job.assignment.blocks
    (height, width), written = job.written, job.work.written
    if width == written[1]:
        height, width = 1, height * width
    beats = _row_beats(tuple(corner % wide for corner in job.corners), written, min(height, wide),
                       width, min(maps, wide), wide)
    return int(beats * job.assignment.maps * height)


@lru_cache(maxsize=1 << 12)
def _row_beats(corners, written, height, width, maps, wide):
    """Return the mean beats of a row; rows and maps stand alike to the beats after ``wide``."""
    planes = np.arange(maps) * math.prod(written)
    rows = planes[:, None] + np.arange(height) * written[1]
    starts = (np.array(corners)[:, None, None] + rows) % wide
    return float((1 + (starts + width - 1) // wide).mean())


def _stored(job, target):
    """Return the beats that a job writes, and those of its last pass."""
    beats, assignment = _written_beats(job, target.data_width // 16), job.assignment
    return beats, beats * assignment.last * assignment.interleave // assignment.maps


def _rush(jobs, longest, target):
    """Return the cycles that a chain loses while weights fill all contexts beside the samples."""
    if longest.pass_weights > longest.pass_cycles:
        return 0
    weights = min(target.contexts * longest.assignment.lanes * longest.lane_length,
                  longest.assignment.passes * longest.pass_weights)
    frames = longest.frames
    samples = sum(job.read_streams for job in jobs) * frames.y.data * frames.x.data / frames.cycles
    return weights * max(0, Traffic(0, 0, samples + len(jobs)).cycles(target) - 1)


def batch_cycles(jobs, target, posts=0):
    """Return the cycles of jobs that run in one step.

    Parameters
    ----------
    jobs : list of Job
        One for each convolver in use.
    target : Target
        The machine.
    posts : int
        Cycles of latency behind the convolvers.
    """
    reads = sum((_read_traffic(job, target) for job in jobs), Traffic(0, 0, 0)).cycles(target)
    stored, final = (Traffic(sum(beats), 0, 0).cycles(target)
                     for beats in zip(*(_stored(job, target) for job in jobs), strict=True))
    longest = max(jobs, key=lambda job: job_cycles(job, target))
    passes = longest.assignment.passes
    first = reads / passes
    each = first + (stored - final) / max(1, passes - 1)
    return int(posts + job_cycles(longest, target, first, each, final,
                                  _rush(jobs, longest, target)))


def read_traffic(registers, table, written, target):
    """Return the `Traffic` of a read channel, and ``written`` samples.

    Parameters
    ----------
    registers : dict
        Of the read unit.
    table : list of int
        Its base addresses.
    written : int
        Samples written by the same circuit.
    target : Target
        The machine.
    """
    offsets, share = np.zeros(1, np.int64), 1.0
    for count, stride in zip(registers["count"], registers["stride"], strict=True):
        # Outer loops go on as they begin.
        taken = min(count, max(1, _MOST_OFFSETS // offsets.size))
        offsets = (np.arange(taken)[:, None] * stride + offsets).ravel()
        share *= count / taken
    looked = table[:_LOOKED_AT]
    beats = (np.array(looked)[:, None] + offsets).ravel() // (target.data_width // 16)
    steps = np.diff(beats)
    share *= len(table) / len(looked)
    return Traffic(int(share * (1 + np.count_nonzero(steps))),
                   int(share * (1 + np.count_nonzero((steps != 0) & (steps != 1)))), written)


def with_stores(traffic, units, target):
    """Return a `Traffic` that knows the beats which the write channels among ``units`` store.

    Parameters
    ----------
    traffic : Traffic
        What a circuit moves.
    units : iterable of dict
        Registers of each node of the circuit, by unit.
    target : Target
        The machine.
    """
    stored = sum(read_traffic(unit["write"], unit.get("write_table") or [0], 0, target).beats
                 for unit in units if "write" in unit)
    return replace(traffic, stored=stored)


def stream_cycles(streams, target, posts=0):
    """Return the cycles of a step that streams samples through circuits without a convolver.

    Parameters
    ----------
    streams : list of (samples, Traffic)
        Samples through the operator of each circuit, and what it moves.
    target : Target
        The machine.
    posts : int
        Cycles of latency behind the heads.
    """
    samples, longest = max(streams, key=lambda stream: stream[0])
    traffic = sum((item for _, item in streams), Traffic(0, 0, 0))
    wide = target.data_width // 16
    # The last burst of each stream goes when it is complete.
    ends = sum(-(-((item.written - 1) % (_MOST_BEATS * wide) + 1) // wide) for _, item in streams)
    ends = Traffic(ends, 0, 0).cycles(target)
    advance = (min(_MOST_ADVANCE, max(0, samples - _ADVANCE_FROM) * _ADVANCE_CYCLES)
               * min(1, longest.written / samples))
    moved = max(_fetch_cycles(samples, max(1, longest.bursts)) + ends, traffic.cycles(target),
                LONE_BURST_CYCLES * longest.bursts)
    return int(2 * target.memory.latency + STREAM_LATENCY + posts + advance + moved)


def _fetch_cycles(samples, runs):
    """Return the cycles from the first address to the last of ``samples``, without the memory's.

    A burst is asked for when its last address is there, and its samples follow when it has come.
    """
    asked = given = 0
    limit, left = _FIRST_BURST, samples
    for _ in range(_FOLLOWED):
        burst = min(limit, left, max(1, samples // runs))
        asked, left, limit = asked + burst, left - burst, min(_LATER_BURSTS, 2 * limit)
        given = max(given, asked) + burst
    return given + left
