# amaranth: UnusedElaboratable=no
from hdl.convolver.lane_constant import LaneConstant
from hdl.target import get_target
from sim.streams import simulate


def test_lane_constant_follows_the_lanes():
    target = get_target("virtex6-lx240t")
    dut = LaneConstant(target, target.lane_length)

    async def bench(ctx):
        for lanes in [*range(1, 12), 0, 12]:
            ctx.set(dut.lanes, lanes)
            await ctx.tick()
            assert ctx.get(dut.o) == (100 // lanes if 1 <= lanes <= 11 else 0)

    assert len(dut.o) == 7
    simulate(dut, bench)
