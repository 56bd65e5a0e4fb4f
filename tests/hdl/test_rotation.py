import pytest
from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import Out

from hdl.rotation import following
from sim.streams import simulate


class Rotation(wiring.Component):
    def __init__(self, width):
        super().__init__({"place": Out(width)})

    def elaborate(self, platform):
        m = Module()
        place = Signal.like(self.place)
        m.d.sync += place.eq(following(place))
        m.d.comb += self.place.eq(place)
        return m


@pytest.mark.parametrize("width", range(1, 9))
def test_goes_through_all_values(width):
    dut = Rotation(width)

    async def bench(ctx):
        places = []
        for _ in range(2 << width):
            places.append((await ctx.tick().sample(dut.place))[2])
        assert sorted(places[:1 << width]) == list(range(1 << width))
        assert places[1 << width:] == places[:1 << width]

    simulate(dut, bench)
