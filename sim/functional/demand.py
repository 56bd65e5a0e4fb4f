"""What each step of a program asks of the machine's parts, from its registers alone."""

from dataclasses import dataclass, fields

import numpy as np

__all__ = ["Demand", "step_demands"]


@dataclass(frozen=True)
class Demand:
    """Cycles for which a step needs each part of the machine, were it alone, and what it moves.

    Parameters
    ----------
    chain : int
        The busiest convolver's chain of MACs: one cycle a position of a frame.
    weights : int
        The longest weight stream: one sample a cycle.
    drain : int
        The longest drain stream of a convolver: one sum a cycle.
    stream : int
        The longest read or write stream of a step without convolver: one sample a cycle.
    memory : int
        The memory bus, at the rate that the memory sustains.
    bytes_read, bytes_written : int
        Bytes over the bus, weights included; beats that carry few of their bytes count whole.
    """

    chain: int = 0
    weights: int = 0
    drain: int = 0
    stream: int = 0
    memory: int = 0
    bytes_read: int = 0
    bytes_written: int = 0

    def __add__(self, other):
        return Demand(*(getattr(self, field.name) + getattr(other, field.name)
                        for field in fields(self)))


def step_demands(target, prepared):
    """Return the `Demand` of each step.

    Parameters
    ----------
    target : Target
        The machine.
    prepared : sim.functional.machine.Prepared
        The program.
    """
    return [_demand(target, active, step.commit) for step, active in prepared.steps]


def _demand(target, active, mask):
    def started(node, unit):
        registers = active[node].get(unit) if mask >> node & 1 else None
        return registers if registers and registers["enable"] else None

    ports = range(target.tiles, target.nodes)
    reads = [(unit, _entry_beats(unit, target)) for node in ports
             if (unit := started(node, "read"))]
    writes = [(unit, _entry_beats(unit, target)) for node in ports
              if (unit := started(node, "write"))]
    weights = [unit["length"] * unit["repeat"] for node in ports
               if (unit := started(node, "weights"))]
    convolvers = [unit for tile in target.convolvers if (unit := started(tile, "convolver"))]
    beat = target.data_width // 8
    read = beat * sum(unit["repeat"] * unit["entries"] * beats for unit, beats in reads) \
        + 2 * sum(weights)
    written = beat * sum(max(1, unit["entries"]) * beats for unit, beats in writes)
    lengths = [unit["repeat"] * unit["entries"] * int(unit["count"].prod()) for unit, _ in reads] \
        + [max(1, unit["entries"]) * int(unit["count"].prod()) for unit, _ in writes]
    delivered = target.memory.peak * target.memory.efficiency / target.clock_hz
    return Demand(
        chain=max(map(_chain_cycles, convolvers), default=0),
        weights=max(weights, default=0),
        drain=max(map(_drained, convolvers), default=0),
        stream=0 if convolvers else max(lengths, default=0),
        memory=round((read + written) / min(beat, delivered)),
        bytes_read=read, bytes_written=written)


def _entry_beats(registers, target):
    """Return the beats of the bus that one walk through the loops of a channel touches."""
    wide = target.data_width // 16
    addresses = np.zeros(1, np.int64)
    for count, stride in zip(registers["count"].tolist(), registers["stride"].tolist(),
                             strict=True):
        addresses = (np.arange(count)[:, None] * stride + addresses).ravel()
    return 1 + int(np.count_nonzero(np.diff(addresses // wide)))


def _chain_cycles(registers):
    return (registers["passes"] * registers["entries"] * registers["interleave"]
            * registers["frame_width"] * registers["frame_height"])


def _drained(registers):
    """Return the words of the longer drain stream over all passes."""
    words = int(registers["drain_count"].prod()) * registers["interleave"]
    lanes = (registers["passes"] - 1) * registers["drain_lanes"] + registers["drain_last_lanes"]
    return words * int(lanes.max())
