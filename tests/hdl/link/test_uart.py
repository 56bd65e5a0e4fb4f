# amaranth: UnusedElaboratable=no
from random import Random

import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from hdl.link.uart import UartReceiver, UartTransmitter
from sim.streams import holds_offer, receive, send, simulate

BYTES = [0x00, 0xFF, 0x55, 0xAA, 0x01, 0x80, *Random(1).randbytes(30)]


class Loop(wiring.Component):
    """A transmitter whose line goes to a receiver; ``pull`` pulls it low."""

    def __init__(self, there, back):
        self.transmitter, self.receiver = UartTransmitter(there), UartReceiver(back)
        super().__init__({"pull": In(1)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.transmitter, m.submodules.receiver = self.transmitter, self.receiver
        m.d.comb += self.receiver.rx.eq(self.transmitter.tx & ~self.pull)
        return m


@pytest.mark.parametrize("there, back", [
    (4, 4), (5, 5), (16, 16), (174, 174), (100, 96), (96, 100)])
@pytest.mark.parametrize("stall", [0, 0.9])
def test_bytes_come_as_they_went_also_at_slightly_other_speeds(there, back, stall):
    loop = Loop(there, back)
    words = BYTES[:12] if there > 50 else BYTES

    async def source(ctx):
        await send(ctx, loop.transmitter.i, words, rng=Random(2), stall=stall)

    async def sink(ctx):
        assert await receive(ctx, loop.receiver.o, len(words), rng=Random(3)) == words

    simulate(loop, source, sink, checks=[holds_offer(loop.receiver.o)], cycles=60_000)


def test_a_byte_takes_ten_bits():
    divisor, dut = 7, UartTransmitter(7)

    async def bench(ctx):
        ctx.set(dut.i.valid, 1)
        taken = []
        for cycle in range(50 * divisor):
            _, _, ready = await ctx.tick().sample(dut.i.ready)
            if ready:
                taken.append(cycle)
        assert {after - before for before, after in zip(taken, taken[1:], strict=False)} == {
            10 * divisor}

    simulate(dut, bench)


def test_noise_and_breaks_bring_no_byte_and_the_next_one_is_heard():
    loop = Loop(16, 16)

    async def bench(ctx):
        port = loop.receiver.o
        ctx.set(port.ready, 1)

        async def heard(cycles):
            found = []
            for _ in range(cycles):
                _, _, valid, byte = await ctx.tick().sample(port.valid, port.payload)
                if valid:
                    found.append(byte)
            return found

        for low in (1, 5, 7, 16 * 10, 16 * 40):
            ctx.set(loop.pull, 1)
            assert await heard(low) == []
            ctx.set(loop.pull, 0)
            assert await heard(16 * 12) == []
            ctx.set(loop.transmitter.i.payload, 0xA5)
            ctx.set(loop.transmitter.i.valid, 1)
            await ctx.tick()
            ctx.set(loop.transmitter.i.valid, 0)
            assert await heard(16 * 12) == [0xA5]

    simulate(loop, bench)


def test_a_byte_that_is_not_taken_stays_and_the_later_ones_are_lost():
    loop = Loop(4, 4)

    async def bench(ctx):
        await send(ctx, loop.transmitter.i, [1, 2, 3], rng=Random(1))
        await ctx.tick().repeat(60)
        assert await receive(ctx, loop.receiver.o, 1, rng=Random(1)) == [1]
        assert not ctx.get(loop.receiver.o.valid)

    simulate(loop, bench, checks=[holds_offer(loop.receiver.o)])


@pytest.mark.parametrize("kind", [UartReceiver, UartTransmitter])
def test_bad_divisors(kind):
    with pytest.raises(ValueError, match="divisor must be at least 4 cycles a bit, not 3"):
        kind(3)
