# amaranth: UnusedElaboratable=no
from random import Random

import pytest

from hdl.dma.arbiter import RoundRobin
from sim.streams import simulate


def model(requests, last, count):
    """Return the first requester behind ``last``, or None."""
    for step in range(1, count + 1):
        if requests >> (last + step) % count & 1:
            return (last + step) % count
    return None


@pytest.mark.parametrize("count", [1, 2, 3, 20])
def test_grants_match_the_model(count):
    dut, rng = RoundRobin(count), Random(count)

    async def bench(ctx):
        last = count - 1
        for _ in range(400):
            requests = rng.getrandbits(count) & rng.choice((-1, -1, rng.getrandbits(count)))
            ctx.set(dut.requests, requests)
            await ctx.tick()
            winner = model(requests, last, count)
            assert ctx.get(dut.grant) == (0 if winner is None else 1 << winner)
            last = last if winner is None else winner

    simulate(dut, bench)


def test_all_are_served_in_turn():
    dut = RoundRobin(5)

    async def bench(ctx):
        ctx.set(dut.requests, 0b11011)
        await ctx.tick()
        for turn in range(20):
            assert ctx.get(dut.grant) == 1 << (0, 1, 3, 4)[turn % 4]
            await ctx.tick()

    simulate(dut, bench)


def test_parameters_are_checked():
    with pytest.raises(ValueError, match="^requesters must be at least 1, not 0$"):
        RoundRobin(0)
    with pytest.raises(TypeError):
        RoundRobin(2.0)
