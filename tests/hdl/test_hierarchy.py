from amaranth.back import verilog
from amaranth.hdl import Module, signed
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
    """Two registers in a row."""

    i: In(signed(16))
    o: Out(signed(16))

    def __init__(self, library):
        super().__init__()
        self.library = library

    def elaborate(self, platform):
        m = Module()
        first = m.submodules.first = self.library.get("register", Register)
        second = m.submodules.second = self.library.get("register", Register)
        m.d.comb += [first.i.eq(self.i), second.i.eq(first.o), self.o.eq(second.o)]
        return m


def test_equal_components_become_one_module():
    library = Modules()
    text = verilog.convert(Chain(library), name="chain", emit_src=False)
    assert list(library.components) == ["neuflow_register"]
    assert text.count("\n  neuflow_register ") == 2
    assert "link__0__payload" in text and "link__1__payload" in text
    (name, made), = library.components.items()
    assert f"\nmodule {name}(" in verilog.convert(made, name=name, emit_src=False)


def test_inline_components_are_separate():
    dut = Chain(Inline())

    async def bench(ctx):
        ctx.set(dut.i, -5)
        await ctx.tick()
        assert ctx.get(dut.o) == 0
        await ctx.tick()
        assert ctx.get(dut.o) == -5

    sim = Simulator(dut)
    sim.add_clock(1e-8)
    sim.add_testbench(bench)
    sim.run()
