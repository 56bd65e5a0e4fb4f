# amaranth: UnusedElaboratable=no
from random import Random

import pytest

from hdl.axi import OKAY
from hdl.on_chip_memory import OnChipMemory
from sim.streams import simulate

BURSTS, BEATS = 6, 16


def offer(ctx, axi, channel, address):
    for name, value in (("id", 3), ("addr", address), ("len", BEATS - 1), ("size", 2),
                        ("burst", 1), ("valid", 1)):
        ctx.set(getattr(axi, f"{channel}{name}"), value)


async def bursts(ctx, axi, channel):
    """Offer all bursts as fast as they are taken."""
    for burst in range(BURSTS):
        offer(ctx, axi, channel, 4 * BEATS * burst)
        ready = False
        while not ready:
            _, _, ready = await ctx.tick().sample(getattr(axi, f"{channel}ready"))
    ctx.set(getattr(axi, f"{channel}valid"), 0)


async def until(ctx, signal, limit):
    """Return how many cycles pass before ``signal`` is high at an edge."""
    for cycle in range(limit):
        _, _, high = await ctx.tick().sample(signal)
        if high:
            return cycle
    raise AssertionError(f"nothing in {limit} cycles")


def test_a_beat_a_cycle_from_burst_to_burst():
    dut = OnChipMemory(4096, 32, 4)
    words = [Random(1).getrandbits(32) for _ in range(BURSTS * BEATS)]
    phase = []

    async def addresses(ctx):
        await bursts(ctx, dut.axi, "aw")
        while not phase:
            await ctx.tick()
        await bursts(ctx, dut.axi, "ar")

    async def beats(ctx):
        axi = dut.axi
        ctx.set(axi.bready, 1)
        ctx.set(axi.wstrb, 15)
        ctx.set(axi.wvalid, 1)
        cycles = 0
        for word in words:
            ctx.set(axi.wdata, word)
            cycles += 1 + await until(ctx, axi.wready, 8)
        ctx.set(axi.wvalid, 0)
        assert cycles <= len(words) + 4
        assert await until(ctx, axi.bvalid, 4) <= 2
        phase.append("read")

        # Refused for a while, so that what was read piles up; then taken every cycle.
        await until(ctx, axi.rvalid, 12)
        for _ in range(20):
            await ctx.tick()
        ctx.set(axi.rready, 1)
        for index, word in enumerate(words):
            _, _, *beat = await ctx.tick().sample(axi.rvalid, axi.rdata, axi.rid, axi.rresp,
                                                  axi.rlast)
            assert beat == [1, word, 3, OKAY, index % BEATS == BEATS - 1], index
        ctx.set(axi.rready, 0)

    simulate(dut, addresses, beats)


def test_latency_is_as_stated():
    dut = OnChipMemory(4096, 32, 4)

    async def bench(ctx):
        offer(ctx, dut.axi, "ar", 0)
        assert await until(ctx, dut.axi.arready, 2) == 0
        ctx.set(dut.axi.arvalid, 0)
        # The edge at which the address is taken, 5 more, and the beat is there at the next.
        assert await until(ctx, dut.axi.rvalid, 20) == 5

    simulate(dut, bench)


@pytest.mark.parametrize(("arguments", "message"), [
    ((2048, 32, 4), "size must be a power of two of at least 4096 bytes, not 2048"),
    ((5000, 32, 4), "size must be a power of two of at least 4096 bytes, not 5000"),
    ((4096, 24, 4), "data_width must be a power of two in 8..1024, not 24"),
    ((4096, 2048, 4), "data_width must be a power of two in 8..1024, not 2048"),
    ((4096, 32, 0), "id_width must be at least 1, not 0"),
])
def test_bad_parameters(arguments, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        OnChipMemory(*arguments)
