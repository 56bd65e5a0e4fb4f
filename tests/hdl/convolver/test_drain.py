# amaranth: UnusedElaboratable=no
from itertools import product
from random import Random

import pytest

from hdl.convolver.bank_map import first_bank
from hdl.convolver.drain import DrainAddresses
from hdl.registers import tile_units
from hdl.target import get_target
from sim.streams import simulate

from .golden import pack

TARGET = get_target("tiny")


def words(lanes, first, count, groups, size, loops):
    """Return (bank, word, parameter slot) of every word, in order."""
    half = TARGET.half_depth
    result = []
    for lane, group in product(range(first, first + count), range(groups)):
        for index in product(*(range(count) for count, _ in reversed(loops))):
            at = group * size + sum(
                i * stride for i, (_, stride) in zip(reversed(index), loops, strict=True))
            result.append((first_bank(TARGET, lanes, lane) + at // half, at % half,
                           group * lanes + lane))
    return result


@pytest.mark.parametrize("stream", [0, 1])
@pytest.mark.parametrize(("lanes", "first", "count", "groups", "size", "loops"), [
    (1, 0, 1, 1, 12, [(12, 1)]),
    (2, 1, 1, 3, 150, [(150, 1)]),
    (4, 0, 3, 2, 24, [(2, 1), (2, 6), (3, 2), (2, 12)]),
    (3, 1, 2, 4, 9, [(3, 3), (3, 1)]),  # columns first
])
def test_walks_the_loops(stream, lanes, first, count, groups, size, loops):
    loops = [*loops, *[(1, 0)] * 4][:4]
    other = {"drain_first": [0, 0], "drain_lanes": [0, 0], "drain_last_lanes": [0, 0]}
    other["drain_first"][stream] = first
    other["drain_lanes"][stream] = count
    other["drain_last_lanes"][stream] = max(count - 1, 0)
    config = pack(tile_units(TARGET, True)["convolver"], {
        "lanes": lanes, "interleave": groups, "out_size": size,
        "drain_count": [count for count, _ in loops],
        "drain_stride": [stride for _, stride in loops], **other})
    dut = DrainAddresses(TARGET, stream)
    rng = Random(1)

    async def bench(ctx):
        ctx.set(dut.config.as_value(), config)
        for _ in range(3):
            await ctx.tick()
        for last_pass in (0, 0, 1):
            got = []
            ctx.set(dut.last_pass, last_pass)
            ctx.set(dut.go, 1)
            await ctx.tick()
            ctx.set(dut.go, 0)
            while True:
                ctx.set(dut.enable, rng.random() < 0.7)
                _, _, active = await ctx.tick().sample(dut.active)
                if ctx.get(dut.read.valid):
                    got.append((ctx.get(dut.read.bank), ctx.get(dut.read.word),
                                ctx.get(dut.index)))
                if not active:
                    break
            lanes_sent = max(count - 1, 0) if last_pass else count
            assert got == words(lanes, first, lanes_sent, groups, size, loops)

    simulate(dut, bench)


def test_refuses_a_third_stream():
    with pytest.raises(ValueError, match="^stream must be 0 or 1, not 2$"):
        DrainAddresses(TARGET, 2)
