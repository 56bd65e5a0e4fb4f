# amaranth: UnusedElaboratable=no
from random import Random

import pytest
from amaranth.hdl import signed

from hdl.stream import Fork, SkidBuffer, StreamFifo
from sim.streams import holds_offer, pulse, receive, send, silent, simulate

STALLS = [((0, 0), False), ((0.5, 0), True), ((0, 0.5), False), ((0.3, 0.7), True)]


def random_words(count, seed):
    rng = Random(seed)
    return [-32768, 32767, 0, -1] + [rng.randrange(-32768, 32768) for _ in range(count)]


def pass_through(dut, words, stalls, shy, seed, cycles=10_000):
    got = []

    async def source(ctx):
        await send(ctx, dut.i, words, rng=Random(seed), stall=stalls[0])

    async def sink(ctx):
        got.extend(await receive(ctx, dut.o, len(words), rng=Random(seed + 1), stall=stalls[1],
                                 shy=shy))

    simulate(dut, source, sink, checks=[holds_offer(dut.o)], cycles=cycles)
    return got


def buffers():
    return [SkidBuffer(signed(16)), StreamFifo(signed(16), 2), StreamFifo(signed(16), 16)]


@pytest.mark.parametrize("stalls, shy", STALLS)
@pytest.mark.parametrize("index", range(3))
def test_buffer_keeps_words_in_order(index, stalls, shy):
    words = random_words(300, seed=3)
    assert pass_through(buffers()[index], words, stalls, shy, seed=7) == words


@pytest.mark.parametrize("index, latency", [(0, 1), (1, 2), (2, 2)])
def test_buffer_passes_a_word_a_cycle(index, latency):
    words = random_words(100, seed=3)
    got = pass_through(buffers()[index], words, (0, 0), False, seed=1,
                       cycles=len(words) + latency + 1)
    assert got == words


@pytest.mark.parametrize("index, capacity", [(0, 2), (1, 3), (2, 17)])
def test_buffer_fills_to_its_capacity_and_clears(index, capacity):
    dut = buffers()[index]

    async def bench(ctx):
        ctx.set(dut.i.valid, 1)
        moved = 0
        for _ in range(2 * capacity + 4):
            _, _, ready = await ctx.tick().sample(dut.i.ready)
            moved += ready
        assert moved == capacity

        ctx.set(dut.clear, 1)
        _, _, ready, valid = await ctx.tick().sample(dut.i.ready, dut.o.valid)
        assert not ready and not valid
        ctx.set(dut.clear, 0)
        ctx.set(dut.i.payload, 42)
        ctx.set(dut.o.ready, 1)
        assert await receive(ctx, dut.o, 1, rng=Random(0)) == [42]

    simulate(dut, bench)


def test_fifo_counts_its_memory():
    dut = StreamFifo(signed(16), 4)

    async def bench(ctx):
        levels = []
        ctx.set(dut.i.valid, 1)
        for _ in range(7):
            levels.append(ctx.get(dut.level))
            await ctx.tick()
        assert levels == [0, 1, 1, 2, 3, 4, 4]

    simulate(dut, bench)


@pytest.mark.parametrize("depth", [0, 1, 6])
def test_fifo_rejects_depth(depth):
    with pytest.raises(ValueError, match=rf"^depth must be a power of two .*, not {depth}$"):
        StreamFifo(signed(16), depth)


@pytest.mark.parametrize("stall, shy", [(0, False), (0.4, False), (0.6, True)])
@pytest.mark.parametrize("enable", [0b001, 0b101, 0b111])
def test_fork_gives_each_enabled_sink_every_word(enable, stall, shy):
    dut = Fork(signed(16), 3)
    words = random_words(200, seed=enable)
    enabled = [index for index in range(3) if enable >> index & 1]

    async def source(ctx):
        ctx.set(dut.enable, enable)
        await send(ctx, dut.i, words, rng=Random(1), stall=stall)

    def sink(index):
        async def bench(ctx):
            assert words == await receive(ctx, dut.o[index], len(words), rng=Random(index),
                                          stall=stall, shy=shy)
        return bench

    checks = [holds_offer(dut.o[index]) if index in enabled else silent(dut.o[index])
              for index in range(3)]
    simulate(dut, source, *map(sink, enabled), checks=checks)


def test_fork_is_eager():
    dut = Fork(signed(16), 2)

    async def bench(ctx):
        ctx.set(dut.enable, 0b11)
        ctx.set(dut.i.valid, 1)
        ctx.set(dut.o[0].ready, 1)
        _, _, first, second, moves = await ctx.tick().sample(
            dut.o[0].valid, dut.o[1].valid, dut.i.ready)
        assert (first, second, moves) == (1, 1, 0)
        _, _, first, second, moves = await ctx.tick().sample(
            dut.o[0].valid, dut.o[1].valid, dut.i.ready)
        assert (first, second, moves) == (0, 1, 0)
        await pulse(ctx, dut.clear)  # forgets that sink 0 has the word
        _, _, first, second = await ctx.tick().sample(dut.o[0].valid, dut.o[1].valid)
        assert (first, second) == (1, 1)
        ctx.set(dut.o[1].ready, 1)
        _, _, first, second, moves = await ctx.tick().sample(
            dut.o[0].valid, dut.o[1].valid, dut.i.ready)
        assert (first, second, moves) == (0, 1, 1)

    simulate(dut, bench)


def test_fork_without_sinks_takes_nothing():
    dut = Fork(signed(16), 2)

    async def bench(ctx):
        ctx.set(dut.i.valid, 1)
        for sink in dut.o:
            ctx.set(sink.ready, 1)
        for _ in range(5):
            _, _, ready = await ctx.tick().sample(dut.i.ready)
            assert not ready

    simulate(dut, bench, checks=[silent(sink) for sink in dut.o])


def test_fork_rejects_no_sinks():
    with pytest.raises(ValueError, match="^sinks must be at least 1, not 0$"):
        Fork(signed(16), 0)
