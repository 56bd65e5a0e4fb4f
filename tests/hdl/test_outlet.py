# amaranth: UnusedElaboratable=no
from random import Random

import pytest
from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.outlet import Outlet
from sim.streams import holds_offer, pulse, receive, send, simulate


class Pipeline(wiring.Component):
    """A pipeline that never stops, behind a register of ``room``, with an outlet."""

    def __init__(self, latency, depth, lag):
        self.latency, self.depth, self.lag = latency, depth, lag
        super().__init__({"i": In(stream.Signature(16)), "o": Out(stream.Signature(16)),
                          "clear": In(1)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.outlet = outlet = Outlet(16, self.depth, self.lag)
        wiring.connect(m, outlet.o, wiring.flipped(self.o))
        valid, words = Signal(self.latency), [Signal(16, name=f"word{stage}")
                                              for stage in range(self.latency)]
        m.d.sync += [valid.eq(Cat(self.i.valid & outlet.room, valid[:-1])),
                     Cat(words).eq(Cat(self.i.payload, words[:-1]))]
        with m.If(self.clear):
            m.d.sync += valid.eq(0)
        m.d.comb += [
            self.i.ready.eq(outlet.room),
            outlet.launch.eq(valid[self.lag - 1]),
            outlet.valid.eq(valid[-1]), outlet.payload.eq(words[-1]),
            outlet.clear.eq(self.clear),
        ]
        return m


@pytest.mark.parametrize("stalls, shy", [((0, 0), False), ((0.5, 0), True), ((0.1, 0.6), True),
                                         ((0, 0.9), False)])
@pytest.mark.parametrize("latency, depth, lag", [(1, 4, 1), (6, 8, 2), (20, 16, 4), (24, 32, 4)])
def test_keeps_order_and_loses_nothing(latency, depth, lag, stalls, shy):
    rng = Random(depth)
    words = [rng.randrange(1 << 16) for _ in range(300)]
    dut = Pipeline(latency, depth, lag)

    async def source(ctx):
        await send(ctx, dut.i, words, rng=Random(1), stall=stalls[0])

    async def sink(ctx):
        assert await receive(ctx, dut.o, len(words), rng=Random(2), stall=stalls[1],
                             shy=shy) == words

    simulate(dut, source, sink, checks=[holds_offer(dut.o)], cycles=20_000)


def test_full_rate_during_and_after_a_pause():
    dut = Pipeline(20, 32, 1)

    async def source(ctx):
        await send(ctx, dut.i, list(range(400)), rng=Random(1))

    async def sink(ctx):
        ctx.set(dut.o.ready, 1)
        for cycle in range(300):
            if cycle == 100:
                ctx.set(dut.o.ready, 0)
                for _ in range(60):
                    await ctx.tick()
                ctx.set(dut.o.ready, 1)
            _, _, valid = await ctx.tick().sample(dut.o.valid)
            assert valid or cycle < 24

    simulate(dut, source, sink)


def test_clear_drops_everything():
    dut = Pipeline(6, 8, 1)

    async def bench(ctx):
        for words in range(12):
            ctx.set(dut.i.valid, 1)
            for word in range(words):
                ctx.set(dut.i.payload, word)
                await ctx.tick()
            ctx.set(dut.i.valid, 0)
            await pulse(ctx, dut.clear)
            ctx.set(dut.i.payload, 77)
            ctx.set(dut.i.valid, 1)
            await ctx.tick()
            ctx.set(dut.i.valid, 0)
            assert await receive(ctx, dut.o, 1, rng=Random(0)) == [77]
            for _ in range(10):
                _, _, valid = await ctx.tick().sample(dut.o.valid)
                assert not valid

    simulate(dut, bench)


@pytest.mark.parametrize("depth, lag, message", [
    (2, 0, "depth must be a power of two of at least 4, not 2"),
    (24, 0, "depth must be a power of two of at least 4, not 24"),
    (8, 6, r"lag must be in 0\.\.5 for a depth of 8, not 6"),
])
def test_refuses_bad_sizes(depth, lag, message):
    with pytest.raises(ValueError, match=message):
        Outlet(16, depth, lag)
