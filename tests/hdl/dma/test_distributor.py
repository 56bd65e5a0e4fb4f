# amaranth: UnusedElaboratable=no
from random import Random

import pytest

from hdl.dma.distributor import Distributor
from sim.streams import simulate


@pytest.mark.parametrize("stall", [0, 0.5])
def test_words_reach_their_sinks(stall):
    rng = Random(1)
    dut = Distributor(8, 3)
    words = [{"sink": rng.randrange(4), "word": rng.randrange(256)} for _ in range(300)]
    got = [[], [], []]

    async def source(ctx):
        for word in words:
            while rng.random() < stall:
                await ctx.tick()
            ctx.set(dut.i.payload, word)
            ctx.set(dut.i.valid, 1)
            await ctx.tick()
            ctx.set(dut.i.valid, 0)
        await ctx.tick().repeat(3)

    async def watch(ctx):
        outputs = [signal for port in dut.o for signal in (port.valid, port.payload)]
        async for _, _, *sampled in ctx.tick().sample(*outputs):
            valid, payloads = sampled[::2], sampled[1::2]
            assert sum(valid) <= 1
            for sink, payload, is_valid in zip(got, payloads, valid, strict=True):
                if is_valid:
                    sink.append(payload)

    simulate(dut, source, checks=[watch])
    # What is for the sink that does not exist goes nowhere.
    for index in range(3):
        assert got[index] == [word["word"] for word in words if word["sink"] == index]


def test_parameters_are_checked():
    with pytest.raises(ValueError, match="^sinks must be at least 1, not 0$"):
        Distributor(8, 0)
    with pytest.raises(TypeError):
        Distributor(8, 1.5)
