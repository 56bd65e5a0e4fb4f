# amaranth: UnusedElaboratable=no
from random import Random

import pytest

from hdl.dma.distributor import Distributor
from sim.streams import holds_offer, receive, send, simulate


@pytest.mark.parametrize("stalls", [(0, 0), (0.5, 0), (0.2, 0.6)])
def test_words_reach_their_sinks(stalls):
    rng = Random(1)
    dut = Distributor(8, 3)
    words = [{"sink": rng.randrange(4), "word": rng.randrange(256)} for _ in range(300)]

    async def source(ctx):
        await send(ctx, dut.i, words, rng=Random(2), stall=stalls[0])

    def sink(index):
        async def bench(ctx):
            expected = [word["word"] for word in words if word["sink"] == index]
            got = await receive(ctx, dut.o[index], len(expected), rng=Random(index),
                                stall=stalls[1], shy=stalls[1] and index == 1)
            assert got == expected
            # What is for the sink that does not exist goes nowhere.
            ctx.set(dut.o[index].ready, 1)
        return bench

    # 300 words, one a cycle if nobody stalls.
    simulate(dut, source, *(sink(index) for index in range(3)),
             checks=[holds_offer(port) for port in dut.o],
             cycles=320 if stalls == (0, 0) else 3000)


def test_parameters_are_checked():
    with pytest.raises(ValueError, match="^sinks must be at least 1, not 0$"):
        Distributor(8, 0)
    with pytest.raises(TypeError):
        Distributor(8, 1.5)
