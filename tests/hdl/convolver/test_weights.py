import numpy as np
import pytest

from hdl.convolver.weights import WeightLoader
from hdl.target import get_target
from sim.streams import simulate

from .golden import Step, packed_registers

TARGET = get_target("tiny")


def make(**more):
    return Step(TARGET, np.random.default_rng(1), 2, 2, 0, 0, (6, 6), (6, 6), (6, 6), **more)


async def load(ctx, dut, step, cycles, free=()):
    """Feed the loader for some cycles; return the memories it fills and what it took.

    ``free`` maps a cycle to the name of the event that happens in it.
    """
    words = step.weights()
    ctx.set(dut.config.as_value(), packed_registers(step)[0])
    for _ in range(3):
        await ctx.tick()
    ctx.set(dut.begin, 1)
    await ctx.tick()
    ctx.set(dut.begin, 0)
    weights, biases, shifts, taken, loaded = {}, {}, {}, 0, 0
    for cycle in range(cycles):
        for name in ("context_free", "pass_free"):
            ctx.set(getattr(dut, name), (cycle, name) in free)
        ctx.set(dut.i.valid, taken < len(words))
        ctx.set(dut.i.payload, words[min(taken, len(words) - 1)])
        if ctx.get(dut.parameter_load):
            slot = ctx.get(dut.generation), ctx.get(dut.index)
            biases[slot], shifts[slot] = ctx.get(dut.bias), ctx.get(dut.shift)
        if chosen := ctx.get(dut.load):
            assert chosen & (chosen - 1) == 0
            weights[ctx.get(dut.slot), chosen.bit_length() - 1] = ctx.get(dut.weight)
        _, _, ready, done = await ctx.tick().sample(dut.i.ready, dut.loaded)
        taken += ready and taken < len(words)
        loaded += done
    return weights, biases, shifts, taken, loaded


@pytest.mark.parametrize("lanes", [1, 3])
def test_distributes_words_to_macs_and_parameters(lanes):
    step = make(lanes=lanes, groups=3, entries=2)
    dut = WeightLoader(TARGET)
    length = TARGET.lane_length(lanes)

    async def bench(ctx):
        weights, biases, shifts, taken, loaded = await load(ctx, dut, step, 400)
        assert taken == len(step.weights())
        assert loaded == 6
        for group in range(3):
            for lane in range(lanes):
                assert biases[0, group * lanes + lane] == step.biases[0, group, lane]
                assert shifts[0, group * lanes + lane] == step.shift[0, group, lane]
        for slot in range(6):
            entry, group = divmod(slot, 3)
            taps = {place: (row, column) for place, row, column in step.places()}
            for mac in range(lanes * length):
                lane, place = divmod(mac, length)
                kernel = step.kernels[0, group, lane, entry]
                assert weights[slot, mac] == (kernel[taps[place]] if place in taps else 0)

    simulate(dut, bench)


def test_takes_a_word_a_cycle():
    step = make(lanes=4, groups=4, entries=2)
    dut = WeightLoader(TARGET)

    async def bench(ctx):
        words = len(step.weights())
        assert (await load(ctx, dut, step, words))[3] == words

    simulate(dut, bench)


def test_runs_ahead_to_the_end_of_the_ring():
    step = make(entries=60)
    dut = WeightLoader(TARGET)

    async def bench(ctx):
        free = {(1000, "context_free"), (1100, "context_free")}
        *_, taken, loaded = await load(ctx, dut, step, 1300, free)
        assert loaded == TARGET.contexts + 2
        assert taken == 4 + loaded * 25

    simulate(dut, bench)


@pytest.mark.parametrize(("free", "passes"), [
    ([], 4),  # those of four passes are held
    (["pass_free"], 5),
    (["pass_free"] * 3, 7),
])
def test_holds_the_parameters_of_passes_under_way(free, passes):
    step = make(passes=8)
    dut = WeightLoader(TARGET)

    async def bench(ctx):
        events = {(100 + 40 * at, name) for at, name in enumerate(free)}
        *_, taken, loaded = await load(ctx, dut, step, 500, events)
        assert loaded == passes
        assert taken == passes * 29

    simulate(dut, bench)
