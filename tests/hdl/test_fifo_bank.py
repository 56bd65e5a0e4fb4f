from dataclasses import replace
from random import Random

import pytest

from hdl.fifo_bank import FifoBank
from hdl.registers import FIFO_MODES
from hdl.target import get_target
from sim.streams import holds_offer, pulse, receive, send, silent, simulate

TINY = get_target("tiny")
DEPTH = TINY.fifo_block_depth


#: The same with a block to spare.
SPARE = replace(TINY, fifo_blocks=3)


def fifo(mode, holds=DEPTH, count=0):
    return {"mode": mode, "last": holds - 1, "count": count}


async def configure(ctx, dut, *fifos, spare=None):
    """Set the registers of all FIFOs, those not given to off, and start."""
    fifos = list(fifos) + [fifo("off")] * (dut.fifos - len(fifos))
    values = {f"{name}{index}": FIFO_MODES.index(value) if name == "mode" else value
              for index, registers in enumerate(fifos) for name, value in registers.items()}
    ctx.set(dut.config, values if spare is None else values | {"spare": spare})
    await pulse(ctx, dut.start)


def random_words(number, seed):
    rng = Random(seed)
    return [rng.randrange(-32768, 32768) for _ in range(number)]


def golden(registers, words):
    """Return (words taken, words emitted) of one FIFO that is offered ``words``."""
    mode, count = registers["mode"], registers["count"]
    if mode == "off":
        return [], []
    if mode == "loop":
        taken = words[:registers["last"] + 1]
        return taken, taken * count
    return words, ([0] * count if mode == "delay" else []) + words


def check(fifos, number, stalls=(0, 0), shy=False, target=TINY, spare=None, cycles=20_000):
    """Run FIFOs side by side, each against the golden model; nothing more may come out."""
    dut = FifoBank(target)

    async def setup(ctx):
        await configure(ctx, dut, *fifos, spare=spare)

    benches, checks = [setup], []
    for index in range(dut.fifos):
        registers = fifos[index] if index < len(fifos) else fifo("off")
        taken, emitted = golden(registers, random_words(number, seed=index))

        def source(index=index, taken=taken):
            async def bench(ctx):
                await ctx.tick()
                await send(ctx, dut.i[index], taken, rng=Random(index), stall=stalls[0])
                if fifos[index]["mode"] == "loop":  # it takes nothing more
                    ctx.set(dut.i[index].valid, 1)
            return bench

        def sink(index=index, emitted=emitted):
            async def bench(ctx):
                got = await receive(ctx, dut.o[index], len(emitted), rng=Random(index),
                                    stall=stalls[1], shy=shy)
                assert got == emitted
                for _ in range(10):
                    _, _, valid = await ctx.tick().sample(dut.o[index].valid)
                    assert not valid
            return bench

        if registers["mode"] == "off":
            checks.append(silent(dut.o[index]))
        else:
            benches += [source(), sink()]
            checks.append(holds_offer(dut.o[index]))
    simulate(dut, *benches, checks=checks, cycles=cycles)


@pytest.mark.parametrize("stalls, shy", [((0, 0), False), ((0.4, 0.1), True), ((0.1, 0.5), True)])
@pytest.mark.parametrize("fifos", [
    (fifo("buffer"), fifo("delay", count=37)),
    (fifo("loop", 5, 40), fifo("buffer", 100)),
    (fifo("loop", 1, 7), fifo("loop", DEPTH, 2)),
    (fifo("off"), fifo("loop", DEPTH - 1, 1)),
    (fifo("delay"), fifo("delay", count=1)),
    (fifo("buffer", 1), fifo("delay", 3, 3)),
])
def test_matches_golden_under_stalls(fifos, stalls, shy):
    check(fifos, 400, stalls, shy)


@pytest.mark.parametrize("spare", [0, 1])
@pytest.mark.parametrize("stalls, shy", [((0, 0), False), ((0.4, 0.1), True), ((0.1, 0.5), True)])
@pytest.mark.parametrize("long, short", [
    (fifo("delay", 2 * DEPTH, 2 * DEPTH - 1), fifo("buffer")),
    (fifo("loop", DEPTH + 1, 2), fifo("delay", count=DEPTH)),
    (fifo("loop", 2 * DEPTH, 1), fifo("loop", DEPTH, 1)),
    (fifo("buffer", DEPTH + 7), fifo("loop", 2, 50)),
])
def test_a_spare_block_lies_behind_the_own_ones(long, short, stalls, shy, spare):
    check((short, long) if spare else (long, short), 2 * DEPTH + 9, stalls, shy, SPARE, spare)


def test_more_fifos_and_more_spare_blocks():
    target = get_target("virtex6-lx240t")
    check((fifo("buffer"), fifo("delay", 2048, 1500), fifo("loop", 100, 3), fifo("buffer")),
          1600, target=replace(target, fifos=4), spare=1)
    check((fifo("buffer"), fifo("loop", 10, 3), fifo("delay", 3072, 2500)), 1600,
          target=replace(target, fifos=3), spare=2)


@pytest.mark.parametrize("mode", ["buffer", "delay"])
def test_moves_a_word_a_cycle(mode):
    check((fifo(mode),), 700, cycles=1 + 700 + 4 + 11)


def test_loop_plays_a_word_a_cycle():
    check((fifo("loop", 10, 50),), 10, cycles=1 + 10 + 500 + 4 + 11)


@pytest.mark.parametrize("holds", [1, DEPTH - 3, DEPTH, 2 * DEPTH - 1, 2 * DEPTH])
def test_holds_what_it_says(holds):
    dut = FifoBank(SPARE)

    async def bench(ctx):
        await configure(ctx, dut, fifo("delay", holds, holds), spare=0)
        words = random_words(holds, seed=2)
        # Words behind the zeros: nothing is fetched before the zeros have been.
        await send(ctx, dut.i[0], words, rng=Random(0))
        got = await receive(ctx, dut.o[0], 2 * holds, rng=Random(0))
        assert got == [0] * holds + words

    simulate(dut, bench)


def test_loop_for_ever():
    dut = FifoBank(TINY)
    words = random_words(7, seed=1)

    async def bench(ctx):
        await configure(ctx, dut, fifo("loop", 7))
        await send(ctx, dut.i[0], words, rng=Random(0))
        assert await receive(ctx, dut.o[0], 700, rng=Random(0)) == words * 100

    simulate(dut, bench)


@pytest.mark.parametrize("mode", ["buffer", "delay", "loop"])
def test_start_empties(mode):
    dut = FifoBank(TINY)
    registers = fifo(mode, 3, 2)

    async def bench(ctx):
        for words in range(1, 12):  # stop at every point of a loop
            await configure(ctx, dut, registers)
            ctx.set(dut.i[0].valid, 1)
            ctx.set(dut.i[0].payload, 99)
            for _ in range(words):
                await ctx.tick()
            ctx.set(dut.i[0].valid, 0)  # as the router does while start is high
            await pulse(ctx, dut.start)
            assert not ctx.get(dut.o[0].valid)
            await send(ctx, dut.i[0], [1, 2, 3], rng=Random(0))
            _, emitted = golden(registers, [1, 2, 3])
            assert await receive(ctx, dut.o[0], len(emitted), rng=Random(0)) == emitted

    simulate(dut, bench)
