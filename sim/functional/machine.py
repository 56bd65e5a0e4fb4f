"""The functional machine: runs a program image from memory, without cycles."""

from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from .circuit import run_circuit
from .errors import FunctionalError
from .program import HEADER_WORDS, RECORD_WORDS, Registers, Step, parse_packets, parse_program

__all__ = ["FunctionalMachine", "Prepared", "channels_reach", "prepare"]

#: Bytes of the memories that work on several images at a time.
BATCH_BYTES = 1 << 25

#: Most images at a time: more of them gain nothing.
MOST_IMAGES = 64


@dataclass(frozen=True)
class Prepared:
    """A program whose packets have been read.

    Parameters
    ----------
    steps : list of tuple
        Each `Step`, and the active registers of every node once it is committed.
    protected : list of tuple
        Sample addresses, first and beyond the last, of header, records and packets. The hardware
        reads them ahead of time: a step that writes them is refused.
    """

    steps: list[tuple[Step, list]]
    protected: list[tuple[int, int]]


def prepare(memory, program_address, target):
    """Read a program's records and packets.

    Parameters
    ----------
    memory : array of uint8 or bytes
        Memory with the program's image in it.
    program_address : int
        Byte address of its header.
    target : Target
        The machine.

    Returns
    -------
    Prepared

    Raises
    ------
    FunctionalError
        If the hardware would refuse the program; the message names the step.
    """
    registers, steps = Registers(target), []
    records, program = parse_program(memory, program_address, target)
    spans = [(program_address, 4 * HEADER_WORDS), (records, 4 * RECORD_WORDS * len(program))]
    for step in program:
        for index, (unit, offset, mask, words) in enumerate(parse_packets(memory, step)):
            registers.write(unit, offset, mask, words, f"step {step.number}, packet {index}")
        registers.commit(step.commit)
        steps.append((step, list(registers.active)))
        spans.append((step.packets, 4 * step.words))
    return Prepared(steps, [(start // 2, (start + length) // 2) for start, length in spans])


class FunctionalMachine:
    """A machine that computes what the hardware computes, step by step and on whole streams.

    It executes the image itself: header, records and packets, then each step's circuit as its
    registers wire it. It keeps no time: the log in memory is left as it is.

    Parameters
    ----------
    target : Target
        The machine.

    Attributes
    ----------
    memory : array of uint8
        All of external memory.
    """

    def __init__(self, target):
        self.target = target
        self.memory = np.zeros(target.memory.size, np.uint8)

    def load(self, address, data):
        """Copy bytes into memory.

        Raises
        ------
        FunctionalError
            If they do not fit.
        """
        if address < 0 or address + len(data) > len(self.memory):
            raise FunctionalError(f"{len(data)} bytes at {address:#x} exceed the memory of "
                                  f"{len(self.memory)}")
        self.memory[address:address + len(data)] = np.frombuffer(data, np.uint8)

    def prepare(self, program_address=0):
        """Read the program in memory, to run it several times; see `prepare`."""
        return prepare(self.memory, program_address, self.target)

    def run(self, program_address=0):
        """Run a program to its end.

        Raises
        ------
        FunctionalError
            If the hardware would refuse the program or hang in it; the message names the step.
        """
        self._run_steps(self.prepare(program_address), self.memory.view("<i2")[None])

    def run_step(self, prepared, index):
        """Run one step of a prepared program; raises what `run` raises."""
        with threadpool_limits(1, "blas"):
            self._run_step(prepared, index, self.memory.view("<i2")[None])

    def run_images(self, prepared, inputs, outputs):
        """Run a program on several images, many at a time; this machine's memory stays as it is.

        Parameters
        ----------
        prepared : Prepared
            What `prepare` returned.
        inputs : list of tuple
            Byte address and samples (images, ...) of each input.
        outputs : list of tuple
            Byte address and shape of each output.

        Yields
        ------
        list of numpy.ndarray
            int16 (some images, ...) of each output, all images in order.

        Raises
        ------
        FunctionalError
            As `run` does.
        """
        tensors = [(address // 2, int(np.prod(shape))) for address, shape in outputs]
        tensors += [(address // 2, samples[0].size) for address, samples in inputs]
        size = min(len(self.memory) // 2, max(
            channels_reach(self.target, prepared), *(address + size for address, size in tensors)))
        memory = self.memory.view("<i2")[:size]
        together = min(max(1, BATCH_BYTES // (2 * size)), MOST_IMAGES)
        for start in range(0, len(inputs[0][1]), together):
            chunks = [(address // 2, samples[start:start + together].astype("<i2"))
                      for address, samples in inputs]
            batch = np.tile(memory, (len(chunks[0][1]), 1))
            for address, samples in chunks:
                batch[:, address:address + samples[0].size] = samples.reshape(len(samples), -1)
            self._run_steps(prepared, batch)
            yield [batch[:, address // 2:address // 2 + int(np.prod(shape))].reshape(-1, *shape)
                   for address, shape in outputs]

    def _run_steps(self, prepared, memory):
        # Products are small: threads would wait for each other. Other cores take other images.
        with threadpool_limits(1, "blas"):
            for index in range(len(prepared.steps)):
                self._run_step(prepared, index, memory)

    def _run_step(self, prepared, index, memory):
        step, active = prepared.steps[index]
        try:
            run_circuit(self.target, active, step.commit, memory, prepared.protected)
        except FunctionalError as reason:
            raise FunctionalError(f"step {step.number}: {reason}") from reason


def channels_reach(target, prepared):
    """Return the first sample address above all that a program's channels can touch."""
    return max((_port_reach(active[node]) for step, active in prepared.steps
                for node in range(target.tiles, target.nodes) if step.commit >> node & 1),
               default=0)


def _port_reach(units):
    highest = 0
    for name, table in (("read", "read_table"), ("write", "write_table")):
        registers = units[name]
        if registers["enable"]:
            span = np.maximum((registers["count"] - 1) * registers["stride"], 0).sum()
            values, known = units[table]
            highest = max(highest, registers.get("base", 0) + int(span) + 1
                          + int(values[known].max(initial=0)))
    weights = units.get("weights")
    if weights and weights["enable"]:
        highest = max(highest, weights["base"] + weights["length"])
    return highest
