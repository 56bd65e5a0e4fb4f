"""Cycles that a step takes from commit to end, from its geometry: an analytic model.

Its constants were measured on the RTL of target `tiny`; those that depend on a target's numbers
are terms of their own.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

__all__ = ["MAPPER_LATENCY", "REDUCE_LATENCY", "STEP_GAP", "Traffic", "batch_cycles",
           "job_cycles", "load_cycles", "read_traffic", "stream_cycles"]

#: Cycles from the end of a step to the next commit, when its packets are loaded.
STEP_GAP = 20

#: Cycles from commit to end besides the work, the memory's latency on both ways and what is
#: listed below: address generators, interconnect, routers, write response.
CONVOLVER_LATENCY, STREAM_LATENCY = 117, 45

#: More cycles through a mapper and through a reducing operator behind a convolver.
MAPPER_LATENCY, REDUCE_LATENCY = 27, 8

#: Cycles from the last chain cycle of a pass at the heads to its first word on a drain stream,
#: besides one for each MAC of a lane.
DRAIN_LATENCY = 24

#: Samples that a write channel gathers for one burst, and cycles that each costs at the end.
GATHERED, GATHER_CYCLES = 64, 1.3

#: Cycles of a burst of one beat, and of a sample in a stream that memory does not slow down.
BURST_CYCLES, SAMPLE_CYCLES = 1.27, 1.03

#: Table entries of a read channel whose addresses are looked at one by one.
_LOOKED_AT = 4

#: Samples of a base that are looked at.
_MOST_OFFSETS = 1 << 22


@dataclass(frozen=True)
class Traffic:
    """What a circuit moves: beats and bursts read, samples written."""

    beats: int
    bursts: int
    written: int

    def cycles(self, target):
        """Return the cycles that external memory needs for it."""
        beat = target.data_width // 8
        delivered = target.memory.peak * target.memory.efficiency / target.clock_hz
        volume = (self.beats * beat + 2 * self.written) / min(beat, delivered)
        return max(volume, BURST_CYCLES * self.bursts)

    def __add__(self, other):
        return Traffic(self.beats + other.beats, self.bursts + other.bursts,
                       self.written + other.written)


def load_cycles(packets, words):
    """Return the cycles that the loader needs for packets with so many payload words in all."""
    return 7 * packets + 2 * words


def job_cycles(job, target):
    """Return the cycles of one convolver's job when memory does not slow it down."""
    assignment = job.assignment
    turns = assignment.interleave * assignment.lanes
    start = (2 * target.memory.latency + CONVOLVER_LATENCY + 4 * turns
             + assignment.lanes * job.lane_length + job.lane_length)
    drain = assignment.interleave * job.drain_words
    streams = max(job.pass_cycles, job.pass_weights)
    # A pass waits until the last but one has been drained: two passes a round trip.
    each, last = (lanes * drain for lanes in job.drain_lanes)
    round_trip = job.pass_cycles + job.lane_length + DRAIN_LATENCY + each
    slowest = max(streams, each, round_trip // 2)
    return start + streams + (assignment.passes - 1) * slowest + last


def _job_traffic(job, target):
    assignment, frames, stride = job.assignment, job.frames, job.work.stride
    wide = target.data_width // 16
    runs = (job.read_streams * assignment.passes * job.entry_count * assignment.interleave
            * frames.y.data)
    samples = frames.x.data
    if stride == (1, 1) and samples == job.work.size[1]:
        # Rows that follow each other without a gap are one run a frame.
        runs, samples = runs // frames.y.data, samples * frames.y.data
    # A stride beyond a beat leaves beats out: every sample is a burst.
    alone = stride[1] > wide
    beats = samples if alone else -(-((samples - 1) * stride[1] + 1) // wide) + 1
    bursts = samples if alone else -(-samples // GATHERED)
    weights = assignment.passes * job.pass_weights // wide
    return Traffic(runs * beats + weights, runs * bursts, wide * _written_beats(job, wide))


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
    traffic = sum((_job_traffic(job, target) for job in jobs), Traffic(0, 0, 0))
    return int(posts + max(traffic.cycles(target), *(job_cycles(job, target) for job in jobs)))


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
    # The last burst is sent when it is complete; a reduction makes few outputs meanwhile.
    gathered = GATHER_CYCLES * min(GATHERED, longest.written) * longest.written / samples
    return int(2 * target.memory.latency + STREAM_LATENCY + posts + gathered
               + max(SAMPLE_CYCLES * samples, traffic.cycles(target)))
