from random import Random

import pytest

from hdl.divider import Divider
from sim.streams import simulate
from tests.golden import arithmetic as golden

EDGES = (-32768, -32767, -16384, -3, -2, -1, 0, 1, 2, 3, 16383, 32766, 32767)


@pytest.mark.parametrize("shift", range(16))
def test_matches_golden(shift):
    rng = Random(shift)
    pairs = [(a, b) for a in EDGES for b in EDGES]
    for _ in range(150):
        wide, narrow = 1 << rng.randrange(1, 16), 1 << rng.randrange(1, 16)
        pairs.append((rng.randrange(-wide, wide), rng.randrange(-narrow, narrow)))
    dut = Divider()
    print(f"seed {shift}")

    async def bench(ctx):
        ctx.set(dut.shift, shift)
        for number in range(len(pairs) + Divider.LATENCY):
            a, b = pairs[min(number, len(pairs) - 1)]
            ctx.set(dut.a, a)
            ctx.set(dut.b, b)
            _, _, quotient, clipped = await ctx.tick().sample(dut.quotient, dut.saturated)
            if number >= Divider.LATENCY:
                a, b = pairs[number - Divider.LATENCY]
                exact = golden.divide(a, b, shift)
                expected = golden.saturate(exact)
                assert (quotient, clipped) == (expected, exact != expected), (a, b)

    simulate(dut, bench)
