from random import Random

import pytest

from hdl.decimator import Decimator
from sim.streams import pulse, simulate
from tests.golden import arithmetic as golden


@pytest.mark.parametrize("width, height, step_x, step_y", [
    (0, 0, 0, 0), (1, 1, 1, 1), (1, 1, 3, 2), (1, 7, 1, 3), (2, 3, 2, 2), (6, 1, 4, 1),
    (7, 5, 2, 3), (8, 6, 2, 2), (3, 3, 255, 255), (4095, 2, 64, 1)])
@pytest.mark.parametrize("pause", [0.0, 0.4])
def test_keeps_what_the_golden_model_keeps(width, height, step_x, step_y, pause):
    rng = Random(width)
    dut = Decimator()
    number = min(3 * width * height + 5, 9000)
    expected = set(golden.decimate(list(range(number)), width, height, step_x, step_y))

    async def bench(ctx):
        for name, value in zip(("width", "height", "step_x", "step_y"),
                               (width, height, step_x, step_y), strict=True):
            ctx.set(getattr(dut, name), value)
        for words in (3, number):  # the first run ends in the middle of a map
            await pulse(ctx, dut.start)
            await ctx.tick()
            kept, count = set(), 0
            while count < words:
                valid = rng.random() >= pause
                ctx.set(dut.valid, valid)
                await ctx.tick()
                if valid:
                    if ctx.get(dut.kept):
                        kept.add(count)
                    count += 1
                else:
                    assert not ctx.get(dut.kept)
            ctx.set(dut.valid, 0)
        assert kept == expected

    simulate(dut, bench, cycles=40_000)
