# amaranth: UnusedElaboratable=no
from random import Random

import pytest

from hdl.dma.coalescer import MAX_BEATS, Coalescer, PlaceLayout, lane_bits
from sim.streams import simulate


def model(addresses, data_width, span):
    """Return the places and the bursts (first beat, beats) of a series of addresses."""
    lanes = data_width // 16
    page = 4096 * 8 // data_width
    places, bursts = [], []
    limit, samples, previous = min(span, 16) or len(addresses), 0, None
    for address in addresses:
        beat, lane = divmod(address, lanes)
        if previous is None or samples == limit + lanes or not (beat == previous or (
                beat == previous + 1 and beat % page and bursts[-1][1] < MAX_BEATS
                and samples < limit)):
            if previous is not None and span:
                limit = min(span, 2 * limit)
            bursts.append([beat, 1])
            places.append((lane, 1))
            samples = 1
        else:
            bursts[-1][1] += beat != previous
            places.append((lane, int(beat != previous)))
            samples += 1
        previous = beat
    return places, bursts


def run(dut, addresses, rng, stall):
    places, bursts = [], []

    async def source(ctx):
        for n, address in enumerate(addresses):
            while rng.random() < stall:
                await ctx.tick()
            ctx.set(dut.i.payload, {"address": address, "last": n == len(addresses) - 1})
            ctx.set(dut.i.valid, 1)
            await ctx.tick()
            ctx.set(dut.i.valid, 0)
        for _ in range(Coalescer.LATENCY + 2):
            await ctx.tick()

    async def watch(ctx):
        ticks = ctx.tick().sample(dut.o.valid, dut.o.payload, dut.burst.valid, dut.burst.payload)
        async for _, _, valid, place, burst_valid, burst in ticks:
            if burst_valid:
                bursts.append([burst.beat, burst.length + 1])
            if valid:
                places.append((place.lane, place.advance))
                assert place.last == (len(places) == len(addresses))

    simulate(dut, source, checks=[watch], cycles=20_000)
    return places, bursts


@pytest.mark.parametrize("data_width", [32, 64, 128, 256, 512])
@pytest.mark.parametrize("span", [0, 16, 64])
@pytest.mark.parametrize("stall", [0.0, 0.5])
def test_series_match_the_model(data_width, span, stall):
    rng = Random(f"{data_width}{span}{stall}")
    addresses, address = [], 2000
    while len(addresses) < 1500:
        stride = rng.choice((0, 1, 1, 2, 4, data_width // 16, -1, rng.randrange(-500, 500)))
        for _ in range(rng.choice((1, 5, 100))):
            addresses.append(address)
            address = (address + stride) % (1 << 31)
    assert run(Coalescer(data_width, span), addresses, rng, stall) == \
        model(addresses, data_width, span)


def test_bursts_end_at_4_kib():
    addresses = list(range(2048 - 20, 2048 + 20))
    _, bursts = run(Coalescer(64), addresses, Random(1), 0.0)
    assert bursts == [[507, 5], [512, 5]]


@pytest.mark.parametrize("first", [0, 1, 5, 15])
def test_no_beat_of_a_series_is_read_twice(first):
    _, bursts = run(Coalescer(256, 64), list(range(first, first + 1000)), Random(1), 0.0)
    assert sum(beats for _, beats in bursts) == (first + 999) // 16 + 1
    assert max(beats for _, beats in bursts) == 4


def test_a_beat_read_over_and_over_ends():
    _, bursts = run(Coalescer(64, 16), [5] * 100, Random(1), 0.0)
    assert bursts == [[1, 1]] * 5


def test_bursts_end_at_the_highest_address():
    top = 1 << 31
    _, bursts = run(Coalescer(64), [top - 2, top - 1, 0, 1], Random(1), 0.0)
    assert bursts == [[top // 4 - 1, 1], [0, 1]]


def test_clear_forgets_the_burst():
    dut = Coalescer(64)

    async def bench(ctx):
        for address in (4, 5, 8):
            ctx.set(dut.i.payload, {"address": address, "last": 0})
            ctx.set(dut.i.valid, 1)
            await ctx.tick()
        ctx.set(dut.i.valid, 0)
        ctx.set(dut.clear, 1)
        await ctx.tick()
        ctx.set(dut.clear, 0)
        for _ in range(5):
            _, _, place, burst = await ctx.tick().sample(dut.o.valid, dut.burst.valid)
            assert not place and not burst
        ctx.set(dut.i.payload, {"address": 9, "last": 1})
        ctx.set(dut.i.valid, 1)
        await ctx.tick()
        ctx.set(dut.i.valid, 0)
        bursts = []
        for _ in range(6):
            _, _, valid, place, burst_valid, burst = await ctx.tick().sample(
                dut.o.valid, dut.o.payload, dut.burst.valid, dut.burst.payload)
            if valid:
                assert (place.lane, place.advance, place.last) == (1, 1, 1)
            if burst_valid:
                bursts.append((burst.beat, burst.length))
        assert bursts == [(2, 0)]

    simulate(dut, bench)


def test_parameters_are_checked():
    with pytest.raises(ValueError, match="^data_width must be 32, 64, 128, 256 or 512, not 48$"):
        Coalescer(48)
    with pytest.raises(ValueError, match="^data_width must be"):
        PlaceLayout(16)
    with pytest.raises(TypeError):
        lane_bits(64.0)
    with pytest.raises(ValueError, match="^span must be 0 or a power of two of at least 16, not 8"):
        Coalescer(64, 8)
    with pytest.raises(ValueError, match="not 48$"):
        Coalescer(64, 48)
    with pytest.raises(TypeError):
        Coalescer(64, 16.0)
