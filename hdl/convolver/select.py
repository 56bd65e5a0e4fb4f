"""Multiplexers and constants chosen by configuration, written so that they map to few LUTs."""

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["LaneConstant", "select"]


def select(index, values):
    """Return element ``index`` of ``values`` as a tree of two-way multiplexers.

    A tree over the bits of ``index`` maps four inputs to one 6-input LUT; comparing ``index``
    with each position would cost a decoder for each. An index past the end gives some element.

    Parameters
    ----------
    index : Value
        Unsigned.
    values : sequence of Value
        At least one, all of one shape.

    Raises
    ------
    ValueError
        If there are no values, or more than ``index`` can tell apart.
    """
    values, index = list(values), Value.cast(index)
    if not 1 <= len(values) <= 1 << len(index):
        raise ValueError(f"values must be 1 to {1 << len(index)} for an index of {len(index)} "
                         f"bits, not {len(values)}")
    bit = 0
    while len(values) > 1:
        pairs = [values[at:at + 2] for at in range(0, len(values), 2)]
        values = [Mux(index[bit], pair[1], pair[0]) if len(pair) == 2 else pair[0]
                  for pair in pairs]
        bit += 1
    return values[0]


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
