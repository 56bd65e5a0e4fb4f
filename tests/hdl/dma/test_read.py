# amaranth: UnusedElaboratable=no
from random import Random

import pytest

from hdl.dma.fetch import Fetch
from hdl.dma.read import ReadChannel
from hdl.target import get_target
from sim.streams import holds_offer, receive, simulate
from tests.hdl.dma.axi_memory import AxiMemory, loop_addresses

TARGETS = ["tiny", "virtex6-lx240t", "ecp5-85k"]


async def fill_table(ctx, table, bases):
    for entry, base in enumerate(bases):
        ctx.set(table.en, 1)
        ctx.set(table.addr, entry)
        ctx.set(table.data, base)
        await ctx.tick()
    ctx.set(table.en, 0)


async def start(ctx, dut, config):
    """One start pulse, with the configuration already there."""
    ctx.set(dut.config, config)
    ctx.set(dut.start, 1)
    await ctx.tick()
    ctx.set(dut.start, 0)


def read_config(bases, counts, strides, repeat=1, enable=1):
    return {"enable": enable, "repeat": repeat, "entries": len(bases), "count": counts,
            "stride": strides}


def expected_addresses(bases, counts, strides, repeat=1):
    return [address for _ in range(max(repeat, 1)) for base in bases
            for address in loop_addresses(base, counts, strides)]


def random_transfer(rng, size, limit=400):
    """Bases, counts, strides and repeat of a random transfer of at most ``limit`` samples."""
    while True:
        counts = [rng.choice((1, 1, 2, 3, rng.randrange(1, 40))) for _ in range(4)]
        repeat, entries = rng.choice((1, 1, 2)), rng.choice((1, 1, 2, 5))
        total = repeat * entries
        for count in counts:
            total *= count
        if total <= limit:
            break
    strides = [rng.choice((0, 1, 1, -1, 2, 4, rng.randrange(-300, 300))) for _ in range(4)]
    bases = [rng.randrange(size) for _ in range(entries)]
    return bases, counts, strides, repeat


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize("stall", [0.0, 0.4])
@pytest.mark.parametrize("seed", range(3))
def test_random_transfers_match_indexing(name, stall, seed):
    print(f"seed {seed}")
    target, rng = get_target(name), Random(f"{seed}{name}{stall}")
    memory = AxiMemory(target.data_width, rng, latency=(1, 60), stall=stall)
    dut = ReadChannel(target)

    async def bench(ctx):
        for step in range(5):
            bases, counts, strides, repeat = random_transfer(rng, len(memory.samples))
            await fill_table(ctx, dut.table, bases)
            await start(ctx, dut, read_config(bases, counts, strides, repeat))
            addresses = expected_addresses(bases, counts, strides, repeat)
            got = await receive(ctx, dut.o, len(addresses), rng=rng, stall=stall,
                                shy=bool(step & 1))
            assert got == memory.at(addresses), (bases, counts, strides, repeat)
            assert not ctx.get(dut.busy)
            assert memory.open_reads == 0

    simulate(dut, bench, checks=[holds_offer(dut.o), *memory.processes(reads=[dut.bus])],
             cycles=60_000)


async def drain(ctx, dut, count):
    """Take ``count`` samples without a pause; return the cycles that took."""
    ctx.set(dut.o.ready, 1)
    got, cycles = [], 0
    while len(got) < count:
        _, _, valid, sample = await ctx.tick().sample(dut.o.valid, dut.o.payload)
        cycles += 1
        if valid:
            got.append(sample)
    ctx.set(dut.o.ready, 0)
    return got, cycles


@pytest.mark.parametrize(("name", "latency", "counts", "strides"), [
    ("virtex6-lx240t", 60, [500, 4], [1, 1003]),
    ("virtex6-lx240t", 60, [500, 4], [2, 1501]),
    ("virtex6-lx240t", 60, [500, 4], [4, 3001]),
    ("virtex6-lx240t", 60, [2000, 1], [0, 0]),
    ("virtex6-lx240t", 60, [1000, 2], [-1, -1500]),
    ("tiny", 60, [500, 4], [1, 1003]),
    ("tiny", 60, [500, 4], [2, 1501]),
    ("tiny", 40, [500, 4], [4, 3001]),
    ("ecp5-85k", 60, [500, 4], [1, 1003]),
    ("ecp5-85k", 40, [2000, 1], [700, 0]),
])
def test_sample_a_cycle(name, latency, counts, strides):
    target, rng = get_target(name), Random(1)
    memory = AxiMemory(target.data_width, rng, latency=(latency, latency))
    dut = ReadChannel(target)
    counts, strides = [*counts, 1, 1], [*strides, 0, 0]

    async def bench(ctx):
        await fill_table(ctx, dut.table, [5000])
        await start(ctx, dut, read_config([5000], counts, strides))
        addresses = expected_addresses([5000], counts, strides)
        got, cycles = await drain(ctx, dut, len(addresses))
        assert got == memory.at(addresses)
        # Before the first samples; then one a cycle. A burst ends with its last beat.
        beat = target.data_width // 16 - 1
        assert cycles <= len(addresses) + latency + 3 + 12 + 63 + beat

    simulate(dut, bench, checks=memory.processes(reads=[dut.bus]))


@pytest.mark.parametrize(("count", "cycles"), [(1, 16), (16, 31)])
def test_first_sample_comes_early(count, cycles):
    target = get_target("virtex6-lx240t")
    memory = AxiMemory(target.data_width, Random(1))
    dut = ReadChannel(target)

    async def bench(ctx):
        await fill_table(ctx, dut.table, [0])
        await start(ctx, dut, read_config([0], [count, 1, 1, 1], [1, 0, 0, 0]))
        _, taken = await drain(ctx, dut, 1)
        assert taken <= cycles

    simulate(dut, bench, checks=memory.processes(reads=[dut.bus]))


def test_rows_share_bursts():
    target = get_target("virtex6-lx240t")
    memory = AxiMemory(target.data_width, Random(1))
    dut = ReadChannel(target)

    async def bench(ctx):
        await fill_table(ctx, dut.table, [8])
        await start(ctx, dut, read_config([8], [1000, 1, 1, 1], [1, 0, 0, 0]))
        await drain(ctx, dut, 1000)
        assert len(memory.reads) <= 18
        assert memory.beats_read == 63

    simulate(dut, bench, checks=memory.processes(reads=[dut.bus]))


@pytest.mark.parametrize("name", ["tiny", "virtex6-lx240t"])
def test_urgent_while_few_samples_are_there_and_more_are_asked_for(name):
    target = get_target(name)
    memory = AxiMemory(target.data_width, Random(1), latency=(30, 30))
    dut = ReadChannel(target)

    async def bench(ctx):
        async def urgent_later(cycles, ready):
            ctx.set(dut.o.ready, ready)
            for _ in range(cycles):
                await ctx.tick()
            return ctx.get(dut.bus.urgent)

        assert not ctx.get(dut.bus.urgent)
        await start(ctx, dut, read_config([0], [2000, 1, 1, 1], [1, 0, 0, 0]))
        # Nothing is there yet; then the buffer is full, as nobody takes samples.
        assert await urgent_later(35, ready=0)
        assert not await urgent_later(400, ready=0)
        # A memory that stops lets it run dry.
        memory.paused = True
        assert not await urgent_later(50, ready=1)
        assert await urgent_later(160, ready=1)
        assert await urgent_later(200, ready=1)
        memory.paused = False
        assert not await urgent_later(600, ready=0)
        await drain(ctx, dut, 1)
        ctx.set(dut.o.ready, 1)
        while ctx.get(dut.busy):
            await ctx.tick()
        assert not ctx.get(dut.bus.urgent)

    simulate(dut, bench, checks=memory.processes(reads=[dut.bus]))


def test_table_of_single_samples_keeps_up():
    target, rng = get_target("tiny"), Random(5)
    memory = AxiMemory(target.data_width, rng, latency=(30, 30))
    dut = ReadChannel(target)
    bases = [rng.randrange(len(memory.samples)) for _ in range(target.table_depth)]

    async def bench(ctx):
        await fill_table(ctx, dut.table, bases)
        await start(ctx, dut, read_config(bases, [1] * 4, [0] * 4, repeat=3))
        got, cycles = await drain(ctx, dut, 3 * len(bases))
        assert got == memory.at(bases * 3)
        assert cycles <= 3 * len(bases) + 30 + 20

    simulate(dut, bench, checks=memory.processes(reads=[dut.bus]))


def test_parameters_are_checked():
    with pytest.raises(ValueError, match="^data_width must be 32, 64, 128, 256 or 512, not 48$"):
        Fetch(48)
    with pytest.raises(TypeError):
        Fetch(64.0)


def test_disabled_channel_stays_idle():
    target = get_target("tiny")
    memory = AxiMemory(target.data_width, Random(1))
    dut = ReadChannel(target)

    async def bench(ctx):
        await start(ctx, dut, read_config([0], [9, 1, 1, 1], [1, 0, 0, 0], enable=0))
        for _ in range(40):
            assert not ctx.get(dut.busy) and not ctx.get(dut.o.valid)
            await ctx.tick()
        assert not memory.reads

    simulate(dut, bench, checks=memory.processes(reads=[dut.bus]))


@pytest.mark.parametrize("hold", [False, True])
@pytest.mark.parametrize("name", TARGETS)
def test_abort_takes_back_what_is_outstanding(name, hold):
    target, rng = get_target(name), Random(3)
    memory = AxiMemory(target.data_width, rng, latency=(1, 80), stall=0.3)
    dut = ReadChannel(target)

    async def bench(ctx):
        for _ in range(12):
            await fill_table(ctx, dut.table, [40, 900])
            await start(ctx, dut, read_config([40, 900], [300, 3, 1, 1], [2, 1000, 0, 0]))
            got = await receive(ctx, dut.o, rng.choice((0, 0, 1, 200)), rng=rng, stall=0.2)
            assert got == memory.at(range(40, 440, 2))[:len(got)]
            for _ in range(rng.randrange(100)):
                await ctx.tick()
            ctx.set(dut.abort, 1)
            await ctx.tick()
            ctx.set(dut.abort, hold)
            while ctx.get(dut.busy):
                assert not ctx.get(dut.o.valid)
                await ctx.tick()
            ctx.set(dut.abort, 0)
            assert memory.open_reads == 0
            # The next step starts clean.
            bases, counts, strides, repeat = random_transfer(rng, len(memory.samples), 100)
            await fill_table(ctx, dut.table, bases)
            await start(ctx, dut, read_config(bases, counts, strides, repeat))
            addresses = expected_addresses(bases, counts, strides, repeat)
            assert await receive(ctx, dut.o, len(addresses), rng=rng) == memory.at(addresses)
            assert not ctx.get(dut.busy)

    simulate(dut, bench, checks=memory.processes(reads=[dut.bus]), cycles=60_000)
