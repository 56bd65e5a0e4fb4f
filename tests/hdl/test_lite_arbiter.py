# amaranth: UnusedElaboratable=no
from random import Random

import pytest
from amaranth.hdl import Cat, Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.axi import OKAY, SLVERR, LiteSignature
from hdl.host_port import HostPort, RegisterBus
from hdl.lite_arbiter import LiteArbiter
from sim.streams import simulate
from tests.hdl.test_host_port import WORDS, answer, drive, registers

#: Registers that a master has for itself.
SHARE = (WORDS - 1) // 2


class Shared(wiring.Component):
    """An arbiter before a slave."""

    masters: In(LiteSignature(8)).array(2)
    bus: Out(RegisterBus(8))

    def elaborate(self, platform):
        m = Module()
        arbiter = m.submodules.arbiter = LiteArbiter(8)
        port = m.submodules.port = HostPort(8)
        for outer, inner in zip(self.masters, arbiter.masters, strict=True):
            wiring.connect(m, wiring.flipped(outer), inner)
        wiring.connect(m, arbiter.slave, port.host)
        wiring.connect(m, port.bus, wiring.flipped(self.bus))
        return m


@pytest.mark.parametrize("stall", [0, 0.6])
@pytest.mark.parametrize("late", [(0, 0), (0, 0.8), (0.8, 0)])
def test_each_master_finds_what_it_wrote(stall, late):
    dut, memory = Shared(), [0] * WORDS
    benches = []

    def master(number):
        host, rng = dut.masters[number], Random(10 + number)
        todo = [(rng.randrange(SHARE), rng.getrandbits(32)) for _ in range(60)]
        model, written = [0] * SHARE, [0]
        base = 4 * SHARE * number

        async def send_address(ctx):
            for index, _ in todo:
                await drive(ctx, Random(1), late[0], host.awvalid, host.awready,
                            [(host.awaddr, base + 4 * index)])

        async def send_data(ctx):
            for _, word in todo:
                await drive(ctx, Random(2), late[1], host.wvalid, host.wready,
                            [(host.wdata, word), (host.wstrb, 15)])

        async def take_answers(ctx):
            for index, word in todo:
                assert await answer(ctx, rng, stall, host.bvalid, host.bready, host.bresp) == OKAY
                model[index] = word
                written[0] += 1

        async def read(ctx):
            while written[0] < len(todo):
                await self_read(ctx, 4 * WORDS, 0, SLVERR)
            for index in range(SHARE):
                await self_read(ctx, base + 4 * index, model[index], OKAY)

        async def self_read(ctx, address, value, response):
            await drive(ctx, rng, stall, host.arvalid, host.arready, [(host.araddr, address)])
            got = await answer(ctx, rng, stall, host.rvalid, host.rready,
                               Cat(host.rdata, host.rresp))
            assert got == value | response << 32

        return send_address, send_data, take_answers, read

    for number in range(2):
        benches += master(number)
    simulate(dut, *benches, checks=[registers(dut, memory, Random(5), stall)], cycles=20_000)
    assert any(memory[:SHARE]) and any(memory[SHARE:2 * SHARE])


def test_all_take_turns():
    dut, memory, order = Shared(), [0] * WORDS, []

    async def watch(ctx):
        async for _, _, read, write, done, address in ctx.tick().sample(
                dut.bus.read, dut.bus.write, dut.bus.done, dut.bus.address):
            if done and (read or write):
                order.append((bool(read), address))

    async def bench(ctx):
        for number, host in enumerate(dut.masters):
            for signal in (host.awvalid, host.wvalid, host.arvalid, host.bready, host.rready):
                ctx.set(signal, 1)
            ctx.set(host.wstrb, 15)
            ctx.set(host.araddr, 4 * number)
            ctx.set(host.awaddr, 4 * number)
        for _ in range(80):
            await ctx.tick()

    simulate(dut, bench, checks=[registers(dut, memory, Random(5), 0), watch])
    assert len(order) >= 10
    for first in range(len(order) - 3):
        assert len(set(order[first:first + 4])) == 4


def test_refuses_no_master():
    with pytest.raises(ValueError, match="^masters must be at least 1, not 0$"):
        LiteArbiter(8, masters=0)
