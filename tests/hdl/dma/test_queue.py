# amaranth: UnusedElaboratable=no
from random import Random

import pytest

from hdl.dma.queue import RequestQueue
from sim.streams import holds_offer, receive, send, simulate


def requests(master, count):
    return [{"beat": 1000 * master + n, "length": n % 16} for n in range(count)]


def test_each_master_keeps_its_order():
    dut, count = RequestQueue(3, 64), 100

    def source(master):
        async def bench(ctx):
            await send(ctx, dut.i[master], requests(master, count), rng=Random(master),
                       stall=0.3 * master)
        return bench

    async def sink(ctx):
        got = await receive(ctx, dut.o, 3 * count, rng=Random(9), stall=0.3)
        for master in range(3):
            mine = [(word.burst.beat, word.burst.length) for word in got
                    if word.master == master]
            assert mine == [(word["beat"], word["length"])
                            for word in requests(master, count)]

    taken = []

    async def watch(ctx):
        async for _, _, master, length in ctx.tick().sample(dut.taken, dut.length):
            if master:
                taken.append((master, length))

    simulate(dut, *(source(master) for master in range(3)), sink,
             checks=[holds_offer(dut.o), watch])
    for master in range(3):
        assert [length for bit, length in taken if bit == 1 << master] == \
            [word["length"] for word in requests(master, count)]


def test_request_a_cycle_from_one_master():
    dut = RequestQueue(4, 256)

    async def source(ctx):
        await send(ctx, dut.i[2], requests(2, 200), rng=Random(1))

    async def sink(ctx):
        await receive(ctx, dut.o, 200, rng=Random(1))

    simulate(dut, source, sink, cycles=200 + 10)


def test_pause_stops_within_three_cycles():
    dut = RequestQueue(2, 32)

    async def bench(ctx):
        ctx.set(dut.o.ready, 1)
        for port in dut.i:
            ctx.set(port.valid, 1)
        for _ in range(10):
            await ctx.tick()
        ctx.set(dut.pause, 1)
        taken = [(await ctx.tick().sample(dut.taken))[2] for _ in range(20)]
        assert sum(bool(word) for word in taken) == 3 and not any(taken[3:])

    simulate(dut, bench)


def test_parameters_are_checked():
    with pytest.raises(ValueError, match="^masters must be at least 1, not 0$"):
        RequestQueue(0, 8)
    with pytest.raises(ValueError, match="^data_width must be"):
        RequestQueue(2, 48)
    with pytest.raises(TypeError):
        RequestQueue(2, 8.0)
