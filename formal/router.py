"""Prove that a small router keeps the stream contract and hands every word to each sink once.

Run: ``python -m formal.router``.
"""

from amaranth.hdl import Assert, Assume, Cover, Module, Signal, Value
from amaranth.lib import wiring

from formal._order import KeepsOrder
from formal._sby import Proof, keeps_contract, prove
from hdl.registers import SINKS, SOURCES
from hdl.router import Router

SOURCE_NAMES = ("n", "dma", "op0")
SINK_NAMES = ("n", "mapper", "op0_a")


class Routes(Proof):
    """A router with any routes, which change only when it is started."""

    def __init__(self, dut):
        super().__init__()
        self.dut = dut
        self.inputs = {f"i_{name}": getattr(dut, f"i_{name}") for name in dut.sources}
        self.outputs = {f"o_{name}": getattr(dut, f"o_{name}") for name in dut.sinks}

    @property
    def ports(self):
        """Signals that the solver chooses."""
        chosen = [self.dut.start, self.dut.config]
        for port in self.inputs.values():
            chosen += [port.payload, port.valid]
        return chosen + [port.ready for port in self.outputs.values()]

    def select(self, sink):
        """Register of a sink."""
        return self.dut.config.source[SINKS.index(sink)]

    def elaborate(self, platform):
        m = self.module()
        m.submodules.dut = dut = self.dut

        before = Signal(len(Value.cast(dut.config)))
        begun = Signal()
        m.d.sync += [before.eq(dut.config), begun.eq(1)]
        m.d.comb += Assume((begun & (Value.cast(dut.config) == before)) | dut.start)
        return m


class Contract(Routes):
    """The stream contract on all ports."""

    def elaborate(self, platform):
        m = super().elaborate(platform)
        keeps_contract(m, self.inputs, self.outputs, clear=self.dut.start)
        for port in self.outputs.values():
            m.d.comb += Cover(port.valid & port.ready)
        return m


class EachOnce(Routes):
    """Sinks that are not registered: each takes each word of its source once, and only those."""

    def elaborate(self, platform):
        m = super().elaborate(platform)
        keeps_contract(m, self.inputs, {}, clear=self.dut.start)

        sinks = [name for name in self.dut.sinks if name != "n"]
        has = {name: Signal(name=f"has_{name}") for name in sinks}
        for source, port in ((name, self.inputs[f"i_{name}"]) for name in self.dut.sources):
            moves = port.valid & port.ready
            code = SOURCES.index(source) + 1
            with m.If(moves):
                m.d.comb += Assert(~self.dut.start)
                # n is registered inside, so that its taking is not seen here.
                m.d.comb += Assert(sum(self.select(name) == code for name in self.dut.sinks) != 0)
            for name in sinks:
                sink = self.outputs[f"o_{name}"]
                takes = sink.valid & sink.ready
                with m.If(self.select(name) == code):
                    m.d.sync += has[name].eq((has[name] | takes) & ~moves & ~self.dut.start)
                    with m.If(takes):
                        m.d.comb += [
                            Assert(port.valid & ~has[name] & ~self.dut.start),
                            Assert(sink.payload == port.payload),
                        ]
                    with m.If(moves):
                        m.d.comb += [Assert(has[name] | takes), Cover(has[name])]
        for name in sinks:
            known = [SOURCES.index(source) + 1 for source in self.dut.sources]
            with m.If(sum(self.select(name) == code for code in known) == 0):
                m.d.comb += Assert(~self.outputs[f"o_{name}"].valid)
        return m


class LinkOrder(Routes):
    """The registered link to a neighbour neither loses nor reorders words of its source.

    The source has no other sink here: `EachOnce` says when it moves on if it has.
    """

    def elaborate(self, platform):
        m = super().elaborate(platform)
        keeps_contract(m, self.inputs, {}, clear=self.dut.start)
        code = SOURCES.index("dma") + 1
        m.d.comb += [Assume((self.select(name) == code) == (name == "n"))
                     for name in self.dut.sinks]
        m.submodules.order = KeepsOrder(self.dut.i_dma, self.dut.o_n, 2, self.dut.start)
        return m


class ImpatientRouter(wiring.Component):
    """A router whose DMA source moves on as soon as the mapper has its word."""

    def __init__(self):
        self.inner = Router(SOURCE_NAMES, SINK_NAMES)
        self.sources, self.sinks = self.inner.sources, self.inner.sinks
        super().__init__(self.inner.signature)

    def elaborate(self, platform):
        m = Module()
        m.submodules.inner = self.inner
        wiring.connect(m, wiring.flipped(self), self.inner)
        served = self.o_mapper.valid & self.o_mapper.ready
        with m.If((self.config.source[SINKS.index("mapper")] == SOURCES.index("dma") + 1) & served):
            m.d.comb += self.i_dma.ready.eq(1)
        return m


def main():
    """Run all proofs; raise ProofError when one goes wrong."""
    spec = Contract(Router(SOURCE_NAMES, SINK_NAMES))
    prove("router: contract", spec, spec.ports, depth=6)
    spec = EachOnce(Router(SOURCE_NAMES, SINK_NAMES))
    prove("router: each sink once", spec, spec.ports, depth=8, bounded=True)
    spec = LinkOrder(Router(SOURCE_NAMES, SINK_NAMES))
    prove("router: order on a link", spec, spec.ports, depth=10, bounded=True)
    spec = EachOnce(ImpatientRouter())
    prove("impatient router: each sink once", spec, spec.ports, depth=8, expect_fail=True)


if __name__ == "__main__":
    main()
