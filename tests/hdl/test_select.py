# amaranth: UnusedElaboratable=no
from random import Random

import pytest
from amaranth.hdl import Cat, Const, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.select import select
from sim.streams import simulate


class _Selector(wiring.Component):
    def __init__(self, count):
        self.count = count
        super().__init__({"index": In(5), "o": Out(8)})

    def elaborate(self, platform):
        m = Module()
        m.d.comb += self.o.eq(select(self.index, [Const(17 * k % 251, 8)
                                                  for k in range(self.count)]))
        return m


@pytest.mark.parametrize("count", [1, 2, 3, 5, 16, 20, 32])
def test_select_gives_every_element(count):
    dut = _Selector(count)

    async def bench(ctx):
        for index in Random(count).sample(range(count), count):
            ctx.set(dut.index, index)
            await ctx.delay(1e-9)
            assert ctx.get(dut.o) == 17 * index % 251

    simulate(dut, bench)


@pytest.mark.parametrize("count", [0, 5])
def test_select_refuses_a_wrong_number_of_values(count):
    with pytest.raises(ValueError, match=f"^values must be 1 to 4 for an index of 2 bits, "
                                         f"not {count}$"):
        select(Signal(2), [Const(0)] * count)


def test_select_takes_a_slice_as_index():
    assert len(select(Cat(Signal(), Signal()), [Const(0, 3)] * 3)) == 3
