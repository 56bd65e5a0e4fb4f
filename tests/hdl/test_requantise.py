# amaranth: UnusedElaboratable=no
from random import Random

import pytest

from hdl.requantise import Requantise
from sim.streams import count, holds_offer, receive, send, simulate
from tests.golden import arithmetic as golden


def random_words(width, count, seed):
    """Edges of every shift, then words whose magnitudes are spread over all widths."""
    rng = Random(seed)
    low, high = -(1 << (width - 1)), (1 << (width - 1)) - 1
    words = []
    for shift in range(width):
        for base in (0, golden.HIGH << shift, golden.LOW << shift):
            half = (1 << shift) // 2
            words += [(base + delta, shift) for delta in (-half - 1, -half, half - 1, half)]
        words += [(low, shift), (high, shift), (-1, shift)]
    words = [(value, shift) for value, shift in words if low <= value <= high]
    for _ in range(count):
        magnitude = rng.randrange(1, width)
        words.append((rng.randrange(-(1 << magnitude), 1 << magnitude), rng.randrange(width)))
    return words


def run(dut, words, stalls, shy, seed, cycles=20_000):
    got, pulses = [], []

    async def source(ctx):
        await send(ctx, dut.i, [{"value": value, "shift": shift} for value, shift in words],
                   rng=Random(seed), stall=stalls[0])

    async def sink(ctx):
        got.extend(await receive(ctx, dut.o, len(words), rng=Random(seed + 1), stall=stalls[1],
                                 shy=shy))

    simulate(dut, source, sink, checks=[holds_offer(dut.o), count(dut.saturated, pulses)],
             cycles=cycles)
    return got, len(pulses)


@pytest.mark.parametrize("stalls, shy", [((0, 0), False), ((0.5, 0), True), ((0.3, 0.6), True)])
@pytest.mark.parametrize("width", [17, 36, 48])
def test_matches_golden_under_stalls(width, stalls, shy):
    seed = 11
    print(f"seed {seed}")
    words = random_words(width, 300, seed)
    got, pulses = run(Requantise(width), words, stalls, shy, seed)
    assert got == [golden.requantise(value, shift) for value, shift in words]
    clipped = sum(golden.round_shift(*word) != golden.requantise(*word) for word in words)
    assert pulses == clipped > 0


def test_takes_one_word_a_cycle():
    words = random_words(36, 200, seed=5)
    run(Requantise(36), words, (0, 0), False, seed=5, cycles=len(words) + 4 + 3)


def test_clear_drops_everything_inside():
    dut = Requantise(36)

    async def bench(ctx):
        ctx.set(dut.i.valid, 1)
        ctx.set(dut.i.payload, {"value": 1 << 30, "shift": 0})
        ctx.set(dut.o.ready, 0)
        for _ in range(8):
            await ctx.tick()
        ctx.set(dut.clear, 1)
        _, _, offers, takes = await ctx.tick().sample(dut.o.valid, dut.i.ready)
        assert not offers and not takes
        ctx.set(dut.clear, 0)
        ctx.set(dut.i.payload, {"value": 7, "shift": 1})
        got = await receive(ctx, dut.o, 1, rng=Random(0))
        assert got == [4]

    simulate(dut, bench)


@pytest.mark.parametrize("width", [16, 65])
def test_rejects_width(width):
    with pytest.raises(ValueError, match=rf"^width must be in 17..64, not {width}$"):
        Requantise(width)
