from dataclasses import replace
from random import Random

import pytest
from amaranth.hdl import ResetInserter, Signal

from hdl.convolver.line_buffer import LineBuffers
from hdl.target import get_target
from sim.streams import simulate

TARGET = replace(get_target("tiny"), kernel_rows=4, line_width=16)


@pytest.mark.parametrize("delay", [2, 3, 7, 15, 16])
@pytest.mark.parametrize("stall", [0, 0.5])
def test_taps_are_lines_apart(delay, stall):
    rng = Random(delay)
    dut = LineBuffers(TARGET)
    words = [(rng.randrange(-32768, 32768), rng.randrange(-32768, 32768),
              rng.getrandbits(1), rng.getrandbits(1)) for _ in range(8 * delay)]

    def tap(stream, row, cycle):
        at = cycle - row * delay
        if at < 0:
            return 0
        word = words[at]
        return word[stream] & 0xFFFF | word[2] << 16 | word[3] << 17

    async def bench(ctx):
        # A step before this one has left other words in the memories.
        for step_words in ([(-1, -1, 1, 1)] * 70, words):
            ctx.set(dut.line_delay, delay)
            ctx.set(dut.load, 1)
            await ctx.tick()
            ctx.set(dut.load, 0)
            for cycle, (a, b, column, frame) in enumerate(step_words):
                while rng.random() < stall:
                    ctx.set(dut.enable, 0)
                    await ctx.tick()
                ctx.set(dut.enable, 1)
                ctx.set(dut.i, {"a": a, "b": b, "column": column, "frame": frame})
                await ctx.tick()
                if step_words is words:
                    got = [ctx.get(out) for out in dut.o]
                    assert got == [tap(stream, row, cycle)
                                   for stream in range(2) for row in range(4)]
            ctx.set(dut.enable, 0)
            if step_words is not words:
                ctx.set(reset, 1)
                await ctx.tick()
                ctx.set(reset, 0)

    reset = Signal()
    simulate(ResetInserter(reset)(dut), bench)
