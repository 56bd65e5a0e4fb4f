from hdl.control.commands import Commands
from hdl.control.counters import counter_names
from hdl.control.cpu_registers import CPU_REGISTER, CPU_REGISTERS
from hdl.control.mailbox import REPORTS
from hdl.target import get_target
from sim.streams import simulate

TINY = get_target("tiny")
PULSES = ("commit_now", "snapshot", "loader_start", "loader_clear", "finish",
          "report", "memory_read", "memory_write")


def run(bench):
    dut = Commands(TINY)
    pulses = []

    async def watch(ctx):
        signals = [getattr(dut, name) for name in PULSES]
        async for _, _, *values in ctx.tick().sample(*signals):
            pulses.extend((name, value) for name, value in zip(PULSES, values, strict=True)
                          if value)

    async def access(ctx, name, data=None, wait=0):
        ctx.set(dut.cpu.address, CPU_REGISTER[name].address)
        ctx.set(dut.cpu.read, data is None)
        ctx.set(dut.cpu.write, data is not None)
        ctx.set(dut.cpu.data, data or 0)
        pulses.clear()
        for cycle in range(10):
            ctx.set(dut.memory_done, cycle == wait)
            _, _, done, value = await ctx.tick().sample(dut.cpu.done, dut.cpu.value)
            if done:
                ctx.set(dut.cpu.read, 0)
                ctx.set(dut.cpu.write, 0)
                return value
        raise AssertionError("never done")

    async def main(ctx):
        ctx.set(dut.counter_ready, 1)
        await bench(ctx, dut, access, pulses)

    simulate(dut, main, checks=[watch])


def test_reads():
    async def bench(ctx, dut, access, pulses):
        inputs = {"EVENTS": (dut.events, 0xA5), "WAITING": (dut.waiting, 0b101),
                  "BUSY": (dut.busy, 0b111), "BUS_ERROR": (dut.bus_errors, 0b10),
                  "LOADER_ERROR": (dut.loader_error, 19), "LOADER_PACKET": (dut.loader_packet, 99),
                  "LOADER_WORD": (dut.loader_word, 1026), "COMMIT_CYCLE": (dut.commit_cycle, 77),
                  "END_CYCLE": (dut.end_cycle, 78), "MEMORY_IDLE": (dut.memory_idle, 1),
                  "PROGRAM": (dut.program, 0x1234)}
        for signal, value in inputs.values():
            ctx.set(signal, value)
        expected = {name: value for name, (_, value) in inputs.items()} | {
            "ID_LOW": TINY.fingerprint & 0xFFFFFFFF, "ID_HIGH": TINY.fingerprint >> 32,
            "NODES": 0x3F, "PORTS": 0x30, "COUNTERS": len(counter_names(TINY))}
        for register in CPU_REGISTERS:
            if not register.name.startswith("MEMORY_D"):
                assert await access(ctx, register.name) == expected.get(register.name, 0)
                assert not pulses
    run(bench)


def test_writes_act_once():
    async def bench(ctx, dut, access, pulses):
        acts = {"COMMIT": [("commit_now", 1), ("snapshot", 1)], "SNAPSHOT": [("snapshot", 1)],
                "LOADER_WORDS": [("loader_start", 1)], "CLEAR": [("loader_clear", 1)],
                "FINISH": [("finish", 1)]}
        acts |= {name: [("report", 1 << index)] for index, name in enumerate(REPORTS)}
        for register in CPU_REGISTERS:
            if not register.name.startswith("MEMORY_D"):
                await access(ctx, register.name, 0x2B)
                assert sorted(pulses) == sorted(acts.get(register.name, []))
        for port in (dut.wait, dut.time_out, dut.loader_address):
            assert ctx.get(port) == 0x2B
        assert ctx.get(dut.abort) == 1
        await access(ctx, "ABORT", 0)
        assert ctx.get(dut.abort) == 0
    run(bench)


def test_memory_and_counters_step_on():
    async def bench(ctx, dut, access, pulses):
        await access(ctx, "MEMORY_ADDRESS", 0x100)
        ctx.set(dut.memory_value, 42)
        assert await access(ctx, "MEMORY_DATA", wait=4) == 42
        assert pulses == [("memory_read", 1)] * 4
        assert ctx.get(dut.memory_address) == 0x104
        await access(ctx, "MEMORY_DATA", 9, wait=2)
        assert pulses == [("memory_write", 1)] * 2
        assert await access(ctx, "MEMORY_ADDRESS") == 0x108
        await access(ctx, "COUNTER", 3)
        for index in range(3, 8):
            assert ctx.get(dut.counter_index) == index
            ctx.set(dut.counter, 50 + index)
            assert await access(ctx, "COUNTER") == 50 + index
        # A snapshot that is not complete holds the access up.
        ctx.set(dut.counter_ready, 0)
        ctx.set(dut.cpu.address, CPU_REGISTER["COUNTER"].address)
        ctx.set(dut.cpu.read, 1)
        for _ in range(10):
            await ctx.tick()
            assert not ctx.get(dut.cpu.done) and ctx.get(dut.counter_index) == 8
        ctx.set(dut.counter_ready, 1)
        await ctx.tick()
        assert ctx.get(dut.cpu.done) and ctx.get(dut.counter_index) == 9
        ctx.set(dut.cpu.read, 0)
    run(bench)
