"""The functional machine: runs a program image from memory, without cycles."""

import numpy as np

from .circuit import run_circuit
from .errors import FunctionalError
from .program import Registers, parse_packets, parse_program

__all__ = ["FunctionalMachine"]


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

    def run(self, program_address=0):
        """Run a program to its end.

        Raises
        ------
        FunctionalError
            If the hardware would refuse the program or hang in it; the message names the step.
        """
        registers = Registers(self.target)
        samples = self.memory.view("<i2")
        for step in parse_program(self.memory, program_address, self.target):
            for index, (unit, offset, mask, words) in enumerate(parse_packets(self.memory, step)):
                registers.write(unit, offset, mask, words,
                                f"step {step.number}, packet {index}")
            try:
                registers.commit(step.commit)
                run_circuit(self.target, registers.active, step.commit, samples)
            except FunctionalError as reason:
                raise FunctionalError(f"step {step.number}: {reason}") from reason
