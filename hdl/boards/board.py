"""What a board is."""

from collections.abc import Callable
from dataclasses import dataclass

from ..link.parameters import Link

__all__ = ["Board", "BoardError"]


class BoardError(ValueError):
    """A machine that a board cannot hold; the message says what it lacks."""


@dataclass(frozen=True)
class Board:
    """A board that a machine is built for.

    Parameters
    ----------
    name : str
        What users type.
    title : str
        What its maker calls it.
    target : str
        Name of the machine that is made for it.
    toolchain : str
        ``trellis`` (Yosys, nextpnr and ecppack, all run here) or ``ise`` (a project for Xilinx
        ISE 14.7).
    platform : callable
        Returns a new Amaranth platform: its device and its pins.
    top : callable
        ``top(board, target)`` returns the design to put on it, clock and pins included.
    requires : callable
        ``requires(board, target)`` raises a `BoardError` if the board has not what the machine
        needs, apart from room.
    baud : int
        Bits a second of the serial line.
    leds : callable
        ``leds(platform)`` requests three lamps and returns their ports.
    reset : tuple of str and int
        Resource of the button that resets the machine.
    """

    name: str
    title: str
    target: str
    toolchain: str
    platform: Callable
    top: Callable
    requires: Callable
    baud: int
    leds: Callable
    reset: tuple

    def check(self, target):
        """Refuse a machine that the board has no clock, line or memory for.

        Raises
        ------
        BoardError
            If it has not; whether there is room for the machine is not asked.
        """
        self.requires(self, target)
        self.link(target)

    def link(self, target):
        """Return the serial link of a machine on this board, the machine's only way in.

        Raises
        ------
        BoardError
            If the machine's clock does not make the line's rate.
        """
        try:
            return Link.at(self.baud, target.clock_hz, bus=False)
        except ValueError as error:
            raise BoardError(f"{target.name} on {self.name}: {error}") from None
