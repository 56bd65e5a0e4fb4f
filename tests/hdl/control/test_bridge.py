# amaranth: UnusedElaboratable=no
from random import Random

import pytest

from hdl.axi import SLVERR
from hdl.control.bridge import Bridge
from sim.streams import holds_offer, simulate
from tests.hdl.control.test_loader import memory as read_memory


def write_memory(bus, width, words, *, rng, stall=0.0, latency=1, refuse=None, mute=(False,)):
    async def serve(ctx):
        size, addresses, beats, answers, now = width // 8, [], [], [], 0
        while True:
            accept = [not mute[0] and rng.random() >= stall for _ in range(2)]
            ctx.set(bus.aw.ready, accept[0])
            # The interconnect takes a beat when it has taken its address.
            take = accept[1] and len(addresses) > len(beats)
            assert ctx.get(bus.w.strobe) == 0
            ctx.set(bus.take, take)
            give = answers and answers[0][0] <= now and rng.random() >= stall
            ctx.set(bus.b.valid, bool(give))
            if give:
                ctx.set(bus.b.payload, answers[0][1])
            _, _, aw, address, length = await ctx.tick().sample(
                bus.aw.valid, bus.aw.payload.address, bus.aw.payload.length)
            now += 1
            if give:
                answers.pop(0)
            if aw and accept[0]:
                assert address % size == 0 and length == 0
                addresses.append(address)
            if take:
                ctx.set(bus.take, 0)
                ctx.set(bus.aw.ready, 0)
                ctx.set(bus.b.valid, 0)
                beats.append((ctx.get(bus.w.data), ctx.get(bus.w.strobe)))
                await ctx.tick()
                now += 1
            while addresses and beats:
                address, (data, strobe) = addresses.pop(0), beats.pop(0)
                lane = strobe.bit_length() // 2 - 1
                assert strobe == 3 << 2 * lane
                failed = address + 4 * lane == refuse
                if not failed:
                    words[address + 4 * lane] = data >> 32 * lane & 0xFFFFFFFF
                answers.append((now + latency, SLVERR if failed else 0))
    return serve


async def access(ctx, dut, address, data=None, limit=400):
    ctx.set(dut.address, address)
    ctx.set(dut.read, data is None)
    ctx.set(dut.write, data is not None)
    ctx.set(dut.data, data or 0)
    for cycles in range(1, limit):
        _, _, done, value = await ctx.tick().sample(dut.done, dut.value)
        if done:
            ctx.set(dut.read, 0)
            ctx.set(dut.write, 0)
            return value, cycles
    raise AssertionError("never done")


async def pulse(ctx, signal):
    ctx.set(signal, 1)
    await ctx.tick()
    ctx.set(signal, 0)


@pytest.mark.parametrize("width", [32, 64, 512])
@pytest.mark.parametrize("stall", [0, 0.5])
def test_reads_see_what_was_written(width, stall):
    rng, words, asked = Random(1), {4 * k: k << 20 for k in range(64)}, []
    model = dict(words)
    dut = Bridge(width)

    async def bench(ctx):
        for _ in range(200):
            address = 4 * rng.randrange(64)
            if rng.random() < 0.5:
                model[address] = rng.randrange(1 << 32)
                await access(ctx, dut, address, model[address])
            else:
                assert (await access(ctx, dut, address))[0] == model[address]
        while not ctx.get(dut.idle):
            await ctx.tick()
        assert words == model and not ctx.get(dut.failed)

    simulate(dut, bench, cycles=30_000, checks=[
        read_memory(dut.bus_read, width, words, rng=Random(2), stall=stall, latency=5,
                    asked=asked),
        write_memory(dut.bus_write, width, words, rng=Random(3), stall=stall, latency=7),
        holds_offer(dut.bus_read.ar), holds_offer(dut.bus_write.aw)])


@pytest.mark.parametrize(("width", "beats"), [(32, 16), (64, 16), (256, 4), (512, 2)])
def test_a_line_is_read_once_until_it_is_cleared(width, beats):
    words, asked = {4 * k: k for k in range(256)}, []
    dut = Bridge(width)
    size = beats * width // 8

    async def bench(ctx):
        for _ in range(2):
            for address in range(size + 8, 3 * size, 4):
                assert (await access(ctx, dut, address))[0] == words[address]
        assert asked == [(size, beats - 1), (2 * size, beats - 1)] * 2
        words[2 * size + 12] = 1234
        await pulse(ctx, dut.clear)
        assert (await access(ctx, dut, 2 * size + 12))[0] == 1234

    simulate(dut, bench, checks=[
        read_memory(dut.bus_read, width, words, rng=Random(2), asked=asked)])


def test_words_are_read_as_they_come():
    words = {4 * k: k for k in range(64)}
    dut = Bridge(32)

    async def bench(ctx):
        waits = [(await access(ctx, dut, 4 * k))[1] for k in range(16)]
        assert 20 < waits[0] < 26
        assert max(waits[1:]) <= 2

    simulate(dut, bench, checks=[read_memory(dut.bus_read, 32, words, rng=Random(2), latency=20)])


@pytest.mark.parametrize("how", ["clear", "write"])
def test_beats_under_way_are_dropped_with_the_line(how):
    words, asked = {4 * k: k for k in range(64)}, []
    dut = Bridge(32)

    async def bench(ctx):
        assert (await access(ctx, dut, 0))[0] == 0
        words[60] = 77
        if how == "clear":
            await pulse(ctx, dut.clear)
        else:
            await access(ctx, dut, 64, 5)
        assert (await access(ctx, dut, 60))[0] == 77
        assert asked == [(0, 15)] * 2

    simulate(dut, bench, checks=[
        read_memory(dut.bus_read, 32, words, rng=Random(2), latency=9, asked=asked),
        write_memory(dut.bus_write, 32, words, rng=Random(3))])


def test_writes_are_posted():
    words = {}
    dut = Bridge(32)

    async def bench(ctx):
        waits = [(await access(ctx, dut, 4 * k, k))[1] for k in range(15)]
        assert max(waits) <= 3
        assert not ctx.get(dut.idle)
        # The sixteenth finds no place until the first is answered.
        assert (await access(ctx, dut, 60, 15))[1] > 50

    simulate(dut, bench, checks=[
        write_memory(dut.bus_write, 32, words, rng=Random(3), latency=100)])


def test_refused_accesses_are_flagged():
    words = {4 * k: 7 for k in range(64)}
    dut = Bridge(64)

    async def bench(ctx):
        assert (await access(ctx, dut, 16))[0] == 7
        assert not ctx.get(dut.failed)
        assert (await access(ctx, dut, 12))[0] == 0
        assert ctx.get(dut.failed)
        await pulse(ctx, dut.clear)
        assert not ctx.get(dut.failed)
        await access(ctx, dut, 32, 5)
        while not ctx.get(dut.idle):
            await ctx.tick()
        assert ctx.get(dut.failed) and words[32] == 7

    simulate(dut, bench, checks=[
        read_memory(dut.bus_read, 64, words, rng=Random(2), bad=8),
        write_memory(dut.bus_write, 64, words, rng=Random(3), refuse=32)])


def test_silent_memory_does_not_hang_the_processor():
    words, mute = {4 * k: k for k in range(64)}, [True]
    dut = Bridge(32, patience=50)

    async def bench(ctx):
        await access(ctx, dut, 8, 99)
        for expected in (range(50, 60), range(1, 3)):
            value, cycles = await access(ctx, dut, 8)
            assert value == 0 and cycles in expected and ctx.get(dut.failed)
        # The place of a write is not free either.
        await access(ctx, dut, 12, 98)
        mute[0] = False
        while not ctx.get(dut.idle):
            await ctx.tick()
        await ctx.tick()
        await pulse(ctx, dut.clear)
        assert (await access(ctx, dut, 8))[0] == 99
        assert not ctx.get(dut.failed) and words[12] == 3

    simulate(dut, bench, checks=[
        read_memory(dut.bus_read, 32, words, rng=Random(2)),
        write_memory(dut.bus_write, 32, words, rng=Random(3), mute=mute)])


def test_an_answer_that_comes_too_late_is_dropped():
    words = {4 * k: k for k in range(64)}
    dut = Bridge(32, patience=20)

    async def bench(ctx):
        assert (await access(ctx, dut, 8))[0] == 0
        assert ctx.get(dut.failed)
        for _ in range(40):
            await ctx.tick()
        await pulse(ctx, dut.clear)
        # The late answer of address 8 is not taken for that of address 12.
        assert (await access(ctx, dut, 12, limit=100))[0] == 0
        assert ctx.get(dut.failed)

    simulate(dut, bench, checks=[read_memory(dut.bus_read, 32, words, rng=Random(2), latency=30)])


@pytest.mark.parametrize(("make", "message"), [
    (lambda: Bridge(24), r"^data_width must be a power of two of at least 32, not 24$"),
    (lambda: Bridge(32, patience=0), r"^patience must be at least 1 cycle, not 0$"),
])
def test_parameters_are_checked(make, message):
    with pytest.raises(ValueError, match=message):
        make()
