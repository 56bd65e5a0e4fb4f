"""Sample addresses of nested loops, one a cycle, by addition alone."""

import operator

from amaranth.hdl import Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..registers import ADDRESS_WIDTH, LOOPS
from ..select import equal, select

__all__ = ["AddressGenerator", "MarkedAddress"]


class MarkedAddress(data.StructLayout):
    """A sample address; ``last`` marks the last one of a transfer."""

    def __init__(self):
        super().__init__({"address": unsigned(ADDRESS_WIDTH), "last": unsigned(1)})


class AddressGenerator(wiring.Component):
    """Walk nested loops from each base address.

    For each base on ``i``, in the order of the loops, loop 0 innermost: base + sum(index_k *
    stride_k), modulo ``2**ADDRESS_WIDTH``. Every loop keeps the address at which its present
    iteration began; the next address is one of these plus the stride of its loop, so there is one
    adder and no multiplier. Latency 1 cycle from base to first address; 1 address a cycle, also
    from one base to the next.

    Parameters
    ----------
    loops : int
        Nested loops, at least 1.
    count_width : int
        Bits of a loop's count.

    Members
    -------
    count : In(array of unsigned(count_width))
        Iterations of each loop, innermost first; 0 counts as 1. Constant while running.
    stride : In(array of signed(32))
        Samples each loop steps. Constant while running.
    i : In(stream of MarkedAddress)
        Base addresses in samples; ``last`` on the last one.
    o : Out(stream of MarkedAddress)
        Addresses in samples; ``last`` on the last one of the base marked so.
    clear : In(1)
        Forget the walk, also a base taken in this cycle.

    Raises
    ------
    TypeError
        If a parameter is not an integer.
    ValueError
        If a parameter is not positive.
    """

    def __init__(self, loops=LOOPS, count_width=20):
        self.loops = operator.index(loops)
        self.count_width = operator.index(count_width)
        for name, value in (("loops", self.loops), ("count_width", self.count_width)):
            if value < 1:
                raise ValueError(f"{name} must be at least 1, not {value}")
        super().__init__({
            "count": In(data.ArrayLayout(unsigned(self.count_width), self.loops)),
            "stride": In(data.ArrayLayout(signed(32), self.loops)),
            "i": In(stream.Signature(MarkedAddress())),
            "o": Out(stream.Signature(MarkedAddress())),
            "clear": In(1),
        })

    def elaborate(self, platform):
        m = Module()

        valid, last_base = Signal(), Signal()
        # Per loop: address of the present iteration, number of the next one, from 1, and whether
        # the present one is the last.
        here = [Signal(ADDRESS_WIDTH, name=f"here{k}") for k in range(self.loops)]
        following = [Signal(self.count_width, name=f"following{k}", reset_less=True)
                     for k in range(self.loops)]
        # All ones while there is no walk: a base then starts all loops, as the end of a walk does.
        final = Signal(self.loops, init=-1)

        done, load, step = Signal(), Signal(), Signal()
        m.d.comb += [
            done.eq(final.all()),
            self.o.valid.eq(valid),
            self.o.p.address.eq(here[0]),
            self.o.p.last.eq(done & last_base),
            self.i.ready.eq(done & (~valid | self.o.ready)),
            load.eq(self.i.valid & self.i.ready),
            step.eq(~done & self.o.ready),
        ]

        # The innermost loop that goes on; loops inside it start anew.
        turn = Signal(range(max(self.loops, 2)))
        onward = Signal(ADDRESS_WIDTH)
        strides = [self.stride[k][:ADDRESS_WIDTH] for k in range(self.loops)]
        m.d.comb += onward.eq(select(turn, here) + select(turn, strides))

        coming = Signal(self.loops)
        m.d.comb += coming.eq(final)
        for k in range(self.loops):
            anew = final[:k + 1].all()
            # A loop of one iteration is always in its last.
            single = self.count[k][1:] == 0
            with m.If((load | step) & final[:k].all()):
                m.d.comb += coming[k].eq(Mux(anew, single, equal(following[k], self.count[k])))
                m.d.sync += [
                    here[k].eq(Mux(done, self.i.p.address, onward)),
                    following[k].eq(Mux(anew, 2, following[k] + 1)),
                ]
        m.d.sync += final.eq(coming)
        for k in reversed(range(self.loops)):
            with m.If(~coming[k]):
                m.d.sync += turn.eq(k)
        with m.If(load):
            m.d.sync += [valid.eq(1), last_base.eq(self.i.p.last)]
        with m.Elif(done & self.o.ready):
            m.d.sync += valid.eq(0)
        with m.If(self.clear):
            m.d.sync += [valid.eq(0), final.eq(-1)]

        return m
