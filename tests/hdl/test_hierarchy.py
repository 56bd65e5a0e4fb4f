from amaranth.back import verilog
from amaranth.hdl import ClockDomain, ClockSignal, Module, ResetSignal, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.sim import Simulator

from hdl.hierarchy import Inline, Modules


class Register(wiring.Component):
    """One register, so that a chain of them can be counted."""

    i: In(signed(16))
    o: Out(signed(16))
    link: In(stream.Signature(4)).array(2)

    def elaborate(self, platform):
        m = Module()
        m.d.sync += self.o.eq(self.i)
        return m


class Chain(wiring.Component):
    """Two registers, the second in a domain with a reset of its own."""

    i: In(signed(16))
    o: Out(signed(16))
    clear: In(1)

    def __init__(self, library):
        super().__init__()
        self.library = library

    def elaborate(self, platform):
        m = Module()
        m.domains.other = domain = ClockDomain()
        m.d.comb += [domain.clk.eq(ClockSignal()), domain.rst.eq(ResetSignal() | self.clear)]
        first = m.submodules.first = self.library.get("register", Register)
        second = m.submodules.second = self.library.get("register", Register, domain="other")
        m.d.comb += [first.i.eq(self.i), second.i.eq(first.o), self.o.eq(second.o)]
        return m


def test_equal_components_become_one_module():
    library = Modules()
    text = verilog.convert(Chain(library), name="chain", emit_src=False)
    assert list(library.components) == ["register"]
    assert text.count("\n  register ") == 2
    assert "link__0__payload" in text and "link__1__payload" in text
    module = verilog.convert(library.components["register"], name="register", emit_src=False)
    assert "\nmodule register(" in module


def test_inline_components_run_in_their_domain():
    dut = Chain(Inline())

    async def bench(ctx):
        ctx.set(dut.i, -5)
        await ctx.tick().repeat(2)
        assert ctx.get(dut.o) == -5
        ctx.set(dut.clear, 1)
        await ctx.tick()
        assert ctx.get(dut.o) == 0
        ctx.set(dut.clear, 0)
        await ctx.tick()
        assert ctx.get(dut.o) == -5

    sim = Simulator(dut)
    sim.add_clock(1e-8)
    sim.add_testbench(bench)
    sim.run()
