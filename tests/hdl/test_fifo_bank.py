from dataclasses import replace
from random import Random

import pytest

from hdl.fifo_bank import FifoBank
from hdl.registers import FIFO_MODES
from hdl.target import get_target
from sim.streams import holds_offer, pulse, receive, send, silent, simulate

TINY = get_target("tiny")
DEPTH = TINY.fifo_block_depth


def fifo(mode, first=0, blocks=1, length=0, repeat=0):
    return {"mode": mode, "first": first, "blocks": blocks, "length": length, "repeat": repeat}


async def configure(ctx, dut, *fifos):
    """Set the registers of all FIFOs, those not given to off, and start."""
    fifos = list(fifos) + [fifo("off", blocks=0)] * (dut.fifos - len(fifos))
    values = {f"{name}{index}": FIFO_MODES.index(value) if name == "mode" else value
              for index, registers in enumerate(fifos) for name, value in registers.items()}
    ctx.set(dut.config, values)
    await pulse(ctx, dut.start)


def random_words(number, seed):
    rng = Random(seed)
    return [rng.randrange(-32768, 32768) for _ in range(number)]


def golden(registers, words):
    """Return (words taken, words emitted) of one FIFO that is offered ``words``."""
    mode, length = registers["mode"], registers["length"]
    if mode == "off":
        return [], []
    if mode == "loop":
        return words[:length], words[:length] * registers["repeat"]
    return words, ([0] * length if mode == "delay" else []) + words


def check(fifos, number, stalls=(0, 0), shy=False, target=TINY, cycles=20_000):
    """Run FIFOs side by side, each against the golden model; nothing more may come out."""
    dut = FifoBank(target)

    async def setup(ctx):
        await configure(ctx, dut, *fifos)

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
    (fifo("buffer"), fifo("delay", first=1, length=37)),
    (fifo("loop", length=5, repeat=40), fifo("buffer", first=1)),
    (fifo("loop", length=1, repeat=7), fifo("loop", first=1, length=DEPTH, repeat=2)),
    (fifo("delay", blocks=2, length=300),),
    (fifo("off"), fifo("loop", blocks=2, length=DEPTH + 1, repeat=1)),
    (fifo("delay", first=1, length=0), fifo("delay", length=1)),
])
def test_matches_golden_under_stalls(fifos, stalls, shy):
    check(fifos, 400, stalls, shy)


def test_four_fifos_on_five_blocks():
    check((fifo("buffer", first=4), fifo("delay", first=1, blocks=2, length=1500),
           fifo("loop", first=3, length=100, repeat=3), fifo("buffer", first=0)),
          1600, target=replace(get_target("virtex6-lx240t"), fifos=4))


@pytest.mark.parametrize("mode", ["buffer", "delay"])
def test_moves_a_word_a_cycle(mode):
    check((fifo(mode),), 700, cycles=1 + 700 + 4 + 11)


def test_loop_plays_a_word_a_cycle():
    check((fifo("loop", length=10, repeat=50),), 10, cycles=1 + 10 + 500 + 4 + 11)


@pytest.mark.parametrize("blocks", [1, 2])
def test_fills_all_its_blocks(blocks):
    dut = FifoBank(TINY)
    capacity = blocks * DEPTH

    async def bench(ctx):
        await configure(ctx, dut, fifo("delay", blocks=blocks, length=capacity))
        words = random_words(capacity, seed=2)
        # Words behind the zeros: nothing is fetched before the zeros have been.
        await send(ctx, dut.i[0], words, rng=Random(0))
        got = await receive(ctx, dut.o[0], 2 * capacity, rng=Random(0))
        assert got == [0] * capacity + words

    simulate(dut, bench)


def test_loop_for_ever():
    dut = FifoBank(TINY)
    words = random_words(7, seed=1)

    async def bench(ctx):
        await configure(ctx, dut, fifo("loop", length=7, repeat=0))
        await send(ctx, dut.i[0], words, rng=Random(0))
        assert await receive(ctx, dut.o[0], 700, rng=Random(0)) == words * 100

    simulate(dut, bench)


def test_empty_loop_does_nothing():
    dut = FifoBank(TINY)

    async def bench(ctx):
        await configure(ctx, dut, fifo("loop", length=0, repeat=0))
        ctx.set(dut.i[0].valid, 1)
        for _ in range(3):  # at most the two words of the input buffer
            await ctx.tick()
        for _ in range(20):
            _, _, ready = await ctx.tick().sample(dut.i[0].ready)
            assert not ready

    simulate(dut, bench, checks=[silent(dut.o[0])])


@pytest.mark.parametrize("mode", ["buffer", "delay", "loop"])
def test_start_empties(mode):
    dut = FifoBank(TINY)
    registers = fifo(mode, length=3, repeat=2)

    async def bench(ctx):
        for words in range(1, 12):  # stop at every point of a loop
            await configure(ctx, dut, registers)
            ctx.set(dut.i[0].valid, 1)
            ctx.set(dut.i[0].payload, 99)
            for _ in range(words):
                await ctx.tick()
            ctx.set(dut.start, 1)
            _, _, valid, ready = await ctx.tick().sample(dut.o[0].valid, dut.i[0].ready)
            assert not valid and not ready
            ctx.set(dut.start, 0)
            ctx.set(dut.i[0].valid, 0)
            await send(ctx, dut.i[0], [1, 2, 3], rng=Random(0))
            _, emitted = golden(registers, [1, 2, 3])
            assert await receive(ctx, dut.o[0], len(emitted), rng=Random(0)) == emitted

    simulate(dut, bench)
