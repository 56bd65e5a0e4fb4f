# amaranth: UnusedElaboratable=no
from random import Random

import pytest

from hdl.dma.store import Store
from hdl.dma.write import WriteChannel
from hdl.target import get_target
from sim.streams import send, simulate
from tests.hdl.dma.axi_memory import AxiMemory, loop_addresses
from tests.hdl.dma.test_read import TARGETS, fill_table, random_transfer, start


def write_config(base, counts, strides, enable=1, entries=0):
    return {"enable": enable, "base": base, "entries": entries, "count": counts,
            "stride": strides}


async def idle(ctx, dut):
    """Wait until the channel is no longer busy; return the cycles that took."""
    cycles = 0
    while ctx.get(dut.busy):
        await ctx.tick()
        cycles += 1
    return cycles


def write_samples(memory, addresses, words):
    """Return what the memory holds when ``words`` are written in order."""
    expected = memory.samples.copy()
    for address, word in zip(addresses, words, strict=True):
        expected[address % len(expected)] = word
    return expected


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize("stalls", [(0.0, 0.0), (0.5, 0.0), (0.0, 0.4)])
@pytest.mark.parametrize("seed", range(3))
def test_random_transfers_match_indexing(name, stalls, seed):
    print(f"seed {seed}")
    target, rng = get_target(name), Random(f"{seed}{name}{stalls}")
    memory = AxiMemory(target.data_width, rng, latency=(1, 60), stall=stalls[1])
    dut = WriteChannel(target)

    async def bench(ctx):
        for _ in range(5):
            offsets, counts, strides, _ = random_transfer(rng, len(memory.samples))
            base, entries = rng.randrange(len(memory.samples)), len(offsets)
            if rng.random() < 0.3:
                offsets, entries = [0], 0  # the table says something else, and is not used
                await fill_table(ctx, dut.table, [1234])
            else:
                await fill_table(ctx, dut.table, offsets)
            addresses = [address for offset in offsets
                         for address in loop_addresses(base + offset, counts, strides)]
            words = [rng.randrange(-1 << 15, 1 << 15) for _ in addresses]
            expected = write_samples(memory, addresses, words)
            await start(ctx, dut, write_config(base, counts, strides, entries=entries))
            await send(ctx, dut.i, words, rng=rng, stall=stalls[0])
            await idle(ctx, dut)
            assert memory.open_writes == 0
            assert (memory.samples == expected).all(), (base, offsets, counts, strides)

    simulate(dut, bench, checks=memory.processes(writes=[dut.bus]), cycles=60_000)


async def feed(ctx, dut, words):
    """Offer ``words`` without a pause; return the cycles that took."""
    ctx.set(dut.i.valid, 1)
    cycles = 0
    for word in words:
        ctx.set(dut.i.payload, word)
        taken = False
        while not taken:
            _, _, taken = await ctx.tick().sample(dut.i.ready)
            cycles += 1
    ctx.set(dut.i.valid, 0)
    return cycles


@pytest.mark.parametrize(("name", "counts", "strides", "bursts"), [
    ("virtex6-lx240t", [1000, 2], [1, 1100], 2 * 6),
    ("virtex6-lx240t", [1000, 1], [2, 0], 10),
    ("virtex6-lx240t", [1000, 1], [16, 0], 70),
    ("virtex6-lx240t", [1000, 1], [1500, 0], 1000),
    ("tiny", [1000, 2], [1, 1100], 2 * 18),
    ("tiny", [1000, 1], [-1, 0], 251),
    ("ecp5-85k", [1000, 2], [1, 1100], 2 * 34),
])
def test_sample_a_cycle(name, counts, strides, bursts):
    target, rng = get_target(name), Random(1)
    memory = AxiMemory(target.data_width, rng, latency=(10, 10))
    dut = WriteChannel(target)
    counts, strides = [*counts, 1, 1], [*strides, 0, 0]

    async def bench(ctx):
        addresses = loop_addresses(5003, counts, strides)
        words = [rng.randrange(-1 << 15, 1 << 15) for _ in addresses]
        expected = write_samples(memory, addresses, words)
        await start(ctx, dut, write_config(5003, counts, strides))
        assert await feed(ctx, dut, words) <= len(words) + 5
        assert await idle(ctx, dut) <= 10 + 16 + 15
        assert (memory.samples == expected).all()
        assert len(memory.writes) <= bursts

    simulate(dut, bench, checks=memory.processes(writes=[dut.bus]))


def test_later_sample_for_one_address_stays():
    target = get_target("tiny")
    memory = AxiMemory(target.data_width, Random(1), latency=(1, 30))
    dut = WriteChannel(target)

    async def bench(ctx):
        # Twice over the same five samples, which lie in two beats.
        expected = write_samples(memory, range(6, 11), [6, 7, 8, 9, 10])
        await start(ctx, dut, write_config(6, [5, 2, 1, 1], [1, 0, 0, 0]))
        await feed(ctx, dut, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
        await idle(ctx, dut)
        assert (memory.samples == expected).all()

    simulate(dut, bench, checks=memory.processes(writes=[dut.bus]))


def test_takes_nothing_while_idle():
    target = get_target("tiny")
    memory = AxiMemory(target.data_width, Random(1))
    dut = WriteChannel(target)

    async def bench(ctx):
        ctx.set(dut.i.valid, 1)
        await start(ctx, dut, write_config(0, [9, 1, 1, 1], [1, 0, 0, 0], enable=0))
        for _ in range(20):
            assert not ctx.get(dut.i.ready) and not ctx.get(dut.busy)
            await ctx.tick()
        assert not memory.writes

    simulate(dut, bench, checks=memory.processes(writes=[dut.bus]))


@pytest.mark.parametrize("hold", [False, True])
@pytest.mark.parametrize("name", TARGETS)
def test_abort_leaves_no_burst_behind(name, hold):
    target, rng = get_target(name), Random(3)
    memory = AxiMemory(target.data_width, rng, latency=(1, 80), stall=0.5)
    dut = WriteChannel(target)

    async def bench(ctx):
        for _ in range(12):
            before = memory.samples.copy()
            stride = rng.choice((1, 3, 600))
            addresses = {(40 + n * stride) % len(before) for n in range(900)}
            await start(ctx, dut, write_config(40, [900, 1, 1, 1], [stride, 0, 0, 0]))
            await feed(ctx, dut, [rng.randrange(-99, 99) for _ in range(rng.randrange(300))])
            for _ in range(rng.choice((0, 1, 50))):
                await ctx.tick()
            ctx.set(dut.abort, 1)
            await ctx.tick()
            ctx.set(dut.abort, hold)
            await idle(ctx, dut)
            ctx.set(dut.abort, 0)
            assert memory.open_writes == 0
            changed = (memory.samples != before).nonzero()[0]
            assert set(changed.tolist()) <= addresses
            # The next step starts clean.
            bases, counts, strides, _ = random_transfer(rng, len(before), 100)
            addresses = loop_addresses(bases[0], counts, strides)
            words = [rng.randrange(-1 << 15, 1 << 15) for _ in addresses]
            expected = write_samples(memory, addresses, words)
            await start(ctx, dut, write_config(bases[0], counts, strides))
            await send(ctx, dut.i, words, rng=rng)
            await idle(ctx, dut)
            assert (memory.samples == expected).all()

    simulate(dut, bench, checks=memory.processes(writes=[dut.bus]), cycles=60_000)


def test_parameters_are_checked():
    with pytest.raises(ValueError, match="^data_width must be 32, 64, 128, 256 or 512, not 48$"):
        Store(48)
    with pytest.raises(TypeError):
        Store(64.0)
