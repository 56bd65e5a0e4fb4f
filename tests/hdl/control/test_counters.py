# amaranth: UnusedElaboratable=no
from random import Random

import pytest

from hdl.control.counters import Counters, counter_names
from hdl.control.host_registers import (
    COUNTER_BASE,
    ERROR_TEXTS,
    HOST_REGISTERS,
    MAX_COUNTERS,
    ErrorCode,
    counter_address,
)
from hdl.convolver.convolver import Convolver
from hdl.dma.port import Port
from hdl.dma_node import DmaNode
from hdl.events import CONVOLVER_EVENTS, PORT_EVENTS
from hdl.grid import Grid
from hdl.target import TARGETS, get_target
from sim.streams import simulate


def test_names_are_in_order():
    assert counter_names(get_target("tiny")) == [
        "cycles", "convolver0_active", "convolver0_stall_input", "convolver0_stall_weights",
        "convolver0_stall_output",
        "port0_read_active", "port0_read_stall", "port0_write_active", "port0_write_stall",
        "port1_read_active", "port1_read_stall", "port1_write_active", "port1_write_stall"]


@pytest.mark.parametrize("name", TARGETS)
def test_every_event_wire_has_its_counter(name):
    target = TARGETS[name]
    convolver, port = Convolver(target), Port(target, weights=True)
    for part, events in ((convolver, CONVOLVER_EVENTS), (port, PORT_EVENTS)):
        assert all(len(getattr(part, event)) == 1 for event in events)
    wires = len(Grid(target).events) + target.ports * len(DmaNode(target, weights=False).events)
    assert len(counter_names(target)) == 1 + wires


@pytest.mark.parametrize("name", TARGETS)
def test_every_target_has_room_for_its_counters(name):
    names = counter_names(TARGETS[name])
    assert len(set(names)) == len(names) <= MAX_COUNTERS
    assert counter_address(len(names) - 1) == COUNTER_BASE + 4 * (len(names) - 1)


def test_counter_address_is_checked():
    with pytest.raises(ValueError, match=r"^counter index must be in 0\.\.959, not 960$"):
        counter_address(MAX_COUNTERS)


def test_every_error_has_a_text_and_every_register_its_place():
    assert set(ERROR_TEXTS) == set(ErrorCode)
    assert [register.address for register in HOST_REGISTERS] == list(range(0, COUNTER_BASE, 4))[
        :len(HOST_REGISTERS)]


@pytest.mark.parametrize("count", [0, MAX_COUNTERS + 1])
def test_refuses_an_impossible_number(count):
    with pytest.raises(ValueError, match=rf"^number of counters must be in 1\.\.960, not {count}$"):
        Counters(count)


@pytest.mark.parametrize("count", [1, 2, 5, 13])
def test_counts_events_and_keeps_a_snapshot(count):
    rng = Random(count)
    dut = Counters(count)

    async def read(ctx, index, value, number):
        ctx.set(index, number)
        await ctx.tick()
        return ctx.get(value)

    async def bench(ctx):
        counts = [0] * count
        for _ in range(100):
            events = rng.randrange(1 << count)
            ctx.set(dut.events, events)
            counts = [n + (events >> i & 1) for i, n in enumerate(counts)]
            await ctx.tick()
        ctx.set(dut.events, 0)
        await ctx.tick()
        ctx.set(dut.snapshot, 1)
        await ctx.tick()
        ctx.set(dut.snapshot, 0)
        ctx.set(dut.events, 1)
        await ctx.tick()
        ctx.set(dut.events, 0)
        await ctx.tick()
        for i in range(count):
            assert await read(ctx, dut.bank_index, dut.bank, i) == counts[i]
            assert await read(ctx, dut.live_index, dut.live, i) == counts[i] + (i == 0)
        ctx.set(dut.events, (1 << count) - 1)
        ctx.set(dut.clear, 1)
        await ctx.tick()
        await ctx.tick()
        ctx.set(dut.clear, 0)
        ctx.set(dut.events, 0)
        await ctx.tick()
        await ctx.tick()
        for i in range(count):
            assert await read(ctx, dut.live_index, dut.live, i) == 0
            assert await read(ctx, dut.bank_index, dut.bank, i) == counts[i]

    simulate(dut, bench)
