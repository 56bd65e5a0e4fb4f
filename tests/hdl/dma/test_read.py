from random import Random

import pytest

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
