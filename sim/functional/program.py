"""Parsing of programs: header, step records, packets, and the registers they fill."""

import struct
import zlib
from dataclasses import dataclass

import numpy as np

from hdl.registers import node_units

from .errors import FunctionalError

__all__ = ["Registers", "Step", "parse_packets", "parse_program"]

MAGIC, VERSION = 0x574C464E, 1
HEADER_WORDS, RECORD_WORDS = 16, 8
LOWEST_PACKET_WORDS = 4

#: Stands for a word of a memory that was not written for the step.
UNKNOWN = np.int64(-1)


@dataclass(frozen=True)
class Step:
    """One step record."""

    packets: int
    words: int
    commit: int
    wait: int
    timeout: int
    number: int


def _words(memory, address, count):
    if address % 4 or address < 0 or address + 4 * count > len(memory):
        raise FunctionalError(f"{count} words at byte address {address:#x} leave memory or are "
                              f"not aligned")
    return struct.unpack_from(f"<{count}I", memory, address)


def parse_program(memory, address, target):
    """Return the byte address of a program's records, and its steps.

    Its header is at ``address``.

    Raises
    ------
    FunctionalError
        If there is no program, or one for another target or format.
    """
    header = _words(memory, address, HEADER_WORDS)
    if header[0] != MAGIC:
        raise FunctionalError(f"no program at {address:#x}: magic is {header[0]:#010x}")
    if header[1] != VERSION:
        raise FunctionalError(f"program of format version {header[1]}, not {VERSION}")
    fingerprint = header[3] << 32 | header[2]
    if fingerprint != target.fingerprint:
        raise FunctionalError(f"program for target {fingerprint:#018x}, the machine is "
                              f"{target.fingerprint:#018x} ({target.name})")
    if any(header[8:]):
        raise FunctionalError("words 8 to 15 of the header are not zero")
    count, records = header[4:6]
    steps = []
    for index in range(count):
        record = _words(memory, records + 4 * RECORD_WORDS * index, RECORD_WORDS)
        if record[6] or record[7]:
            raise FunctionalError(f"step {index}: words 6 and 7 of the record are not zero")
        steps.append(Step(*record[:6]))
    return records, steps


def parse_packets(memory, step):
    """Yield (unit number, offset, node mask, words) of each packet of a step.

    Raises
    ------
    FunctionalError
        If a packet's length, sequence number or CRC is wrong.
    """
    position, end, sequence = step.packets, step.packets + 4 * step.words, 0
    _words(memory, position, step.words)
    while position < end:
        head, mask = struct.unpack_from("<2I", memory, position)
        length, size = head & 0x7FF, 4 * ((head & 0x7FF) + 3)
        where = f"step {step.number}, packet {sequence}"
        if not 1 <= length <= 1024 or position + size > end:
            raise FunctionalError(f"{where}: length {length} is impossible")
        body = memory[position:position + size - 4]
        if zlib.crc32(body) != struct.unpack_from("<I", memory, position + size - 4)[0]:
            raise FunctionalError(f"{where}: CRC is wrong")
        if head >> 25 != sequence % 128:
            raise FunctionalError(f"{where}: sequence number is {head >> 25}")
        words = np.frombuffer(body, "<u4", length, 8)
        yield head >> 21 & 15, head >> 11 & 0x3FF, mask, words
        position, sequence = position + size, sequence + 1


class _Form:
    """A unit's registers as arrays, to check and decode many words at once."""

    def __init__(self, unit):
        self.unit = unit
        registers = unit.word_registers()
        self.signed = np.array([register.signed for register in registers])
        self.lowest = np.array([register.lowest for register in registers], np.int64)
        self.highest = np.array([register.highest for register in registers], np.int64)
        self.names = {}
        for register in unit.registers:
            offset = unit.offset(register.name)
            self.names[register.name] = offset if register.count == 1 else \
                slice(offset, offset + register.count)

    def values(self, offset, words):
        """Return the register values that words from ``offset`` on hold."""
        part = slice(offset, offset + len(words))
        values = words.astype(np.int64)
        return np.where(self.signed[part] & (values >> 31 == 1), values - (1 << 32), values)


class Registers:
    """Shadow and active registers of all nodes.

    A program starts with all registers at 0, and may rely on nothing in the memories: words that
    were not written for the step that reads them are unknown.
    """

    def __init__(self, target):
        forms = {}
        self.nodes = []
        for node in range(target.nodes):
            units = node_units(target, node).values()
            self.nodes.append({unit.number: forms.setdefault(unit, _Form(unit))
                               for unit in units})
        self.shadow = [{number: np.full(form.unit.words, UNKNOWN if form.unit.memory else 0)
                        for number, form in node.items()} for node in self.nodes]
        # Of the memories alone: registers are always known.
        self.known = [{number: np.zeros(form.unit.words, bool) for number, form in node.items()
                       if form.unit.memory} for node in self.nodes]
        self.active = [None] * target.nodes

    def write(self, number, offset, mask, words, where):
        """Write a packet's words to the shadow registers of its nodes.

        Raises
        ------
        FunctionalError
            If a node, unit or word does not exist, or a value is not legal.
        """
        if not mask or mask >> len(self.nodes):
            raise FunctionalError(f"{where}: node mask {mask:#x} names nodes that do not exist")
        for node in range(len(self.nodes)):
            if mask >> node & 1:
                self._write_node(node, number, offset, words, f"{where}, node {node}")

    def _write_node(self, node, number, offset, words, where):
        form = self.nodes[node].get(number)
        if form is None:
            raise FunctionalError(f"{where}: has no unit {number}")
        if offset + len(words) > form.unit.words:
            raise FunctionalError(f"{where}: unit {form.unit.name} has {form.unit.words} words, "
                                  f"not {offset + len(words)}")
        part = slice(offset, offset + len(words))
        values = form.values(offset, words)
        illegal = (values < form.lowest[part]) | (values > form.highest[part])
        if illegal.any():
            index = int(illegal.argmax())
            raise FunctionalError(f"{where}: word {offset + index} of unit {form.unit.name} "
                                  f"cannot be {values[index]}")
        self.shadow[node][number][part] = values
        if form.unit.memory:
            self.known[node][number][part] = True

    def commit(self, mask):
        """Make the shadow registers of a mask of nodes active."""
        for node, forms in enumerate(self.nodes):
            if not mask >> node & 1:
                continue
            self.active[node] = {}
            for number, form in forms.items():
                self.active[node][form.unit.name] = self._take(node, number, form)

    def _take(self, node, number, form):
        words = self.shadow[node][number]
        if form.unit.memory:
            known = self.known[node][number]
            self.shadow[node][number] = np.full(form.unit.words, UNKNOWN)
            self.known[node][number] = np.zeros(form.unit.words, bool)
            return words, known
        return {name: words[place].copy() if isinstance(place, slice) else int(words[place])
                for name, place in form.names.items()}
