"""Cycles that a step takes, from its geometry: an analytic model of the machine."""

__all__ = ["STEP_OVERHEAD", "batch_cycles", "job_cycles", "stream_cycles"]

#: Cycles of control between the end of one step and the commit of the next, at least.
STEP_OVERHEAD = 300

#: Cycles of registers from a sample read to a sample written, router and mapper included.
PIPELINE = 40


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
    slowest = max(job.pass_cycles, job.pass_weights, assignment.drained * drain)
    body = max(job.pass_cycles, job.pass_weights) + (assignment.passes - 1) * slowest
    return start + body + assignment.last * drain


def job_traffic(job, target):
    """Return (beats read, samples written) of a job."""
    assignment, frames = job.assignment, job.frames
    wide = target.data_width // 16
    beats = -(-((frames.x.data - 1) * job.work.stride[1] + 1) // wide) + 1
    rows = len(job.entries) * assignment.interleave * frames.y.data
    weights = -(-job.pass_weights // wide)
    written = assignment.maps * job.rows[1] * job.columns[1]
    return assignment.passes * (rows * beats + weights), written


def batch_cycles(jobs, target):
    """Return the cycles of jobs that run in one step, overhead included."""
    traffic = [job_traffic(job, target) for job in jobs]
    memory = memory_cycles(sum(item[0] for item in traffic), sum(item[1] for item in traffic),
                           target)
    return STEP_OVERHEAD + max(memory, *(job_cycles(job, target) for job in jobs))


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
    return STEP_OVERHEAD + max(
        2 * target.memory.latency + PIPELINE + samples, memory_cycles(beats, written, target))
