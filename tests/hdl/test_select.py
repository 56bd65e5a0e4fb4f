# amaranth: UnusedElaboratable=no
from random import Random

import pytest
from amaranth.hdl import Cat, Const, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.select import equal, or_reduce, select
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


@pytest.mark.parametrize("width", [1, 2, 3, 4, 7, 12, 20])
def test_equal_sees_every_bit(width):
    m = Module()
    a, b, same = Signal(width), Signal(width), Signal()
    m.d.comb += same.eq(equal(a, b))

    async def bench(ctx):
        rng = Random(width)
        for word in [0, (1 << width) - 1, *(rng.getrandbits(width) for _ in range(20))]:
            ctx.set(a, word)
            for other in [word, *(word ^ 1 << bit for bit in range(width)),
                          rng.getrandbits(width)]:
                ctx.set(b, other)
                await ctx.delay(1e-9)
                assert ctx.get(same) == (word == other)

    simulate(m, bench)


def test_equal_refuses_words_of_different_widths():
    with pytest.raises(ValueError, match="^words must have one width, not 4 and 5 bits$"):
        equal(Signal(4), Signal(5))


def test_or_reduce_gives_the_word_that_is_not_zero():
    words, seed = [Signal(8, name=f"word{index}") for index in range(7)], 5
    m, out = Module(), Signal(8)
    m.d.comb += out.eq(or_reduce(words))

    async def bench(ctx):
        print(f"seed {seed}")
        rng = Random(seed)
        for word in words:
            value = rng.randrange(1, 256)
            ctx.set(word, value)
            await ctx.delay(1e-9)
            assert ctx.get(out) == value
            ctx.set(word, 0)
        await ctx.delay(1e-9)
        assert ctx.get(out) == 0

    simulate(m, bench)
