from random import Random

import pytest

from hdl.registers import OPERATIONS
from sim.streams import count, holds_offer, pulse, receive, send, silent, simulate
from tests.golden import arithmetic as golden
from tests.hdl.operator_pair import OperatorPair

EDGES = (-32768, -32767, -1, 0, 1, 32767)


def registers(**values):
    """Complete register values, with the operation by name."""
    return {"operation": "add", "constant_enable": 0, "constant": 0, "shift_a": 0, "shift_b": 0,
            "shift": 0, "count": 1, "width": 0, "height": 0, "step_x": 1, "step_y": 1} | values


async def configure(ctx, dut, config):
    ctx.set(dut.config, config | {"operation": OPERATIONS.index(config["operation"])})
    await pulse(ctx, dut.start)


def random_words(rng, number):
    """Edges in every pairing, then words of all magnitudes, as two lists."""
    a = [left for left in EDGES for _ in EDGES]
    b = [right for _ in EDGES for right in EDGES]
    for words in (a, b):
        for _ in range(number):
            wide = 1 << rng.randrange(1, 16)
            words.append(rng.randrange(-wide, wide))
    return a, b


def check(config, a, b, stall=0.0, shy=False, cycles=20_000):
    """Run one configuration against the golden model."""
    results = golden.decimate(golden.operate(config, a, b), config["width"], config["height"],
                              config["step_x"], config["step_y"])
    expected = [golden.saturate(result) for result in results]
    dut, pulses = OperatorPair(), []

    async def setup(ctx):
        await configure(ctx, dut, config)

    def feed(port, words, seed):
        async def bench(ctx):
            await ctx.tick()
            await send(ctx, port, words, rng=Random(seed), stall=stall)
        return bench

    async def sink(ctx):
        got = await receive(ctx, dut.o, len(expected), rng=Random(3), stall=stall, shy=shy)
        assert got == expected
        for _ in range(10):
            _, _, valid = await ctx.tick().sample(dut.o.valid)
            assert not valid

    benches = [setup, feed(dut.a, a, 1), sink]
    if not config["constant_enable"] and not config["operation"].startswith("reduce_"):
        benches.append(feed(dut.b, b, 2))
    simulate(dut, *benches, checks=[holds_offer(dut.o), count(dut.saturated, pulses)],
             cycles=cycles)
    clipped = sum(result != word for result, word in zip(results, expected, strict=True))
    assert len(pulses) == clipped


@pytest.mark.parametrize("constant_enable", [0, 1])
@pytest.mark.parametrize("operation", OPERATIONS[:6])
def test_matches_golden_under_stalls(operation, constant_enable):
    for seed in range(3):
        rng = Random(seed)
        config = registers(
            operation=operation, constant_enable=constant_enable,
            constant=rng.choice([*EDGES, rng.randrange(-300, 300)]),
            shift_a=rng.randrange(16), shift_b=rng.randrange(16),
            shift=rng.randrange(16 if operation == "div" else 32))
        print(f"seed {seed}: {config}")
        check(config, *random_words(rng, 100), stall=seed * 0.25, shy=seed == 2)


@pytest.mark.parametrize("operation", OPERATIONS[6:])
def test_reductions_match_golden_under_stalls(operation):
    for seed, samples in enumerate((1, 2, 3, 9, 49)):
        rng = Random(seed)
        config = registers(operation=operation, constant=rng.choice([1, -3, 32767, -32768]),
                           shift=rng.randrange(32), count=samples)
        print(f"seed {seed}: {config}")
        check(config, *random_words(rng, 200), stall=(seed % 3) * 0.25, shy=seed % 2 == 1)


def test_first_of_equals_is_the_largest():
    check(registers(operation="reduce_argmax", count=5),
          [3, 7, 7, -1, 7, -5, -5, -5, -5, -5, -32768, 32767, 0, 32767, 1, -9, -8, -7, -6, -5], [])


def test_long_sum_keeps_48_bits():
    config = registers(operation="reduce_sum", constant=-32768, shift=31, count=1500)
    check(config, [-32768] * 3000, [])


def test_average_pooling_of_2x2():
    check(registers(operation="reduce_sum", constant=1, shift=2, count=4),
          [1, 2, 3, 4, -1, -2, -3, -4, 5, 5, 5, 6], [])


@pytest.mark.parametrize("width, height, step_x, step_y", [
    (8, 6, 2, 2), (7, 5, 2, 3), (5, 3, 1, 2), (1, 7, 1, 3), (6, 1, 4, 1), (3, 3, 200, 200)])
def test_decimator(width, height, step_x, step_y):
    rng = Random(width)
    words = [rng.randrange(-32768, 32768) for _ in range(3 * width * height)]
    check(registers(constant_enable=1, width=width, height=height, step_x=step_x, step_y=step_y),
          words, [], stall=0.2)


def test_decimator_drops_saturations_too():
    check(registers(constant_enable=1, constant=32767, width=2, height=1, step_x=2),
          [0, 1, 0, 1, 1, 0], [])


@pytest.mark.parametrize("operation, latency", [("mul", 15), ("reduce_max", 15), ("div", 24)])
def test_takes_a_word_a_cycle(operation, latency):
    a, b = random_words(Random(1), 200)
    started = 5  # cycles from start to the first word
    check(registers(operation=operation, shift=8), a, b,
          cycles=1 + started + len(a) + latency + 12)


@pytest.mark.parametrize("operation", ["add", "div"])
def test_full_rate_after_a_pause_of_the_receiver(operation):
    dut = OperatorPair()

    async def setup(ctx):
        await configure(ctx, dut, registers(operation=operation, constant_enable=1, constant=1))
        await send(ctx, dut.a, [0] * 300, rng=Random(1))

    async def sink(ctx):
        for _ in range(120):
            await ctx.tick()
        ctx.set(dut.o.ready, 1)
        for _ in range(200):
            _, _, valid = await ctx.tick().sample(dut.o.valid)
            assert valid

    simulate(dut, sink, setup)


@pytest.mark.parametrize("operation", ["add", "div", "reduce_sum"])
def test_start_drops_words_and_counts_anew(operation):
    dut = OperatorPair()
    config = registers(operation=operation, constant=1, count=3, width=2, height=2, step_x=2)

    async def bench(ctx):
        for words in range(1, 12):  # stop at every point of the counts
            await configure(ctx, dut, config)
            ctx.set(dut.b.payload, 1)
            ctx.set(dut.b.valid, 1)
            await send(ctx, dut.a, [100 + word for word in range(words)], rng=Random(0))
            for _ in range(words % 5 * 8):
                await ctx.tick()
            ctx.set(dut.start, 1)
            ctx.set(dut.b.valid, 0)  # as the router does while start is high
            await ctx.tick()
            ctx.set(dut.start, 0)
            ctx.set(dut.b.valid, 1)
            await send(ctx, dut.a, [7, 8, 9], rng=Random(0))
            expected = {"add": [8, 10], "div": [7, 9], "reduce_sum": [24]}[operation]
            assert await receive(ctx, dut.o, len(expected), rng=Random(0)) == expected

    simulate(dut, bench)


def test_b_is_not_taken_when_constant():
    dut = OperatorPair()

    async def bench(ctx):
        await configure(ctx, dut, registers(constant_enable=1))
        ctx.set(dut.b.valid, 1)
        await send(ctx, dut.a, [1, 2, 3], rng=Random(0))
        assert await receive(ctx, dut.o, 3, rng=Random(0)) == [1, 2, 3]
        await configure(ctx, dut, registers())
        await send(ctx, dut.a, [1, 2, 3], rng=Random(0))
        assert await receive(ctx, dut.o, 3, rng=Random(0)) == [1, 2, 3]

    simulate(dut, bench)


def test_waits_for_both_operands():
    dut = OperatorPair()

    async def bench(ctx):
        await configure(ctx, dut, registers())
        ctx.set(dut.o.ready, 1)
        ctx.set(dut.a.valid, 1)
        for _ in range(40):
            _, _, ready = await ctx.tick().sample(dut.a.ready)
            assert not ready
        ctx.set(dut.a.valid, 0)

    simulate(dut, bench, checks=[silent(dut.o)])


@pytest.mark.parametrize("stall", [0.0, 0.3])
def test_two_divisions_take_turns(stall):
    dut = OperatorPair()
    rng = Random(7)
    words = [random_words(rng, 150) for _ in (dut, dut.second)]
    shifts = [3, 9]
    done = []

    def feed(operator, name, samples, seed):
        async def bench(ctx):
            await ctx.tick()
            await send(ctx, getattr(operator, name), samples, rng=Random(seed), stall=stall)
        return bench

    def sink(operator, expected, seed):
        async def bench(ctx):
            got = await receive(ctx, operator.o, len(expected), rng=Random(seed), stall=stall)
            assert got == expected
            done.append(operator)
        return bench

    async def setup(ctx):
        for operator, shift in zip((dut, dut.second), shifts, strict=True):
            ctx.set(operator.config, registers(shift=shift) | {
                "operation": OPERATIONS.index("div")})
            ctx.set(operator.start, 1)
        await ctx.tick()
        for operator in (dut, dut.second):
            ctx.set(operator.start, 0)

    benches = [setup]
    for seed, (operator, (a, b), shift) in enumerate(zip((dut, dut.second), words, shifts,
                                                         strict=True)):
        benches += [feed(operator, "a", a, seed), feed(operator, "b", b, 10 + seed),
                    sink(operator, [golden.saturate(golden.divide(*pair, shift))
                                    for pair in zip(a, b, strict=True)], 20 + seed)]
    cycles = 2 * len(words[0][0]) + 60 if not stall else 20_000
    simulate(dut, *benches, cycles=cycles)
    assert len(done) == 2
