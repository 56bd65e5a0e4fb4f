"""The convolver in Amaranth's simulator: stream rules, start, and a few small steps."""

from random import Random

import numpy as np
import pytest

from hdl.convolver.convolver import Convolver
from hdl.target import get_target
from sim.streams import holds_offer, receive, send, simulate

from .golden import Step, packed_registers, random_step

TARGET = get_target("tiny")


def small_step(seed, **fixed):
    """Return a random step that is quickly simulated."""
    fixed = {"data_width": 6, "data_height": 5, "passes": 2, "entries": 2, "groups": 1} | fixed
    return random_step(TARGET, seed, **fixed)


async def begin(ctx, dut, step):
    """Configure and start a step."""
    convolver, macs = packed_registers(step)
    ctx.set(dut.config.as_value(), convolver)
    ctx.set(dut.macs.as_value(), macs)
    ctx.set(dut.start, 1)
    await ctx.tick()
    ctx.set(dut.start, 0)
    assert ctx.get(dut.busy)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("stall", "shy"), [(0, False), (0.3, True), (0.6, False)])
def test_matches_golden_under_stalls(seed, stall, shy):
    step = small_step(seed)
    dut = Convolver(TARGET)

    async def starter(ctx):
        await begin(ctx, dut, step)

    def sink(port, words, number):
        async def bench(ctx):
            got = await receive(ctx, port, len(words), rng=Random(number), stall=stall, shy=shy)
            assert got == words
        return bench

    def source(port, words, number):
        async def bench(ctx):
            # Nothing is taken before the step starts, so words may be offered at once.
            await send(ctx, port, words, rng=Random(number), stall=stall)
        return bench

    a, b = step.inputs()
    outputs = step.outputs()
    simulate(dut, starter, sink(dut.drain0, outputs[0], 3), sink(dut.drain1, outputs[1], 4),
             source(dut.a, a, 5), source(dut.b, b, 6), source(dut.weights, step.weights(), 7),
             checks=[holds_offer(dut.drain0), holds_offer(dut.drain1)], cycles=20_000)


def test_takes_and_offers_nothing_while_start_is_high():
    step = small_step(1, lanes=1)
    dut = Convolver(TARGET)
    offered = []

    async def bench(ctx):
        for port in (dut.a, dut.b, dut.weights):
            ctx.set(port.valid, 1)
        for _ in range(3):
            await begin(ctx, dut, step)
            for _ in range(400):  # words of the aborted step wait at the outputs
                await ctx.tick()
            offered.append(ctx.get(dut.drain0.valid) | ctx.get(dut.drain1.valid))
            ctx.set(dut.start, 1)
            for port in (dut.drain0, dut.drain1):
                assert not ctx.get(port.valid)
            for port in (dut.a, dut.b, dut.weights):
                assert not ctx.get(port.ready)
            await ctx.tick()

    simulate(dut, bench)
    assert all(offered)


def test_stays_idle_without_enable():
    step = small_step(2)
    dut = Convolver(TARGET)

    async def bench(ctx):
        ctx.set(dut.config.as_value(), packed_registers(step)[0] & ~1)
        for port in (dut.a, dut.b, dut.weights):
            ctx.set(port.valid, 1)
        for start in [1] + [0] * 60:
            ctx.set(dut.start, start)
            await ctx.tick()
            assert not ctx.get(dut.busy)
            assert not ctx.get(dut.drain0.valid) and not ctx.get(dut.drain1.valid)
            assert not any(ctx.get(port.ready) for port in (dut.a, dut.b, dut.weights))

    simulate(dut, bench)


def test_is_busy_until_the_last_word_has_moved():
    step = Step(TARGET, np.random.default_rng(3), 1, 1, 0, 0, (4, 4), (4, 4), (4, 4))
    dut = Convolver(TARGET)
    words = step.outputs()[0]

    async def bench(ctx):
        await begin(ctx, dut, step)
        assert await receive(ctx, dut.drain0, 15, rng=Random(1)) == words[:15]
        for _ in range(50):
            await ctx.tick()
            assert ctx.get(dut.busy)
        assert await receive(ctx, dut.drain0, 1, rng=Random(1)) == words[15:]
        await ctx.tick()
        assert not ctx.get(dut.busy)

    async def source(ctx):
        await send(ctx, dut.a, step.inputs()[0], rng=Random(2))

    async def weights(ctx):
        await send(ctx, dut.weights, step.weights(), rng=Random(2))

    simulate(dut, bench, source, weights)
