from hdl.control.counters import counter_names
from hdl.control.host_registers import (
    HOST_REGISTER,
    HOST_REGISTERS,
    Status,
    counter_address,
)
from hdl.control.mailbox import REPORTS, Mailbox
from hdl.target import DESIGN_VERSION, get_target
from sim.streams import simulate

TINY = get_target("tiny")


async def access(ctx, dut, address, data=None):
    """Return (value, error)."""
    ctx.set(dut.host.address, address)
    ctx.set(dut.host.read, data is None)
    ctx.set(dut.host.write, data is not None)
    ctx.set(dut.host.data, data or 0)
    for _ in range(15):
        _, _, done, value, error = await ctx.tick().sample(
            dut.host.done, dut.host.value, dut.host.error)
        if done:
            ctx.set(dut.host.read, 0)
            ctx.set(dut.host.write, 0)
            return value, error
    raise AssertionError("never done")


async def read(ctx, dut, name):
    value, error = await access(ctx, dut, HOST_REGISTER[name].address)
    assert not error
    return value


async def write(ctx, dut, name, value):
    _, error = await access(ctx, dut, HOST_REGISTER[name].address, value)
    assert not error


async def pulse(ctx, signal, value=1):
    ctx.set(signal, value)
    await ctx.tick()
    ctx.set(signal, 0)


def run(bench):
    dut = Mailbox(TINY)
    begins = []

    async def counters(ctx):
        """Counter i is 100 + i."""
        async for _, _, index, begin in ctx.tick().sample(dut.counter_index, dut.begin):
            ctx.set(dut.counter, 100 + index)
            begins.append(begin)

    async def main(ctx):
        await bench(ctx, dut, begins)

    simulate(dut, main, checks=[counters])


def test_identity_and_map():
    async def bench(ctx, dut, begins):
        count = len(counter_names(TINY))
        identity = {"ID_LOW": TINY.fingerprint & 0xFFFFFFFF, "ID_HIGH": TINY.fingerprint >> 32,
                    "VERSION": DESIGN_VERSION, "SHAPE": 4 << 16 | 2 << 8 | 1, "COUNTERS": count}
        for register in HOST_REGISTERS:
            assert await read(ctx, dut, register.name) == identity.get(register.name, 0)
            _, error = await access(ctx, dut, register.address, 0)
            assert error == (register.access == "r")
        for index in range(count):
            assert await access(ctx, dut, counter_address(index)) == (100 + index, 0)
        assert (await access(ctx, dut, counter_address(0), 0))[1]
        for address in (counter_address(count), 0x40, 0xFC, 0xFFC):
            assert await access(ctx, dut, address) == (0, 1)
        assert not any(begins)
    run(bench)


def test_a_program_from_start_to_end():
    async def bench(ctx, dut, begins):
        await write(ctx, dut, "PROGRAM", 0x1240)
        assert ctx.get(dut.program) == 0x1240
        await pulse(ctx, dut.saturated, 1)
        await pulse(ctx, dut.bus_error, 1)
        await write(ctx, dut, "CONTROL", 2)
        assert not ctx.get(dut.stop)
        await write(ctx, dut, "CONTROL", 1)
        assert ctx.get(dut.running) and sum(begins) == 1
        assert await read(ctx, dut, "STATUS") == Status.RUNNING
        await pulse(ctx, dut.saturated, 0b0100)
        await pulse(ctx, dut.bus_error, 0b10)
        ctx.set(dut.busy, 0b110000)
        for index, name in enumerate(REPORTS):
            ctx.set(dut.report_data, 1000 + index)
            await pulse(ctx, dut.report, 1 << index)
            assert await read(ctx, dut, name) == 1000 + index
        assert await read(ctx, dut, "BUSY") == 0b110000
        await write(ctx, dut, "CONTROL", 1)
        assert sum(begins) == 1
        await write(ctx, dut, "CONTROL", 2)
        assert ctx.get(dut.stop)
        ctx.set(dut.status, Status.ERROR)
        await pulse(ctx, dut.finish)
        assert not ctx.get(dut.running) and not ctx.get(dut.stop)
        await pulse(ctx, dut.saturated, 1)
        assert await read(ctx, dut, "STATUS") == Status.ERROR
        assert await read(ctx, dut, "SATURATED") == 0b0100
        assert await read(ctx, dut, "BUS_ERROR") == 0b10 == ctx.get(dut.bus_errors)
        await write(ctx, dut, "CONTROL", 1)
        assert sum(begins) == 2
        for name in ("SATURATED", "BUS_ERROR", *REPORTS):
            assert await read(ctx, dut, name) == 0
    run(bench)
