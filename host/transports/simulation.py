"""Reaches the machine that Verilator simulates."""

import time

import numpy as np

__all__ = ["SimulationTransport"]

#: Seconds of simulation between two looks at the driver's progress.
_SLICE = 0.2


class SimulationTransport:
    """Registers and memory of a `sim.rtl.machine.Machine`; see `host.transports.Transport`.

    Parameters
    ----------
    machine : Machine
        The simulation; closed with the transport.
    """

    def __init__(self, machine):
        self.machine = machine
        self._slice = 1000  # cycles

    def read32(self, address):
        """Return a register's word."""
        return self.machine.read32(address)

    def write32(self, address, value):
        """Write a register's word."""
        self.machine.write32(address, value)

    def _bytes(self, address, length):
        size = len(self.machine.memory)
        if not 0 <= address <= address + length <= size:
            raise ValueError(f"bytes {address:#x} to {address + length:#x} lie outside the "
                             f"machine's memory of {size:#x} bytes")
        return self.machine.memory[address:address + length]

    def read_memory(self, address, length):
        """Return ``length`` bytes of the machine's memory."""
        return self._bytes(address, length).tobytes()

    def write_memory(self, address, data):
        """Write bytes to the machine's memory."""
        self._bytes(address, len(data))[:] = np.frombuffer(data, np.uint8)

    def wait_while(self, address, value):
        """Simulate while a register holds ``value``, about a fifth of a second at most.

        Returns
        -------
        bool
            Whether it holds another value.
        """
        begin = time.perf_counter()
        changed = self.machine.run_while(address, value, limit=self._slice)
        if not changed:
            taken = max(time.perf_counter() - begin, 1e-6)
            self._slice = int(min(max(self._slice * _SLICE / taken, 100), 4 * self._slice))
        return changed

    def close(self):
        """End the simulation."""
        self.machine.close()
