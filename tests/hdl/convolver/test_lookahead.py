from random import Random

import pytest

from hdl.convolver.lookahead import Lookahead
from sim.streams import send, simulate


@pytest.mark.parametrize("stall", [0, 0.3, 0.9])
@pytest.mark.parametrize("pause", [0, 0.3, 0.9])
def test_pops_only_after_more_lose_nothing(stall, pause):
    rng = Random(5)
    words = [rng.randrange(256) for _ in range(200)]
    dut = Lookahead(8)

    async def chain(ctx):
        got, pop = [], False
        while len(got) < len(words):
            ctx.set(dut.pop, pop)
            _, _, word, more = await ctx.tick().sample(dut.o, dut.more)
            if pop:
                got.append(word)
            pop = more and rng.random() >= pause
        assert got == words

    async def source(ctx):
        await send(ctx, dut.i, words, rng=Random(6), stall=stall)

    simulate(dut, chain, source, cycles=6000)


def test_passes_one_word_a_cycle():
    dut = Lookahead(8)

    async def chain(ctx):
        pops, pop = 0, False
        for _ in range(103):
            ctx.set(dut.pop, pop)
            _, _, pop = await ctx.tick().sample(dut.more)
            pops += pop
        assert pops >= 101

    async def source(ctx):
        ctx.set(dut.i.valid, 1)

    simulate(dut, chain, source)
