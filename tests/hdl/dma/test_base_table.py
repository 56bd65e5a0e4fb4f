# amaranth: UnusedElaboratable=no
from random import Random

import pytest

from hdl.dma.base_table import BaseTable
from sim.streams import holds_offer, receive, simulate
from tests.hdl.dma.test_read import fill_table


def test_start_exchanges_the_banks():
    dut = BaseTable(16)

    async def walk(ctx, entries, repeat=1):
        ctx.set(dut.entries, entries)
        ctx.set(dut.repeat, repeat)
        ctx.set(dut.enable, 1)
        ctx.set(dut.start, 1)
        # This word comes with the start: it is the next step's.
        await fill_table(ctx, dut.table, [77])
        ctx.set(dut.start, 0)
        count = max(entries, 1) * max(repeat, 1)
        return await receive(ctx, dut.o, count, rng=Random(1), stall=0.3)

    async def bench(ctx):
        await fill_table(ctx, dut.table, [10, 11, 12])
        got = await walk(ctx, 3, 2)
        assert [word.address for word in got] == [10, 11, 12] * 2
        assert [word.last for word in got] == [0] * 5 + [1]
        got = await walk(ctx, 1)
        assert [(word.address, word.last) for word in got] == [(77, 1)]
        # What the first step was told is in the shadow bank again, but for its first word.
        got = await walk(ctx, 3)
        assert [word.address for word in got] == [77, 11, 12]
        # Counts of 0 are taken as 1.
        got = await walk(ctx, 0, 0)
        assert [(word.address, word.last) for word in got] == [(77, 1)]
        assert not ctx.get(dut.o.valid)

    simulate(dut, bench, checks=[holds_offer(dut.o)])


def test_depth_is_checked():
    with pytest.raises(ValueError, match="^depth must be a power of two of at least 2, not 12$"):
        BaseTable(12)
