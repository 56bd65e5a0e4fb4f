"""Prove what stands around a pipeline that never stops: outlet and pairing lose or reorder nothing.

Run: ``python -m formal.pipeline``.
"""

from amaranth.hdl import Assume, Cat, Module, Signal, signed, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from formal._order import KeepsOrder
from formal._sby import Proof, keeps_contract, prove
from hdl.outlet import Outlet
from hdl.pairing import Pairing

SHAPE = unsigned(2)


class Pipeline(wiring.Component):
    """Registers that never stop, between a stream and an outlet.

    With a fault the words are launched as if ``room`` were known at once.
    """

    def __init__(self, stages, lag, fault=False):
        self.stages, self.lag, self.fault = stages, lag, fault
        super().__init__({"i": In(stream.Signature(SHAPE)), "o": Out(stream.Signature(SHAPE)),
                          "clear": In(1)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.outlet = outlet = Outlet(SHAPE, 4, 0 if self.fault else self.lag)
        m.d.comb += [
            # The router sees no offer while it holds everything still.
            self.o.valid.eq(outlet.o.valid & ~self.clear),
            self.o.payload.eq(outlet.o.payload),
            outlet.o.ready.eq(self.o.ready),
        ]
        valid = Signal(self.stages)
        words = [Signal(SHAPE, name=f"word{stage}") for stage in range(self.stages)]
        m.d.sync += [valid.eq(Cat(self.i.valid & self.i.ready, valid[:-1])),
                     Cat(words).eq(Cat(self.i.payload, words[:-1]))]
        with m.If(self.clear):
            m.d.sync += valid.eq(0)
        m.d.comb += [
            self.i.ready.eq(outlet.room),
            outlet.launch.eq(valid[self.lag - 1]),
            outlet.valid.eq(valid[-1]), outlet.payload.eq(words[-1]),
            outlet.clear.eq(self.clear),
        ]
        return m


class Paired(wiring.Component):
    """A pairing whose pairs are taken at once, as two streams."""

    def __init__(self, chosen):
        self.chosen = chosen
        samples = stream.Signature(signed(16))
        super().__init__({"a": In(samples), "b": In(samples), "pair": Out(samples), "room": In(1),
                          "clear": In(1)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.pairing = pairing = Pairing()
        wiring.connect(m, wiring.flipped(self.a), pairing.a)
        wiring.connect(m, wiring.flipped(self.b), pairing.b)
        m.d.comb += [
            pairing.room.eq(self.room), pairing.start.eq(self.clear),
            self.pair.valid.eq(pairing.taken & ~self.clear),
            self.pair.payload.eq(getattr(pairing, f"word_{self.chosen}")),
        ]
        return m


class Order(Proof):
    """Follow a word; nothing moves while ``clear`` is high, as the router sees to it."""

    def __init__(self, dut, inputs, i, o, capacity):
        super().__init__(dut)
        self.inputs, self.i, self.o, self.capacity = inputs, i, o, capacity

    def elaborate(self, platform):
        m = self.module()
        m.submodules.dut = dut = self.dut
        m.submodules.order = KeepsOrder(self.i, self.o, self.capacity, dut.clear)
        keeps_contract(m, self.inputs, {"o": self.o}, clear=dut.clear)
        m.d.comb += Assume(~dut.clear | ~(Cat(port.valid for port in self.inputs.values()).any()
                                          | self.o.ready))
        return m


def pipeline_order(stages, lag, fault=False):
    """Return the proof for a pipeline, and the signals that the solver chooses."""
    dut = Pipeline(stages, lag, fault)
    return (Order(dut, {"i": dut.i}, dut.i, dut.o, 4),
            [dut.i.payload, dut.i.valid, dut.o.ready, dut.clear])


class PairOrder(Order):
    """The same where what leaves cannot be refused."""

    def elaborate(self, platform):
        m = super().elaborate(platform)
        m.d.comb += Assume(self.o.ready | self.dut.clear)
        return m


def pair_order(chosen, capacity):
    """Return the proof for one stream of a pairing, and the signals that the solver chooses."""
    dut = Paired(chosen)
    return (PairOrder(dut, {"a": dut.a, "b": dut.b}, getattr(dut, chosen), dut.pair, capacity),
            [dut.a.payload, dut.a.valid, dut.b.payload, dut.b.valid, dut.room, dut.pair.ready,
             dut.clear])


def main():
    """Run all proofs; raise ProofError when one goes wrong."""
    for stages, lag in ((1, 1), (3, 1)):
        prove(f"outlet behind {stages} stages: order", *pipeline_order(stages, lag), depth=14,
              bounded=True)
    prove("outlet that reserves too late: order", *pipeline_order(3, 1, fault=True), depth=14,
          expect_fail=True)
    for chosen, capacity in (("a", 1), ("b", 2)):
        prove(f"pairing: order of {chosen}", *pair_order(chosen, capacity), depth=14, bounded=True)


if __name__ == "__main__":
    main()
