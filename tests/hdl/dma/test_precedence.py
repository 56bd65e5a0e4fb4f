# amaranth: UnusedElaboratable=no
from random import Random

import pytest

from hdl.dma.precedence import Precedence
from sim.streams import simulate


@pytest.mark.parametrize("seed", range(3))
def test_random_reads_and_beats_match_the_model(seed):
    print(f"seed {seed}")
    rng, dut = Random(seed), Precedence(4)

    async def bench(ctx):
        urgent, pause = 0, 0
        for _ in range(3000):
            asks = rng.choice((0, 0, rng.randrange(16)))
            beat = rng.random() < rng.choice((0.01, 0.5))
            ctx.set(dut.urgent, asks)
            ctx.set(dut.beat, beat)
            assert ctx.get(dut.begin) == (not urgent or pause == 0)
            await ctx.tick()
            urgent, pause = asks, min(255, pause + 16) if beat else max(0, pause - 1)

    simulate(dut, bench)


def test_a_burst_waits_for_its_beats_and_no_longer():
    dut = Precedence(2)

    async def bench(ctx):
        ctx.set(dut.urgent, 2)
        for beats, pause in ((1, 16), (4, 64), (200, 255)):
            ctx.set(dut.beat, 1)
            for _ in range(beats):
                await ctx.tick()
            ctx.set(dut.beat, 0)
            waited = 0
            while not ctx.get(dut.begin):
                await ctx.tick()
                waited += 1
            assert waited == pause

    simulate(dut, bench)


def test_parameters_are_checked():
    with pytest.raises(ValueError, match="^readers must be at least 1, not 0$"):
        Precedence(0)
    with pytest.raises(TypeError):
        Precedence(1.5)
