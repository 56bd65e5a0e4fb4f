# amaranth: UnusedElaboratable=no
from random import Random

import pytest

from hdl.dma.port import Port
from hdl.target import get_target
from sim.streams import receive, send, simulate
from tests.hdl.dma.axi_memory import AxiMemory, loop_addresses
from tests.hdl.dma.test_read import (
    TARGETS,
    expected_addresses,
    fill_table,
    random_transfer,
    read_config,
)
from tests.hdl.dma.test_weights import weights_config
from tests.hdl.dma.test_write import idle, write_config, write_samples

#: Memory is cut in halves: transfers read from the lower one and write to the upper one.
HALF = 1 << 13


def both(memory, port):
    buses = [port.read_bus, *([port.weights_bus] if port.has_weights else [])]
    # Without IDs each bus is its own memory: all of them show the same content.
    return memory.processes(reads=buses, writes=[port.write_bus])


async def start(ctx, port, *, read=None, write=None, weights=None):
    ctx.set(port.read_config, read or {"enable": 0})
    ctx.set(port.write_config, write or {"enable": 0})
    if port.has_weights:
        ctx.set(port.weights_config, weights or {"enable": 0})
    ctx.set(port.start, 1)
    await ctx.tick()
    ctx.set(port.start, 0)


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize("stall", [0.0, 0.3])
def test_all_channels_at_once(name, stall):
    target, rng = get_target(name), Random(f"{name}{stall}")
    memory = AxiMemory(target.data_width, rng, latency=(1, 40), stall=stall)
    port = Port(target, weights=True)
    steps = []
    for _ in range(4):
        read = random_transfer(rng, HALF)
        write = random_transfer(rng, HALF)
        words = [rng.randrange(-1 << 15, 1 << 15) for _ in loop_addresses(0, *write[1:3])]
        steps.append((read, write, words, (rng.randrange(HALF), rng.randrange(1, 200))))
    # Strides are at most 300 and counts below 40: addresses stay away from the other half.
    steps = [(read, ([12000], *write[1:3]), words, weights)
             for read, write, words, weights in steps
             if _within(expected_addresses(*read), 0, HALF)
             and _within(loop_addresses(12000, *write[1:3]), HALF, 2 * HALF)]
    assert steps

    turn = {"step": 0, "done": 0}

    async def control(ctx):
        for read, write, words, weights in steps:
            expected = write_samples(memory, loop_addresses(write[0][0], *write[1:]), words)
            await fill_table(ctx, port.read_table, read[0])
            await start(ctx, port, read=read_config(*read), write=write_config(write[0][0],
                        *write[1:]), weights=weights_config(*weights, 2))
            turn["step"] += 1
            assert ctx.get(port.busy)
            await idle(ctx, port)
            await ctx.tick()
            assert turn["done"] == 3 * turn["step"]
            assert (memory.samples == expected).all()
            assert not ctx.get(port.error)

    async def each_step(ctx, job):
        for number, step in enumerate(steps, 1):
            while turn["step"] < number:
                await ctx.tick()
            await job(ctx, step)
            turn["done"] += 1

    async def reader(ctx):
        async def job(ctx, step):
            addresses = expected_addresses(*step[0])
            got = await receive(ctx, port.o, len(addresses), rng=Random(2), stall=stall)
            assert got == memory.at(addresses)
        await each_step(ctx, job)

    async def weigher(ctx):
        async def job(ctx, step):
            base, length = step[3]
            got = await receive(ctx, port.weights, 2 * length, rng=Random(3), stall=stall)
            assert got == memory.at(list(range(base, base + length)) * 2)
        await each_step(ctx, job)

    async def writer(ctx):
        async def job(ctx, step):
            await send(ctx, port.i, step[2], rng=Random(4), stall=stall)
        await each_step(ctx, job)

    simulate(port, control, reader, weigher, writer, checks=both(memory, port), cycles=20_000)


def _within(addresses, low, high):
    return low <= min(addresses) and max(addresses) < high


@pytest.mark.parametrize("channel", ["read", "write", "weights"])
def test_error_sticks_until_start(channel):
    target, rng = get_target("tiny"), Random(1)
    memory = AxiMemory(target.data_width, rng, errors=[8 * 12])
    port = Port(target, weights=True)
    rows = ([100, 1, 1, 1], [1, 0, 0, 0])
    configs = {"read": read_config([0], *rows), "write": write_config(0, *rows),
               "weights": weights_config(0, 100, 1)}

    async def transfer(ctx, config):
        await start(ctx, port, **{channel: config})
        if channel == "write":
            await send(ctx, port.i, [0] * 100, rng=rng)
        else:
            await receive(ctx, port.o if channel == "read" else port.weights, 100, rng=rng)
        await idle(ctx, port)

    async def bench(ctx):
        await fill_table(ctx, port.read_table, [0])
        await transfer(ctx, configs[channel])
        assert ctx.get(port.error)
        for _ in range(20):
            await ctx.tick()
        assert ctx.get(port.error)
        # A transfer that ends without an error.
        memory.errors = set()
        await fill_table(ctx, port.read_table, [0])
        await transfer(ctx, configs[channel])
        assert not ctx.get(port.error)

    simulate(port, bench, checks=both(memory, port))


def test_events_count_samples_and_stalls():
    target, rng = get_target("tiny"), Random(1)
    memory = AxiMemory(target.data_width, rng, latency=(30, 30))
    port = Port(target, weights=False)
    names = ("read_active", "read_stall", "write_active", "write_stall")
    counts = dict.fromkeys(names, 0)

    async def count(ctx):
        async for _, _, *events in ctx.tick().sample(*(getattr(port, name) for name in names)):
            for name, event in zip(names, events, strict=True):
                counts[name] += event

    async def bench(ctx):
        ctx.set(port.o.ready, 1)
        ctx.set(port.i.valid, 1)
        for _ in range(10):
            await ctx.tick()
        # An idle port does not stall.
        assert counts == dict.fromkeys(names, 0)
        ctx.set(port.i.valid, 0)
        await fill_table(ctx, port.read_table, [0])
        await start(ctx, port, read=read_config([0], [50, 1, 1, 1], [1, 0, 0, 0]))
        cycles = await idle(ctx, port)
        for _ in range(2):
            await ctx.tick()
        assert counts["read_active"] == 50
        assert counts["read_stall"] == cycles - 50 > 30
        assert counts["write_active"] == counts["write_stall"] == 0

        memory.paused = True
        await start(ctx, port, write=write_config(0, [500, 1, 1, 1], [1, 0, 0, 0]))
        ctx.set(port.i.valid, 1)
        for _ in range(300):
            await ctx.tick()
        # The memory takes nothing: the buffers fill, then the port does not take any more.
        held = counts["write_active"]
        assert 64 < held < 160
        # Read from the second cycle of a step on, with two cycles until the first sample.
        assert 300 - held - 4 <= counts["write_stall"] <= 300 - held
        memory.paused = False
        while counts["write_active"] < 500:
            await ctx.tick()
        ctx.set(port.i.valid, 0)
        await idle(ctx, port)
        assert memory.open_writes == 0

    simulate(port, bench, checks=[count, *both(memory, port)])


def test_start_with_abort_begins_nothing():
    target = get_target("tiny")
    memory = AxiMemory(target.data_width, Random(1))
    port = Port(target, weights=True)
    rows = ([100, 1, 1, 1], [1, 0, 0, 0])

    async def bench(ctx):
        ctx.set(port.abort, 1)
        await start(ctx, port, read=read_config([0], *rows), write=write_config(0, *rows),
                    weights=weights_config(0, 100, 1))
        ctx.set(port.abort, 0)
        ctx.set(port.i.valid, 1)
        for _ in range(40):
            assert not ctx.get(port.busy) and not ctx.get(port.i.ready)
            await ctx.tick()
        assert not memory.reads and not memory.writes

    simulate(port, bench, checks=both(memory, port))


@pytest.mark.parametrize("hold", [False, True])
@pytest.mark.parametrize("delay", [*range(6), 30, 60])
def test_abort_soon_after_start(delay, hold):
    target, rng = get_target("tiny"), Random(delay)
    memory = AxiMemory(target.data_width, rng, latency=(5, 20))
    port = Port(target, weights=True)
    rows = ([100, 1, 1, 1], [1, 0, 0, 0])

    async def bench(ctx):
        await fill_table(ctx, port.read_table, [0])
        await start(ctx, port, read=read_config([0], *rows), write=write_config(0, *rows),
                    weights=weights_config(0, 100, 1))
        for _ in range(delay):
            await ctx.tick()
        # Control holds it until no port is busy.
        ctx.set(port.abort, 1)
        await ctx.tick()
        ctx.set(port.abort, hold)
        await idle(ctx, port)
        ctx.set(port.abort, 0)
        assert memory.open_reads == memory.open_writes == 0
        await fill_table(ctx, port.read_table, [300])
        await start(ctx, port, read=read_config([300], *rows), weights=weights_config(5, 3, 1))
        assert await receive(ctx, port.o, 100, rng=rng) == memory.at(range(300, 400))
        assert await receive(ctx, port.weights, 3, rng=rng) == memory.at(range(5, 8))
        assert not ctx.get(port.busy)

    simulate(port, bench, checks=both(memory, port))


def test_port_without_weights_has_no_such_bus():
    port = Port(get_target("tiny"), weights=False)
    assert not any(hasattr(port, name) for name in ("weights", "weights_bus", "weights_config"))
