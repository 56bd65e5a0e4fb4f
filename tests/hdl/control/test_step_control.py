# amaranth: UnusedElaboratable=no
import pytest

from hdl.control.step_control import SETTLE, StepControl
from sim.streams import simulate


async def commit(ctx, dut, mask, wait, time_out):
    for port, value in ((dut.mask, mask), (dut.wait, wait), (dut.time_out, time_out)):
        ctx.set(port, value)
    ctx.set(dut.commit_now, 1)
    await ctx.tick()
    ctx.set(dut.commit_now, 0)


async def until(ctx, signal, limit=200):
    for cycles in range(limit):
        if ctx.get(signal):
            return cycles
        await ctx.tick()
    raise AssertionError("never")


def run(bench):
    dut = StepControl(5)

    async def count(ctx):
        cycle = 0
        async for _ in ctx.tick():
            cycle += 1
            ctx.set(dut.cycles, cycle)

    async def main(ctx):
        await bench(ctx, dut)

    simulate(dut, main, checks=[count])


def test_commit_is_one_pulse_of_all_nodes():
    async def bench(ctx, dut):
        assert ctx.get(dut.done)
        await commit(ctx, dut, 0b10110, 0, 100)
        assert ctx.get(dut.commit) == 0b10110
        assert not ctx.get(dut.done)
        await ctx.tick()
        assert ctx.get(dut.commit) == 0
    run(bench)


def test_a_step_without_nodes_to_wait_for_ends_when_it_has_settled():
    async def bench(ctx, dut):
        ctx.set(dut.busy, 0b11111)
        await commit(ctx, dut, 1, 0, 1)
        assert await until(ctx, dut.done) == SETTLE + 1
        assert not ctx.get(dut.timed_out)
    run(bench)


@pytest.mark.parametrize("busy_after", range(SETTLE - 1))
def test_waits_for_nodes_of_the_wait_mask(busy_after):
    async def bench(ctx, dut):
        await commit(ctx, dut, 0b111, 0b101, 1000)
        for _ in range(busy_after):
            await ctx.tick()
        ctx.set(dut.busy, 0b111)
        for _ in range(40):
            await ctx.tick()
            assert not ctx.get(dut.done)
        assert ctx.get(dut.waiting) == 0b101
        ctx.set(dut.busy, 0b110)
        for _ in range(5):
            await ctx.tick()
        assert ctx.get(dut.waiting) == 0b100
        assert not ctx.get(dut.done)
        ctx.set(dut.busy, 0b010)
        assert await until(ctx, dut.done) == 2
        ctx.set(dut.busy, 0b111)
        for _ in range(5):
            await ctx.tick()
        assert ctx.get(dut.done) and not ctx.get(dut.timed_out)
    run(bench)


def test_time_out_stays_until_the_next_commit():
    async def bench(ctx, dut):
        ctx.set(dut.busy, 1)
        await commit(ctx, dut, 1, 1, 50)
        assert await until(ctx, dut.timed_out) == 51
        ctx.set(dut.busy, 0)
        for _ in range(5):
            await ctx.tick()
        assert ctx.get(dut.timed_out) and ctx.get(dut.done)
        ctx.set(dut.busy, 1)
        await commit(ctx, dut, 1, 1, 0)
        assert not ctx.get(dut.timed_out) and not ctx.get(dut.done)
        assert await until(ctx, dut.timed_out) == SETTLE + 1
    run(bench)


def test_snapshot_keeps_the_times_of_a_step():
    async def bench(ctx, dut):
        ctx.set(dut.busy, 1)
        begin = ctx.get(dut.cycles)
        await commit(ctx, dut, 1, 1, 1000)
        for _ in range(30):
            await ctx.tick()
        ctx.set(dut.busy, 0)
        end = ctx.get(dut.cycles)
        await until(ctx, dut.done)
        ctx.set(dut.snapshot, 1)
        await commit(ctx, dut, 1, 1, 1000)
        ctx.set(dut.snapshot, 0)
        for _ in range(30):
            await ctx.tick()
        assert ctx.get(dut.commit_cycle) == begin
        assert ctx.get(dut.end_cycle) in (end + 1, end + 2)
    run(bench)


def test_refuses_no_nodes():
    with pytest.raises(ValueError, match=r"^nodes must be at least 1, not 0$"):
        StepControl(0)
