"""Prove that a small router keeps the stream contract and hands every word to each sink once.

Run: ``python -m formal.router``.
"""

from amaranth.hdl import Assert, Assume, Cover, Module, Signal
from amaranth.lib import wiring

from formal._order import KeepsOrder
from formal._routed import RoutedRouter
from formal._sby import Proof, keeps_contract, prove
from hdl.registers import SINKS, SOURCES

SOURCE_NAMES = ("n", "dma", "op0")
SINK_NAMES = ("n", "mapper", "op0_a")
CHOICES = dict.fromkeys(SINK_NAMES, SOURCE_NAMES)


class Routes(Proof):
    """A router with any routes, which change when it is committed."""

    def __init__(self, dut):
        super().__init__(dut)
        self.inputs = {f"i_{name}": getattr(dut, f"i_{name}") for name in dut.sources}
        self.outputs = {f"o_{name}": getattr(dut, f"o_{name}") for name in dut.sinks}

    @property
    def ports(self):
        """Signals that the solver chooses."""
        chosen = [self.dut.commit, self.dut.config]
        for port in self.inputs.values():
            chosen += [port.payload, port.valid]
        return chosen + [port.ready for port in self.outputs.values()]

    def takes(self, sink, source):
        """Whether a sink's register names a source."""
        return self.dut.active.source[SINKS.index(sink)] == SOURCES.index(source) + 1

    def elaborate(self, platform):
        m = self.module()
        m.submodules.dut = self.dut
        return m


class Contract(Routes):
    """The stream contract on all ports; what has no partner is never ready, never valid."""

    def elaborate(self, platform):
        m = super().elaborate(platform)
        keeps_contract(m, self.inputs, self.outputs, clear=self.dut.start)
        for port in self.outputs.values():
            m.d.comb += Cover(port.valid & port.ready)
        # Induction starts from any state; this is one that hardware can be in.
        m.d.comb += [Assert(self.dut.routes[sink].as_value() == kept)
                     for sink, kept in self.dut.decoded(self.dut.active).items()]
        for source in self.dut.sources:
            with m.If(self.inputs[f"i_{source}"].ready):
                m.d.comb += Assert(sum(self.takes(sink, source) for sink in self.dut.sinks) != 0)
        for sink in self.dut.sinks:
            with m.If(self.outputs[f"o_{sink}"].valid):
                m.d.comb += Assert(
                    sum(self.takes(sink, source) for source in self.dut.sources) != 0)
        return m


class EachOnce(Routes):
    """A sink gets every word of its source once and in order, whatever other sinks take from it."""

    def __init__(self, dut, sink):
        super().__init__(dut)
        self.sink = sink

    def elaborate(self, platform):
        m = super().elaborate(platform)
        keeps_contract(m, self.inputs, {}, clear=self.dut.start)
        begun = Signal()
        with m.If(self.dut.commit):
            m.d.sync += begun.eq(1)
        with m.If(begun):
            m.d.comb += Assume(self.takes(self.sink, "dma"))
        m.d.comb += Cover(begun & self.takes("mapper", "dma") & self.takes("n", "dma")
                          & self.dut.i_dma.valid & self.dut.i_dma.ready)
        m.submodules.order = KeepsOrder(
            self.dut.i_dma, self.outputs[f"o_{self.sink}"], 2, self.dut.start)
        return m


class ImpatientRouter(wiring.Component):
    """A router whose DMA source moves on as soon as the mapper has its word."""

    def __init__(self):
        self.inner = RoutedRouter(CHOICES)
        self.sources, self.sinks = self.inner.sources, self.inner.sinks
        super().__init__(self.inner.signature)

    def elaborate(self, platform):
        m = Module()
        m.submodules.inner = self.inner
        wiring.connect(m, wiring.flipped(self), self.inner)
        served = self.o_mapper.valid & self.o_mapper.ready
        code = self.active.source[SINKS.index("mapper")]
        with m.If((code == SOURCES.index("dma") + 1) & served):
            m.d.comb += self.i_dma.ready.eq(1)
        return m


def main():
    """Run all proofs; raise ProofError when one goes wrong."""
    spec = Contract(RoutedRouter(CHOICES))
    prove("router: contract", spec, spec.ports, depth=6)
    for sink in ("mapper", "n"):
        spec = EachOnce(RoutedRouter(CHOICES), sink)
        prove(f"router: each once, {sink}", spec, spec.ports, depth=10, bounded=True)
    spec = EachOnce(ImpatientRouter(), "n")
    prove("impatient router: each once", spec, spec.ports, depth=8, expect_fail=True)


if __name__ == "__main__":
    main()
