from random import Random

import pytest

from hdl.convolver.mac import Mac
from hdl.registers import RELATIONS
from hdl.target import get_target
from sim.streams import simulate

BUSES = 5


def model(words, bus, column, row, weights):
    """Return the sums of a MAC whose output marks and carries are those in ``words``."""
    flags, sums = [0, 0], []
    for taps, starts, context, carry in words:
        tap = taps[bus]
        use = True
        for index, relation in enumerate((column, row)):
            mark, own = tap >> 16 + index & 1, starts[index]
            if relation == "less":
                flags[index] = mark or (flags[index] and not own)
            elif relation == "greater":
                flags[index] = own or (flags[index] and not mark)
            use = use and (relation == "equal" or flags[index])
        sample = tap & 0xFFFF
        sample -= (sample & 0x8000) << 1
        sums.append((carry + (sample * weights[context] if use else 0) + 2**35) % 2**36 - 2**35)
    return sums


@pytest.mark.parametrize("name", ["tiny", "virtex6-lx240t"])
@pytest.mark.parametrize("column", RELATIONS)
@pytest.mark.parametrize("row", RELATIONS)
@pytest.mark.parametrize("place", ["head", "inside", "column"])
def test_masks_multiplies_and_adds(name, column, row, place):
    target = get_target(name)
    rng = Random(f"{name}{column}{row}{place}")
    bus = rng.randrange(1 + BUSES)
    weights = [rng.choice([-32768, 32767, rng.randrange(-32768, 32768)])
               for _ in range(target.contexts)]
    # A start first, so that the flags are known.
    words = [([rng.getrandbits(16) | (rng.random() < 0.2) << 16 | (rng.random() < 0.2) << 17
               for _ in range(1 + BUSES)],
              (cycle == 0 or rng.random() < 0.2, cycle == 0 or rng.random() < 0.2),
              rng.randrange(target.contexts), rng.randrange(-2**35, 2**35))
             for cycle in range(300)]
    expected = model(words, bus, column, row, weights)
    dut = Mac(target, BUSES, head=place == "head", linked=place != "column")

    async def bench(ctx):
        ctx.set(dut.bus, bus)
        ctx.set(dut.head, place == "head")
        ctx.set(dut.column, RELATIONS.index(column))
        ctx.set(dut.row, RELATIONS.index(row))
        for slot, weight in enumerate(weights):
            ctx.set(dut.load, 1)
            ctx.set(dut.slot, slot)
            ctx.set(dut.weight, weight)
            await ctx.tick()
        ctx.set(dut.load, 0)
        for cycle in range(len(words) + 3):
            # What the docstring promises: starts and context 1, carry 2, neighbour 3, sum 4 cycles
            # later.
            def word(late, cycle=cycle):
                return words[min(max(cycle - late, 0), len(words) - 1)]

            for tap, value in zip([dut.before, *dut.taps], word(0)[0], strict=True):
                ctx.set(tap, value)
            ctx.set(dut.row_start, word(1)[1][0])
            ctx.set(dut.frame_start, word(1)[1][1])
            ctx.set(dut.context, word(1)[2])
            # Where it comes from the neighbour, what the other port carries does not count.
            ctx.set(dut.carry, word(2)[3])
            ctx.set(dut.link_in, (word(3)[3] if place != "head" else word(5)[3]) % 2**36)
            while rng.random() < 0.2:
                ctx.set(dut.enable, 0)
                await ctx.tick()
            ctx.set(dut.enable, 1)
            await ctx.tick()
            if cycle >= 3:
                assert ctx.get(dut.sum) == expected[cycle - 3], cycle
                assert ctx.get(dut.passed) == words[min(cycle - 1, len(words) - 1)][0][bus]

    simulate(dut, bench)
