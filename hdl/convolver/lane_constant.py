"""Constants chosen by the count of lanes."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["LaneConstant"]


class LaneConstant(wiring.Component):
    """Register that holds a number which depends on the count of lanes only.

    The count is constant while a step runs, so the register cuts the path from the
    configuration. Latency 1 cycle.

    Parameters
    ----------
    target : Target
        Bounds the count of lanes: 1 to ``target.banks``.
    function : callable
        Takes a count of lanes, returns the number, an integer from 0. Other counts give 0.

    Members
    -------
    lanes : In(4)
    o : Out(unsigned), as wide as the largest number
    """

    def __init__(self, target, function):
        self.numbers = {lanes: int(function(lanes)) for lanes in range(1, target.banks + 1)}
        width = max(1, max(self.numbers.values()).bit_length())
        super().__init__({"lanes": In(4), "o": Out(width)})

    def elaborate(self, platform):
        m = Module()
        number = Signal.like(self.o)
        with m.Switch(self.lanes):
            for lanes, value in self.numbers.items():
                with m.Case(lanes):
                    m.d.comb += number.eq(value)
        m.d.sync += self.o.eq(number)
        return m
