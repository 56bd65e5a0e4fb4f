# amaranth: UnusedElaboratable=no
from random import Random

import pytest

from hdl.control.counters import LIVE_LATENCY, Counters, counter_names
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


async def settled(ctx, dut):
    while not ctx.get(dut.banked):
        await ctx.tick()


@pytest.mark.parametrize("count", [1, 2, 5, 13, 73])
def test_counts_events_and_keeps_a_snapshot(count):
    rng = Random(count)
    dut = Counters(count)

    async def read(ctx, number):
        """Return a counter, and what the snapshot kept of it."""
        ctx.set(dut.bank_index, number)
        ctx.set(dut.live_index, number)
        await ctx.tick()
        bank = ctx.get(dut.bank)
        await ctx.tick().repeat(LIVE_LATENCY - 1)
        return ctx.get(dut.live), bank

    async def bench(ctx):
        for _ in range(6):
            counts = [0] * count
            for _ in range(rng.choice((1, 7, 400))):
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
            await settled(ctx, dut)
            for i in range(count):
                assert await read(ctx, i) == (counts[i] + (i == 0), counts[i])
            ctx.set(dut.events, (1 << count) - 1)
            ctx.set(dut.clear, 1)
            await ctx.tick().repeat(rng.choice((1, 2)))
            ctx.set(dut.clear, 0)
            ctx.set(dut.events, 0)
            await ctx.tick()
            for i in rng.sample(range(count), count):
                assert await read(ctx, i) == (0, counts[i])

    simulate(dut, bench, cycles=20_000)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("count", [1, 2, 7, 40])
def test_values_are_exact_at_any_time(count, seed):
    print(f"seed {seed}")
    rng = Random(f"{count} {seed}")
    dut = Counters(count)

    async def bench(ctx):
        counts, past, kept, copied, pending = [0] * count, [], None, False, 0
        looked, held, since = 0, 0, 100
        for _ in range(4000):
            events = rng.randrange(1 << count) | rng.choice((0, 0, (1 << count) - 1))
            snapshot, clear = since > 2 and rng.random() < 0.02, rng.random() < 0.003
            if held > rng.randrange(9, 30):
                looked, held = rng.randrange(count), 0
            bank = rng.randrange(count)
            for name, value in (("events", events), ("snapshot", snapshot), ("clear", clear),
                                ("live_index", looked), ("bank_index", bank)):
                ctx.set(getattr(dut, name), value)
            banked = ctx.get(dut.banked)
            past.append(counts[looked])
            if snapshot:
                kept, since = counts, 0
            if clear and not (copied and banked and not snapshot):
                kept = None
            counts = [0 if clear else n + (pending >> i & 1) for i, n in enumerate(counts)]
            pending = 0 if clear else events
            held, since = held + 1, since + 1
            await ctx.tick()
            if held > LIVE_LATENCY:
                assert ctx.get(dut.live) in past[-LIVE_LATENCY - 1:]
            copied = banked and not snapshot
            if copied and kept is not None:
                assert ctx.get(dut.bank) == kept[bank]

    simulate(dut, bench)
