from random import Random

import pytest

from hdl.dma.weights import WeightChannel
from hdl.target import get_target
from sim.streams import holds_offer, receive, simulate
from tests.hdl.dma.axi_memory import AxiMemory
from tests.hdl.dma.test_read import TARGETS, drain, start


def weights_config(base, length, repeat, enable=1):
    return {"enable": enable, "base": base, "length": length, "repeat": repeat}


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize("stall", [0.0, 0.4])
def test_pieces_match_indexing(name, stall):
    target, rng = get_target(name), Random(f"{name}{stall}")
    memory = AxiMemory(target.data_width, rng, latency=(1, 60), stall=stall)
    dut = WeightChannel(target)

    async def bench(ctx):
        for length, repeat in ((1, 1), (1, 5), (0, 0), (37, 3), (700, 1),
                               (rng.randrange(1, 300), 2)):
            base = rng.randrange(len(memory.samples))
            addresses = list(range(base, base + max(length, 1))) * max(repeat, 1)
            await start(ctx, dut, weights_config(base, length, repeat))
            got = await receive(ctx, dut.o, len(addresses), rng=rng, stall=stall)
            assert got == memory.at(addresses)
            assert not ctx.get(dut.busy)
            assert memory.open_reads == 0

    simulate(dut, bench, checks=[holds_offer(dut.o), *memory.processes(reads=[dut.bus])],
             cycles=30_000)


@pytest.mark.parametrize("name", TARGETS)
def test_sample_a_cycle(name):
    target = get_target(name)
    memory = AxiMemory(target.data_width, Random(1), latency=(60, 60))
    dut = WeightChannel(target)

    async def bench(ctx):
        await start(ctx, dut, weights_config(13, 1001, 2))
        got, cycles = await drain(ctx, dut, 2002)
        assert got == memory.at(list(range(13, 1014)) * 2)
        assert cycles <= 2002 + 60 + 2 + 12 + 63 + target.data_width // 16 - 1

    simulate(dut, bench, checks=memory.processes(reads=[dut.bus]))


def test_disabled_channel_stays_idle():
    target = get_target("tiny")
    memory = AxiMemory(target.data_width, Random(1))
    dut = WeightChannel(target)

    async def bench(ctx):
        await start(ctx, dut, weights_config(0, 5, 1, enable=0))
        for _ in range(40):
            assert not ctx.get(dut.busy)
            await ctx.tick()
        assert not memory.reads

    simulate(dut, bench, checks=memory.processes(reads=[dut.bus]))


@pytest.mark.parametrize("hold", [False, True])
def test_abort_ends_the_transfer(hold):
    target, rng = get_target("tiny"), Random(3)
    memory = AxiMemory(target.data_width, rng, latency=(20, 60))
    dut = WeightChannel(target)

    async def bench(ctx):
        await start(ctx, dut, weights_config(100, 1000, 4))
        await receive(ctx, dut.o, 5, rng=rng)
        ctx.set(dut.abort, 1)
        await ctx.tick()
        ctx.set(dut.abort, hold)
        while ctx.get(dut.busy):
            assert not ctx.get(dut.o.valid)
            await ctx.tick()
        ctx.set(dut.abort, 0)
        assert memory.open_reads == 0
        await start(ctx, dut, weights_config(7, 30, 1))
        assert await receive(ctx, dut.o, 30, rng=rng) == memory.at(range(7, 37))

    simulate(dut, bench, checks=memory.processes(reads=[dut.bus]))


def test_first_sample_comes_early():
    target = get_target("virtex6-lx240t")
    memory = AxiMemory(target.data_width, Random(1))
    dut = WeightChannel(target)

    async def bench(ctx):
        await start(ctx, dut, weights_config(3, 1, 1))
        _, cycles = await drain(ctx, dut, 1)
        assert cycles == 3 + 11 + 1

    simulate(dut, bench, checks=memory.processes(reads=[dut.bus]))
