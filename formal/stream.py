"""Prove that skid buffer, fork and FIFO keep the stream contract, and lose or reorder nothing.

Run: ``python -m formal.stream``.
"""

from amaranth.asserts import AnyConst
from amaranth.hdl import Assert, Cover, Module, Signal, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from formal._order import KeepsOrder
from formal._sby import Proof, keeps_contract, prove
from hdl.stream import Fork, SkidBuffer, StreamFifo

SHAPE = unsigned(3)


class Contract(Proof):
    """Assume the contract at ``i``, assert it at the outputs."""

    def __init__(self, dut, outputs):
        super().__init__(dut)
        self.outputs = outputs

    def elaborate(self, platform):
        m = self.module()
        m.submodules.dut = self.dut
        keeps_contract(m, {"i": self.dut.i}, self.outputs, clear=self.dut.clear)
        for port in self.outputs.values():
            m.d.comb += Cover(port.valid & port.ready)
        return m


class ForkContract(Contract):
    """The contract of a fork whose enables do not change."""

    def elaborate(self, platform):
        m = super().elaborate(platform)
        m.d.comb += self.dut.enable.eq(AnyConst(self.dut.sinks))
        return m


class Order(Proof):
    """Follow a word through a buffer."""

    def __init__(self, dut, capacity):
        super().__init__(dut)
        self.capacity = capacity

    def elaborate(self, platform):
        m = self.module()
        m.submodules.dut = self.dut
        m.submodules.order = KeepsOrder(self.dut.i, self.dut.o, self.capacity, self.dut.clear)
        keeps_contract(m, {"i": self.dut.i}, {}, clear=self.dut.clear)
        return m


class EachOnce(Proof):
    """State that a fork hands every word to each enabled sink exactly once."""

    def elaborate(self, platform):
        m = self.module()
        m.submodules.dut = dut = self.dut
        keeps_contract(m, {"i": dut.i}, {}, clear=dut.clear)
        m.d.comb += dut.enable.eq(AnyConst(dut.sinks))

        moves = dut.i.valid & dut.i.ready
        for index, sink in enumerate(dut.o):
            takes = sink.valid & sink.ready
            has = Signal(name=f"has{index}")
            m.d.sync += has.eq((has | takes) & ~moves & ~dut.clear)
            with m.If(takes):
                m.d.comb += [
                    Assert(dut.enable[index] & dut.i.valid & ~has & ~dut.clear),
                    Assert(sink.payload == dut.i.payload),
                    Cover(moves & dut.enable.all()),
                ]
            with m.If(moves):
                m.d.comb += Assert(has | takes | ~dut.enable[index])
        with m.If(moves):
            m.d.comb += Assert(dut.enable.any() & ~dut.clear)
        return m


class OneWordBuffer(wiring.Component):
    """A skid buffer without its skid register: registers ready, loses the word on its way."""

    def __init__(self):
        super().__init__({"i": In(stream.Signature(SHAPE)), "o": Out(stream.Signature(SHAPE)),
                          "clear": In(1)})

    def elaborate(self, platform):
        m = Module()
        valid, free = Signal(), Signal()
        m.d.comb += [self.o.valid.eq(valid & ~self.clear), self.i.ready.eq(free & ~self.clear)]
        m.d.sync += free.eq(~valid | self.o.ready)
        with m.If(self.clear):
            m.d.sync += valid.eq(0)
        with m.Elif(~valid | self.o.ready):
            m.d.sync += [valid.eq(self.i.valid & free), self.o.payload.eq(self.i.payload)]
        return m


class ForgetfulFork(Fork):
    """A fork that never remembers who has taken the word."""

    def elaborate(self, platform):
        m = Module()
        taken = Signal(self.sinks)
        for index, sink in enumerate(self.o):
            m.d.comb += [
                sink.payload.eq(self.i.payload),
                sink.valid.eq(self.i.valid & self.enable[index] & ~self.clear),
                taken[index].eq(sink.ready),
            ]
        m.d.comb += self.i.ready.eq(
            self.enable.any() & (taken | ~self.enable).all() & ~self.clear)
        return m


class WithdrawingFork(Fork):
    """A fork that offers a word to a sink only while all the others are ready."""

    def elaborate(self, platform):
        m = Module()
        ready = Signal(self.sinks)
        for index, sink in enumerate(self.o):
            others = ~self.enable | ready | (1 << index)
            m.d.comb += [
                ready[index].eq(sink.ready),
                sink.payload.eq(self.i.payload),
                sink.valid.eq(self.i.valid & self.enable[index] & others.all() & ~self.clear),
            ]
        m.d.comb += self.i.ready.eq(
            self.enable.any() & (ready | ~self.enable).all() & ~self.clear)
        return m


def buffer_ports(dut):
    """Signals that the solver chooses for a buffer."""
    return [dut.i.payload, dut.i.valid, dut.o.ready, dut.clear]


def fork_ports(dut, *more):
    """Signals that the solver chooses for a fork."""
    return [dut.i.payload, dut.i.valid, dut.clear, *(sink.ready for sink in dut.o), *more]


def main():
    """Run all proofs; raise ProofError when one goes wrong."""
    buffers = {"skid buffer": (lambda: SkidBuffer(SHAPE), 2),
               "FIFO of 2": (lambda: StreamFifo(SHAPE, 2), 3),
               "FIFO of 4": (lambda: StreamFifo(SHAPE, 4), 5)}
    for name, (make, capacity) in buffers.items():
        dut = make()
        prove(f"{name}: contract", Contract(dut, {"o": dut.o}), buffer_ports(dut), depth=6)
        dut = make()
        prove(f"{name}: order", Order(dut, capacity), buffer_ports(dut), depth=12, bounded=True)
    dut = OneWordBuffer()
    prove("buffer without skid register: order", Order(dut, 2), buffer_ports(dut), depth=12,
          expect_fail=True)

    dut = Fork(SHAPE, 3)
    outputs = {f"o{n}": sink for n, sink in enumerate(dut.o)}
    prove("fork: contract", ForkContract(dut, outputs), fork_ports(dut), depth=6)
    dut = Fork(SHAPE, 3)
    prove("fork: each sink once", EachOnce(dut), fork_ports(dut), depth=10, bounded=True)
    dut = ForgetfulFork(SHAPE, 3)
    prove("fork without memory: each sink once", EachOnce(dut), fork_ports(dut), depth=10,
          expect_fail=True)
    dut = WithdrawingFork(SHAPE, 3)
    outputs = {f"o{n}": sink for n, sink in enumerate(dut.o)}
    prove("fork that waits for others: contract", ForkContract(dut, outputs), fork_ports(dut),
          depth=6, expect_fail=True)


if __name__ == "__main__":
    main()
