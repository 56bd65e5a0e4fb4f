"""What a machine with a serial link is made with."""

import operator
from dataclasses import dataclass

__all__ = ["LEAST_DIVISOR", "Link"]

#: Fewest cycles a bit of the line: the receiver samples a bit in its middle.
LEAST_DIVISOR = 4

#: Most that the rate of the line may be off. A receiver is right as long as both ends together are
#: off by less than half a bit in the ten of a byte; a part of that is left to the other end.
_TOLERANCE = 0.02


@dataclass(frozen=True)
class Link:
    """A serial link of a machine. Programs do not see it: it is no part of the fingerprint.

    Parameters
    ----------
    divisor : int
        Cycles of the machine's clock a bit, at least 4.
    patience : int
        Cycles that an access to memory may take before it counts as refused, at least 1.
    bus : bool
        Keep the AXI4-Lite port beside the link.

    Raises
    ------
    ValueError
        If a number is out of range.
    """

    divisor: int
    patience: int = 1 << 16
    bus: bool = True

    def __post_init__(self):
        if operator.index(self.divisor) < LEAST_DIVISOR:
            raise ValueError(f"divisor must be at least {LEAST_DIVISOR} cycles a bit, "
                             f"not {self.divisor}")
        if operator.index(self.patience) < 1:
            raise ValueError(f"patience must be at least 1 cycle, not {self.patience}")

    @classmethod
    def at(cls, baud, clock_hz, **others):
        """Return the link whose line is nearest to ``baud`` bits a second.

        Parameters
        ----------
        baud : int
            Bits a second.
        clock_hz : int
            Clock of the machine.
        **others
            The other fields.

        Raises
        ------
        ValueError
            If the clock gives no rate within 2 % of ``baud``, or fewer than 4 cycles a bit.
        """
        if baud < 1:
            raise ValueError(f"baud rate must be positive, not {baud}")
        divisor = round(clock_hz / baud)
        if divisor < LEAST_DIVISOR or abs(clock_hz / divisor / baud - 1) > _TOLERANCE:
            nearest = clock_hz / max(divisor, LEAST_DIVISOR)
            raise ValueError(f"a clock of {clock_hz:,} Hz gives no line of {baud:,} baud; the "
                             f"nearest is {nearest:,.0f}, the fastest "
                             f"{clock_hz // LEAST_DIVISOR:,}")
        return cls(divisor, **others)
