"""The program image: header, step records, weights, packets, and where tensors follow."""

import struct
from dataclasses import dataclass

from ..errors import CompileError
from .memory import round_up
from .packets import FRAME_WORDS, Shadow
from .timing.steps import Packets

__all__ = ["HEADER_BYTES", "RECORD_BYTES", "Layout", "WeightPool", "encode_program", "log_words"]

MAGIC, VERSION = 0x574C464E, 1
HEADER_BYTES, RECORD_BYTES = 64, 32

#: Cycles that any step may take besides its predicted ones before control gives up on it.
SPARE_CYCLES = 100_000


#: Longest time-out: what the record holds.
MOST_CYCLES = (1 << 32) - 1


@dataclass(frozen=True)
class Layout:
    """Byte addresses of the parts of a program."""

    records: int
    weights: int
    packets: int
    log: int
    tensors: int


class WeightPool:
    """Weight streams one behind the other; equal ones stand once."""

    def __init__(self, unit):
        self.unit = unit
        self.offsets = {}
        self.size = 0

    def add(self, stream):
        """Return the byte offset of ``stream``."""
        if stream not in self.offsets:
            self.offsets[stream] = self.size
            self.size += round_up(len(stream), self.unit)
        return self.offsets[stream]

    @property
    def bytes(self):
        """All streams."""
        data = bytearray(self.size)
        for stream, offset in self.offsets.items():
            data[offset:offset + len(stream)] = stream
        return bytes(data)


def log_words(counters):
    """Return the words of a log record: step, two times, a snapshot of every counter."""
    return 3 + counters


def _node_masks(target, circuit):
    """Return commit and wait mask: all nodes in the step; those that tell when it has ended."""
    commit = wait = 0
    for node, units in circuit.units.items():
        commit |= 1 << node
        if node >= target.tiles or "convolver" in units:
            wait |= 1 << node
    return commit, wait


def encode_program(steps, target, layout, words):
    """Return header, records and packets, without the weights between them.

    Parameters
    ----------
    steps : list of StepPlan
        Steps in order.
    target : Target
        The machine.
    layout : Layout
        Where the parts stand; packets may take what lies before the log.
    words : int
        Words of a log record, 0 for no log.

    Returns
    -------
    bytes
        Header and records.
    bytes
        Packets.
    list of Packets
        Where each step's packets stand, and how long they are.

    Raises
    ------
    CompileError
        If a register cannot hold its value, or a step takes too long.
    """
    shadow, packets, records, described = Shadow(target), b"", b"", []
    for number, step in enumerate(steps):
        try:
            encoded = shadow.encode(step.circuit)
        except ValueError as reason:
            raise CompileError(f"{step.layer}: the layer exceeds the machine: {reason}") from reason
        if step.cycles > MOST_CYCLES:
            raise CompileError(f"{step.layer}: a step of {step.cycles:,} cycles exceeds the "
                               f"{MOST_CYCLES:,} that control can wait for; cut the layer in two")
        commit, wait = _node_masks(target, step.circuit)
        size = sum(len(packet) for packet in encoded)
        records += struct.pack("<8I", layout.packets + len(packets), size // 4, commit, wait,
                               min(8 * step.cycles + SPARE_CYCLES, MOST_CYCLES), number, 0, 0)
        described.append(Packets(layout.packets + len(packets), tuple(
            len(packet) // 4 - FRAME_WORDS for packet in encoded)))
        packets += b"".join(encoded)
    low, high = target.fingerprint & 0xFFFFFFFF, target.fingerprint >> 32
    header = struct.pack("<16I", MAGIC, VERSION, low, high, len(steps), layout.records,
                         layout.log, words, *[0] * 8)
    return header + records, packets, described
