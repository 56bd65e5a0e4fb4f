"""Ways to reach a machine's registers and memory: what the driver asks of each."""

from typing import Protocol

__all__ = ["Transport"]


class Transport(Protocol):
    """Access to one machine: 32-bit registers and memory, both by byte address."""

    def read32(self, address):
        """Return a register's word."""

    def write32(self, address, value):
        """Write a register's word."""

    def read_memory(self, address, length):
        """Return ``length`` bytes of the machine's memory."""

    def write_memory(self, address, data):
        """Write bytes to the machine's memory."""

    def wait_while(self, address, value):
        """Wait while a register holds ``value``, a fraction of a second at most.

        Returns
        -------
        bool
            Whether it holds another value.
        """

    def close(self):
        """End the connection."""
