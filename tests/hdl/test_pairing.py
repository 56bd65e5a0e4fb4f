from random import Random

import pytest

from hdl.pairing import Pairing
from sim.streams import pulse, send, simulate


def run(single, stalls, words=200, room=1.0):
    rng = Random(1)
    dut = Pairing()
    a, b = ([rng.randrange(-32768, 32768) for _ in range(words)] for _ in range(2))
    pairs, cycles = [], []

    async def setup(ctx):
        ctx.set(dut.single, single)
        await pulse(ctx, dut.start)
        while len(pairs) < words:
            ctx.set(dut.room, rng.random() < room)
            _, _, taken, *pair = await ctx.tick().sample(dut.taken, dut.word_a, dut.word_b)
            cycles.append(taken)
            if taken:
                pairs.append(tuple(pair))

    def feed(port, samples, seed, stall):
        async def bench(ctx):
            await ctx.tick()
            await send(ctx, port, samples, rng=Random(seed), stall=stall)
        return bench

    benches = [setup, feed(dut.a, a, 2, stalls[0])]
    if not single:
        benches.append(feed(dut.b, b, 3, stalls[1]))
    simulate(dut, *benches)
    return a, b, pairs, cycles


@pytest.mark.parametrize("stalls", [(0, 0), (0.5, 0), (0, 0.5), (0.3, 0.7)])
@pytest.mark.parametrize("room", [1.0, 0.6])
def test_pairs_words_in_order(stalls, room):
    a, b, pairs, _ = run(0, stalls, room=room)
    assert pairs == list(zip(a, b, strict=True))


@pytest.mark.parametrize("stall", [0, 0.5])
def test_takes_the_first_stream_alone(stall):
    a, _, pairs, _ = run(1, (stall, 0), room=0.7)
    assert [pair[0] for pair in pairs] == a


@pytest.mark.parametrize("single", [0, 1])
def test_takes_a_pair_a_cycle(single):
    *_, cycles = run(single, (0, 0))
    first = cycles.index(1)
    assert first <= 8 and all(cycles[first:])


def test_takes_no_word_without_its_partner():
    dut = Pairing()

    async def bench(ctx):
        ctx.set(dut.room, 1)
        await pulse(ctx, dut.start)
        ctx.set(dut.a.valid, 1)
        for _ in range(20):
            _, _, ready, taken = await ctx.tick().sample(dut.a.ready, dut.taken)
            assert not ready and not taken

    simulate(dut, bench)


def test_takes_two_words_ahead():
    dut = Pairing()

    async def bench(ctx):
        ctx.set(dut.room, 1)
        await pulse(ctx, dut.start)
        ctx.set(dut.b.valid, 1)
        taken = 0
        for _ in range(20):
            taken += (await ctx.tick().sample(dut.b.ready))[2]
        assert taken == 2

    simulate(dut, bench)
