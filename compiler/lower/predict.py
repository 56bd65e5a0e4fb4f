"""Cycles that a step takes from commit to end, from its geometry: an analytic model."""

__all__ = ["STEP_GAP", "batch_cycles", "job_cycles", "load_cycles", "stream_cycles"]

#: Cycles from the end of a step to the next commit, when its packets are loaded.
STEP_GAP = 20

#: Cycles of registers from a sample read to a sample written, router and mapper included.
PIPELINE = 40

#: Cycles from the last chain cycle of a pass at the heads to its first word on a drain stream,
#: besides one for each MAC of a lane.
DRAIN_LATENCY = 24


def load_cycles(packets, words):
    """Return the cycles that the loader needs for packets with so many payload words in all."""
    return 7 * packets + 2 * words


def memory_cycles(read_beats, written, target):
    """Return the cycles that external memory needs for ``read_beats`` and ``written`` samples."""
    beat = target.data_width // 8
    delivered = target.memory.peak * target.memory.efficiency / target.clock_hz
    return int((read_beats * beat + 2 * written) / min(beat, delivered))


def job_cycles(job, target):
    """Return the cycles of one convolver's job when nothing else slows it down."""
    assignment = job.assignment
    turns = assignment.interleave * assignment.lanes
    start = (2 * target.memory.latency + PIPELINE + 4 * turns
             + assignment.lanes * job.lane_length + job.lane_length)
    drain = assignment.interleave * job.drain_words
    streams = max(job.pass_cycles, job.pass_weights)
    # A pass waits until the last but one has been drained: two passes a round trip.
    each, last = (lanes * drain for lanes in job.drain_lanes)
    round_trip = job.pass_cycles + job.lane_length + DRAIN_LATENCY + each
    slowest = max(streams, each, round_trip // 2)
    return start + streams + (assignment.passes - 1) * slowest + last


def job_traffic(job, target):
    """Return (beats read, samples written) of a job."""
    assignment, frames = job.assignment, job.frames
    wide = target.data_width // 16
    beats = -(-((frames.x.data - 1) * job.work.stride[1] + 1) // wide) + 1
    rows = job.entry_count * assignment.interleave * frames.y.data
    weights = -(-job.pass_weights // wide)
    written = assignment.maps * job.rows[1] * job.columns[1]
    return assignment.passes * (rows * beats + weights), written


def batch_cycles(jobs, target):
    """Return the cycles of jobs that run in one step."""
    traffic = [job_traffic(job, target) for job in jobs]
    memory = memory_cycles(sum(item[0] for item in traffic), sum(item[1] for item in traffic),
                           target)
    return max(memory, *(job_cycles(job, target) for job in jobs))


def stream_cycles(samples, target, *, beats, written):
    """Return the cycles of a step that streams ``samples`` through each of its circuits.

    Parameters
    ----------
    samples : int
        Samples through the busiest circuit.
    target : Target
        The machine.
    beats, written : int
        Beats read and samples written by all circuits together.
    """
    return max(2 * target.memory.latency + PIPELINE + samples,
               memory_cycles(beats, written, target))
