# amaranth: UnusedElaboratable=no
from random import Random

import pytest

from hdl.dma.queue import RequestQueue
from sim.streams import holds_offer, receive, send, simulate


def requests(master, count):
    return [{"address": 1000 * master + n, "length": n % 16} for n in range(count)]


def test_each_master_keeps_its_order():
    dut, count = RequestQueue(3, 8), 100

    def source(master):
        async def bench(ctx):
            await send(ctx, dut.i[master], requests(master, count), rng=Random(master),
                       stall=0.3 * master)
        return bench

    async def sink(ctx):
        got = await receive(ctx, dut.o, 3 * count, rng=Random(9), stall=0.3)
        for master in range(3):
            mine = [(word.burst.address, word.burst.length) for word in got
                    if word.master == master]
            assert mine == [(word["address"], word["length"])
                            for word in requests(master, count)]

    async def end(ctx):
        # Bursts end, one a cycle, some time after they were taken.
        waiting = []
        async for _, _, taken in ctx.tick().sample(dut.taken):
            waiting.append(taken)
            ctx.set(dut.ended, waiting.pop(0) if len(waiting) > 6 else 0)

    simulate(dut, *(source(master) for master in range(3)), sink,
             checks=[holds_offer(dut.o), end])


def test_request_a_cycle_from_one_master():
    dut = RequestQueue(4, 16)

    async def source(ctx):
        await send(ctx, dut.i[2], requests(2, 200), rng=Random(1))

    async def sink(ctx):
        await receive(ctx, dut.o, 200, rng=Random(1))

    async def end(ctx):
        async for _, _, taken in ctx.tick().sample(dut.taken):
            ctx.set(dut.ended, taken)

    simulate(dut, source, sink, checks=[end], cycles=200 + 10)


def test_outstanding_bursts_are_bounded():
    dut = RequestQueue(2, 6)

    async def bench(ctx):
        ctx.set(dut.o.ready, 1)
        ctx.set(dut.i[0].valid, 1)
        counts = [0, 0]
        for cycle in range(60):
            if cycle == 30:
                ctx.set(dut.i[1].valid, 1)
            taken, = (await ctx.tick().sample(dut.taken))[2:]
            for master in range(2):
                counts[master] += taken >> master & 1
        assert all(4 <= count <= 6 for count in counts)
        ctx.set(dut.ended, 1)
        for _ in range(3):
            await ctx.tick()
        ctx.set(dut.ended, 0)
        before = counts[0]
        for _ in range(20):
            taken, = (await ctx.tick().sample(dut.taken))[2:]
            assert not taken & 2
            counts[0] += taken & 1
        assert counts[0] - 3 <= 6
        assert counts[0] >= before

    simulate(dut, bench)


def test_pause_stops_within_two_cycles():
    dut = RequestQueue(2, 32)

    async def bench(ctx):
        ctx.set(dut.o.ready, 1)
        for port in dut.i:
            ctx.set(port.valid, 1)
        for _ in range(10):
            await ctx.tick()
        ctx.set(dut.pause, 1)
        taken = [(await ctx.tick().sample(dut.taken))[2] for _ in range(20)]
        assert sum(bool(word) for word in taken) == 2 and not any(taken[2:])

    simulate(dut, bench)


def test_parameters_are_checked():
    with pytest.raises(ValueError, match="^masters must be at least 1, not 0$"):
        RequestQueue(0, 8)
    with pytest.raises(ValueError, match="^outstanding must be at least 4, not 3$"):
        RequestQueue(2, 3)
    with pytest.raises(TypeError):
        RequestQueue(2, 8.0)
