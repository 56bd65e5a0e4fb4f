from random import Random

import pytest

from hdl.mapper import Mapper
from hdl.target import get_target
from sim.streams import count, holds_offer, pulse, receive, send, simulate
from tests.golden import arithmetic as golden

TARGET = get_target("tiny")

RELU = {"low": 0, "high": 32767, "origin": 0, "segment_shift": 15}


def random_config(rng, logarithmic):
    low, high = sorted(rng.choice([-32768, 32767, rng.randrange(-32768, 32768)])
                       for _ in range(2))
    return {"low": low, "high": high, "origin": rng.randrange(-32768, low + 1),
            "logarithmic": logarithmic, "segment_shift": rng.randrange(16),
            "square_shift": rng.randrange(9, 32), "shift": rng.randrange(32)}


def random_table(rng):
    """Entries of all magnitudes; t fits 24 bits from a square_shift of 9 on."""
    def any_of(bits):
        width = rng.randrange(1, bits)
        return rng.randrange(-(1 << width), 1 << width)
    return [(any_of(16), any_of(16), any_of(32)) for _ in range(TARGET.segments)]


def random_samples(rng, config, number):
    edges = [-32768, 32767, 0, config["low"], config["high"]]
    edges += [config["origin"] + (1 << bit) + delta for bit in range(16) for delta in (-1, 0, 1)]
    edges = [edge for edge in edges if -32768 <= edge <= 32767]
    return edges + [rng.randrange(-32768, 32768) for _ in range(number)]


async def fill(ctx, dut, table):
    ctx.set(dut.table.en, 1)
    for index, (a, b, c) in enumerate(table):
        for half, word in enumerate(((b & 0xFFFF) << 16 | (a & 0xFFFF), c & 0xFFFFFFFF)):
            ctx.set(dut.table.addr, 2 * index + half)
            ctx.set(dut.table.data, word)
            await ctx.tick()
    ctx.set(dut.table.en, 0)


async def configure(ctx, dut, config):
    ctx.set(dut.config, dict.fromkeys(dut.config.shape().members, 0) | config)
    await pulse(ctx, dut.start)


def run(config, table, words, stall=0.0, shy=False, cycles=10_000):
    dut, got, pulses = Mapper(TARGET), [], []

    async def source(ctx):
        await fill(ctx, dut, table)
        await configure(ctx, dut, config)
        await send(ctx, dut.i, words, rng=Random(1), stall=stall)

    async def sink(ctx):
        got.extend(await receive(ctx, dut.o, len(words), rng=Random(2), stall=stall, shy=shy))
        await ctx.tick()

    simulate(dut, source, sink, checks=[holds_offer(dut.o), count(dut.saturated, pulses)],
             cycles=cycles)
    return got, len(pulses)


@pytest.mark.parametrize("logarithmic", [0, 1])
@pytest.mark.parametrize("seed", range(6))
def test_matches_golden_under_stalls(seed, logarithmic):
    rng = Random(seed)
    config = random_config(rng, logarithmic)
    table, words = random_table(rng), random_samples(rng, config, 200)
    print(f"seed {seed}: {config}")
    got, pulses = run(config, table, words, stall=(seed % 3) / 4, shy=seed % 2 == 1)
    exact = [golden.mapper(word, config, table) for word in words]
    assert got == [golden.saturate(value) for value in exact]
    assert pulses == sum(golden.saturate(value) != value for value in exact)


def test_largest_numbers():
    config = {"low": -32768, "high": 32767, "origin": -32768, "segment_shift": 15,
              "logarithmic": 0, "square_shift": 9, "shift": 31}
    table = [(-32768, -32768, -(1 << 31)), (32767, 32767, (1 << 31) - 1)]
    table += [(0, 0, 0)] * (TARGET.segments - 2)
    words = [-32768, -1, 0, 32767]
    got, _ = run(config, table, words)
    assert got == [golden.saturate(golden.mapper(word, config, table)) for word in words]


def test_takes_one_word_a_cycle():
    table = [(0, 1, 0)] * TARGET.segments
    words = list(range(200))
    got, _ = run(RELU, table, words, cycles=2 * len(table) + 1 + len(words) + 24 + 2)
    assert got == words


def test_full_rate_after_a_pause_of_the_receiver():
    dut = Mapper(TARGET)

    async def source(ctx):
        await configure(ctx, dut, RELU)
        await send(ctx, dut.i, [0] * 300, rng=Random(1))

    async def sink(ctx):
        for _ in range(120):
            await ctx.tick()
        ctx.set(dut.o.ready, 1)
        for _ in range(200):
            _, _, valid = await ctx.tick().sample(dut.o.valid)
            assert valid

    simulate(dut, sink, source)


def test_start_exchanges_tables_and_drops_words():
    dut = Mapper(TARGET)

    async def bench(ctx):
        await fill(ctx, dut, [(0, 1, 0)])
        await configure(ctx, dut, RELU)
        await fill(ctx, dut, [(0, 2, 0)])  # must not be seen yet
        ctx.set(dut.i.valid, 1)
        ctx.set(dut.i.payload, 21)
        assert await receive(ctx, dut.o, 3, rng=Random(0)) == [21] * 3

        ctx.set(dut.config, dict.fromkeys(dut.config.shape().members, 0) | RELU)
        ctx.set(dut.start, 1)
        ctx.set(dut.i.payload, 4)
        # A word written now is one of the next step, in the table just left.
        ctx.set(dut.table.en, 1)
        ctx.set(dut.table.addr, 0)
        ctx.set(dut.table.data, 3 << 16)
        ctx.set(dut.i.valid, 0)  # as the router does while start is high
        await ctx.tick()
        ctx.set(dut.i.valid, 1)
        ctx.set(dut.start, 0)
        ctx.set(dut.table.en, 0)
        assert await receive(ctx, dut.o, 3, rng=Random(0)) == [8] * 3

        await pulse(ctx, dut.start)
        assert await receive(ctx, dut.o, 3, rng=Random(0)) == [12] * 3

    simulate(dut, bench)
