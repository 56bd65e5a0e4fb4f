# amaranth: UnusedElaboratable=no
from random import Random

import pytest
from amaranth.hdl import Cat

from hdl.axi import OKAY, SLVERR
from hdl.host_port import HostPort
from sim.streams import simulate

WORDS = 16


def registers(dut, memory, rng, stall):
    """Registers 0 to WORDS - 1 behind the port; the last cannot be written."""
    async def serve(ctx):
        while True:
            done = rng.random() >= stall
            address = ctx.get(dut.bus.address)
            bad = address >= 4 * WORDS
            ctx.set(dut.bus.done, done)
            ctx.set(dut.bus.value, 0xBAD if bad else memory[address // 4])
            ctx.set(dut.bus.error, bad or (address == 4 * WORDS - 4 and ctx.get(dut.bus.write)))
            _, _, read, write, address, data, error, done = await ctx.tick().sample(
                dut.bus.read, dut.bus.write, dut.bus.address, dut.bus.data, dut.bus.error,
                dut.bus.done)
            assert not (read and write)
            if write and done and not error:
                memory[address // 4] = data
    return serve


async def drive(ctx, rng, stall, valid, ready, sets):
    """Offer one transfer of a channel after random pauses."""
    while rng.random() < stall:
        await ctx.tick()
    for signal, value in sets:
        ctx.set(signal, value)
    ctx.set(valid, 1)
    taken = False
    while not taken:
        _, _, taken = await ctx.tick().sample(ready)
    ctx.set(valid, 0)


async def answer(ctx, rng, stall, valid, ready, payload):
    """Take one answer, refusing some cycles; it must stay as it is."""
    seen = None
    while True:
        accept = rng.random() >= stall
        ctx.set(ready, accept)
        _, _, offered, value = await ctx.tick().sample(valid, payload)
        assert seen is None or (offered and value == seen)
        if offered:
            seen = value
            if accept:
                ctx.set(ready, 0)
                return value


def accesses(rng, count):
    return [(rng.randrange(0, 4 * WORDS + 16, 4) + rng.choice((0, 0, 0, 0, 2)),
             rng.randrange(1 << 32), rng.choice((15, 15, 15, 7))) for _ in range(count)]


@pytest.mark.parametrize("stall", [0, 0.6])
@pytest.mark.parametrize("order", ["address first", "data first", "any"])
def test_writes_then_reads_under_stalls(stall, order):
    dut, memory = HostPort(8), list(range(WORDS))
    todo = accesses(Random(1), 60)
    host, model = dut.host, list(range(WORDS))
    late = {"address first": (0, 0.7), "data first": (0.7, 0), "any": (stall, stall)}[order]

    async def send_address(ctx):
        for address, _, _ in todo:
            await drive(ctx, rng_a, late[0], host.awvalid, host.awready, [(host.awaddr, address)])

    async def send_data(ctx):
        for _, data, strobe in todo:
            await drive(ctx, rng_w, late[1], host.wvalid, host.wready,
                        [(host.wdata, data), (host.wstrb, strobe)])

    async def take_answers(ctx):
        for address, data, strobe in todo:
            response = await answer(ctx, rng_b, stall, host.bvalid, host.bready, host.bresp)
            good = address % 4 == 0 and address < 4 * WORDS - 4 and strobe == 15
            assert response == (OKAY if good else SLVERR)
            if good:
                model[address // 4] = data
        assert memory == model
        for address in range(0, 4 * WORDS + 8, 2):
            await drive(ctx, rng_b, stall, host.arvalid, host.arready, [(host.araddr, address)])
            got = await answer(ctx, rng_b, stall, host.rvalid, host.rready, read)
            good = address % 4 == 0 and address < 4 * WORDS
            assert got == (model[address // 4] if good else SLVERR << 32)

    read = Cat(host.rdata, host.rresp)
    rng_a, rng_w, rng_b = Random(2), Random(3), Random(4)
    simulate(dut, send_address, send_data, take_answers,
             checks=[registers(dut, memory, Random(5), stall)])


def test_reads_and_writes_take_turns():
    dut, memory, order = HostPort(8), [0] * WORDS, []
    host = dut.host

    async def watch(ctx):
        async for _, _, read, write, done in ctx.tick().sample(
                dut.bus.read, dut.bus.write, dut.bus.done):
            if done and (read or write):
                order.append("read" if read else "write")

    async def bench(ctx):
        for signal in (host.awvalid, host.wvalid, host.arvalid, host.bready, host.rready):
            ctx.set(signal, 1)
        ctx.set(host.wstrb, 15)
        for _ in range(40):
            await ctx.tick()
        assert len(order) >= 10
        assert all(one != other for one, other in zip(order, order[1:], strict=False))

    simulate(dut, bench, checks=[registers(dut, memory, Random(5), 0), watch])


@pytest.mark.parametrize("width", [2, 33])
def test_refuses_an_impossible_width(width):
    with pytest.raises(ValueError, match=rf"^address_width must be in 3\.\.32, not {width}$"):
        HostPort(width)
