# amaranth: UnusedElaboratable=no
from random import Random

import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.counting import count_down, step
from sim.streams import simulate


class _Counter(wiring.Component):
    def __init__(self, width, number):
        self.number = number
        super().__init__({"a": In(1), "b": In(1), "limit": In(width), "value": In(width),
                          "o": Out(width)})

    def elaborate(self, platform):
        m = Module()
        m.d.comb += self.o.eq(self.number(self))
        return m


@pytest.mark.parametrize("width", [1, 2, 5, 16])
def test_counts_the_turns_that_are_left(width):
    dut = _Counter(width, lambda dut: count_down(dut.a, dut.limit, dut.value))
    most = (1 << width) - 1
    rng = Random(width)

    async def bench(ctx):
        for limit in {1, most, *(rng.randint(1, most) for _ in range(20))}:
            ctx.set(dut.limit, limit)
            ctx.set(dut.a, 1)
            for left in range(limit - 1, max(limit - 50, -1), -1):
                assert ctx.get(dut.o) == left
                ctx.set(dut.value, left)
                ctx.set(dut.a, 0)
        ctx.set(dut.value, 0)
        assert ctx.get(dut.o) == most

    simulate(dut, bench)


@pytest.mark.parametrize("width", [1, 2, 6])
def test_steps_up_and_down(width):
    dut = _Counter(width, lambda dut: step(dut.value, dut.a, dut.b))

    async def bench(ctx):
        for value in range(1 << width):
            for up in range(2):
                for down in range(2):
                    ctx.set(dut.value, value)
                    ctx.set(dut.a, up)
                    ctx.set(dut.b, down)
                    assert ctx.get(dut.o) == (value + up - down) % (1 << width)

    simulate(dut, bench)
