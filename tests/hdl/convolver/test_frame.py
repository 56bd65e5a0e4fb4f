from random import Random

import pytest

from hdl.convolver.frame import FrameBuilder
from hdl.target import get_target
from sim.streams import receive, send, simulate

from .golden import packed_registers, random_step


def expected(step):
    """Return the words from the first of the lead to the last of the frames."""
    words = [(0, 0, 0, 0)] * step.registers()[0]["lead"]
    for index in range(step.passes):
        for entry in range(step.entries):
            for group in range(step.groups):
                frames = [step.frame_of(index, entry, group, stream)
                          for stream in range(1 + step.two)]
                for y in range(step.frame[1]):
                    for x in range(step.frame[0]):
                        samples = [int(frame[y, x]) for frame in frames]
                        words.append((samples[0], samples[step.two],
                                      int(x == 0), int(x == y == 0)))
    return words


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("stall", [0, 0.4])
def test_builds_frames(seed, stall):
    step = random_step(get_target("tiny"), seed, passes=2, entries=3, groups=1)
    words = expected(step)
    dut = FrameBuilder(step.target)
    a, b = step.inputs()

    async def sink(ctx):
        ctx.set(dut.config.as_value(), packed_registers(step)[0])
        ctx.set(dut.load, 1)
        await ctx.tick()
        ctx.set(dut.load, 0)
        got = await receive(ctx, dut.o, len(words) + 20, rng=Random(seed), stall=stall)
        got = [(word.a, word.b, word.column, word.frame) for word in got]
        assert got == words + [(0, 0, 0, 0)] * 20

    async def source_a(ctx):
        await send(ctx, dut.a, a, rng=Random(1), stall=stall)

    async def source_b(ctx):
        await send(ctx, dut.b, b, rng=Random(2), stall=stall)

    simulate(dut, sink, source_a, source_b, cycles=len(words) * 10 + 200)


def test_gives_one_word_a_cycle():
    step = random_step(get_target("tiny"), 3, passes=2, entries=2, groups=2)
    dut = FrameBuilder(step.target)

    async def sink(ctx):
        ctx.set(dut.config.as_value(), packed_registers(step)[0])
        ctx.set(dut.a.valid, 1)
        ctx.set(dut.b.valid, 1)
        ctx.set(dut.o.ready, 1)
        ctx.set(dut.load, 1)
        await ctx.tick()
        ctx.set(dut.load, 0)
        await ctx.tick().until(dut.o.valid)
        for _ in range(step.frames * step.frame[0] * step.frame[1]):
            assert ctx.get(dut.o.valid)
            await ctx.tick()

    simulate(dut, sink)
