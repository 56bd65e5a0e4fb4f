# amaranth: UnusedElaboratable=no
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hdl.dma.address import AddressGenerator
from hdl.registers import ADDRESS_WIDTH
from sim.streams import holds_offer, receive, send, simulate
from tests.hdl.dma.axi_memory import loop_addresses

COUNT = st.integers(0, 4) | st.integers(1, 40)
STRIDE = st.integers(-(1 << 31), (1 << 31) - 1) | st.integers(-5, 5)
BASE = st.integers(0, (1 << ADDRESS_WIDTH) - 1)


def walk(bases, counts, strides):
    addresses = [address % (1 << ADDRESS_WIDTH)
                 for base in bases for address in loop_addresses(base, counts, strides)]
    return [{"address": address, "last": n == len(addresses) - 1}
            for n, address in enumerate(addresses)]


def run(bases, counts, strides, stalls=(0.0, 0.0), shy=False, cycles=20_000):
    dut = AddressGenerator(len(counts))
    expected = walk(bases, counts, strides)

    async def source(ctx):
        ctx.set(dut.count, counts)
        ctx.set(dut.stride, strides)
        words = [{"address": base, "last": n == len(bases) - 1} for n, base in enumerate(bases)]
        await send(ctx, dut.i, words, rng=Random(1), stall=stalls[0])

    async def sink(ctx):
        got = await receive(ctx, dut.o, len(expected), rng=Random(2), stall=stalls[1], shy=shy)
        assert [(word.address, word.last) for word in got] == \
            [(word["address"], word["last"]) for word in expected]
        assert not ctx.get(dut.o.valid)

    simulate(dut, source, sink, checks=[holds_offer(dut.o)], cycles=cycles)


@settings(max_examples=25, deadline=None)
@given(bases=st.lists(BASE, min_size=1, max_size=3),
       loops=st.lists(st.tuples(COUNT, STRIDE), min_size=1, max_size=4)
       .filter(lambda loops: len(loop_addresses(0, *zip(*loops, strict=True))) < 500))
def test_any_walk_matches_nested_loops(bases, loops):
    counts, strides = zip(*loops, strict=True)
    run(bases, counts, strides)


@pytest.mark.parametrize("stalls", [(0.5, 0), (0, 0.5), (0.3, 0.7)])
@pytest.mark.parametrize("shy", [False, True])
def test_walk_under_stalls(stalls, shy):
    run([100, 7, 9000], [3, 1, 4, 2], [1, 5, -20, 1000], stalls, shy)


@pytest.mark.parametrize(("counts", "bases"), [
    ([100, 2, 1, 1], 1), ([1, 1, 1, 200], 1), ([2, 2, 2, 2], 12), ([1, 1, 1, 1], 200)])
def test_address_a_cycle(counts, bases):
    addresses = len(loop_addresses(0, counts, [0] * 4)) * bases
    run(list(range(bases)), counts, [1, 2, 3, 4], cycles=addresses + 6)


def test_clear_forgets_the_walk():
    dut = AddressGenerator()

    async def bench(ctx):
        ctx.set(dut.count, [5, 1, 1, 1])
        ctx.set(dut.stride, [1, 0, 0, 0])
        await send(ctx, dut.i, [{"address": 50, "last": 1}], rng=Random(1))
        await receive(ctx, dut.o, 2, rng=Random(1))
        ctx.set(dut.clear, 1)
        ctx.set(dut.i.valid, 1)
        await ctx.tick()
        ctx.set(dut.clear, 0)
        ctx.set(dut.i.valid, 0)
        await ctx.tick()
        assert not ctx.get(dut.o.valid)
        ctx.set(dut.count, [2, 1, 1, 1])
        await send(ctx, dut.i, [{"address": 8, "last": 1}], rng=Random(1))
        got = await receive(ctx, dut.o, 2, rng=Random(1))
        assert [(word.address, word.last) for word in got] == [(8, 0), (9, 1)]

    simulate(dut, bench)


@pytest.mark.parametrize("name", ["loops", "count_width"])
def test_parameters_are_checked(name):
    with pytest.raises(ValueError, match=f"^{name} must be at least 1, not 0$"):
        AddressGenerator(**{name: 0})
    with pytest.raises(TypeError):
        AddressGenerator(**{name: 1.5})
