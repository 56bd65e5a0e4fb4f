"""The operators of a tile and the divider they share, without the tile."""

from amaranth.hdl import Module, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.divider import SharedDivider
from hdl.operators import LAYOUT, Operator


class OperatorPair(wiring.Component):
    """Two operators with one divider; the ports are those of the first."""

    def __init__(self):
        samples = stream.Signature(signed(16))
        super().__init__({"a": In(samples), "b": In(samples), "o": Out(samples),
                          "config": In(LAYOUT), "start": In(1), "saturated": Out(1)})
        self.second = Operator()

    def elaborate(self, platform):
        m = Module()
        m.submodules.first = first = Operator()
        m.submodules.second = self.second
        m.submodules.divider = divider = SharedDivider()
        wiring.connect(m, first.divider, divider.users[0])
        wiring.connect(m, self.second.divider, divider.users[1])
        wiring.connect(m, wiring.flipped(self.a), first.a)
        wiring.connect(m, wiring.flipped(self.b), first.b)
        wiring.connect(m, first.o, wiring.flipped(self.o))
        m.d.comb += [first.config.eq(self.config), first.start.eq(self.start),
                     self.saturated.eq(first.saturated)]
        return m
