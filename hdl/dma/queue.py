"""Requests of several masters, put in one queue by round robin."""

import operator

from amaranth.hdl import Cat, Module, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from ..select import select
from ..stream import StreamFifo
from .arbiter import RoundRobin
from .coalescer import BurstLayout

__all__ = ["RequestLayout", "RequestQueue"]

#: Requests that may wait for the bus, and the room that those on their way need: from the cycle
#: in which a request takes the room until the next one is refused.
_DEPTH, _MARGIN = 8, 4


class RequestLayout(data.StructLayout):
    """A burst and the number of the master that asks for it."""

    def __init__(self, masters, data_width):
        super().__init__({"master": unsigned(bits_for(masters - 1)),
                          "burst": BurstLayout(data_width)})


class RequestQueue(wiring.Component):
    """Join the masters' read or write addresses.

    Round robin a burst: see `RoundRobin`. Latency 4 cycles, 1 request a cycle, also from one
    master alone.

    Parameters
    ----------
    masters : int
        Number of masters, at least 1.
    data_width : int
        Bits of a beat.

    Members
    -------
    i : In(stream of BurstLayout(data_width)), array of ``masters``
        Bursts of each master.
    o : Out(stream of RequestLayout(masters, data_width))
        Bursts of all masters.
    pause : In(1)
        Take no more; two may follow that of this cycle.
    taken : Out(masters)
        Bit k: a burst of master k goes into the queue in this cycle. At most one bit is set.
    length : Out
        Beats of that burst, less one.

    Raises
    ------
    TypeError
        If ``masters`` is not an integer.
    ValueError
        If a parameter is out of range.
    """

    def __init__(self, masters, data_width):
        self.masters = operator.index(masters)
        if self.masters < 1:
            raise ValueError(f"masters must be at least 1, not {masters}")
        self.burst = BurstLayout(data_width)
        self.layout = RequestLayout(self.masters, data_width)
        super().__init__({
            "i": In(stream.Signature(self.burst)).array(self.masters),
            "o": Out(stream.Signature(self.layout)),
            "pause": In(1),
            "taken": Out(self.masters),
            "length": Out(self.burst["length"].shape),
        })

    def elaborate(self, platform):
        m = Module()

        m.submodules.arbiter = arbiter = RoundRobin(self.masters)
        m.submodules.queue = queue = StreamFifo(self.layout, _DEPTH)
        # The grant as one bit a master and, for the multiplexer, as a number.
        granted, number, room = Signal(self.masters), Signal(self.layout["master"].shape), Signal()
        m.d.sync += [
            room.eq((queue.level < _DEPTH - _MARGIN) & ~self.pause),
            granted.eq(arbiter.grant),
            number.eq(Cat(
                Cat(arbiter.grant[k] for k in range(self.masters) if k >> bit & 1).any()
                for bit in range(len(number)))),
        ]
        for k, master in enumerate(self.i):
            # A master that is granted again before its next burst is there loses its turn; that
            # happens only while no other one asks.
            m.d.comb += [
                arbiter.requests[k].eq(master.valid & room),
                master.ready.eq(granted[k]),
                self.taken[k].eq(granted[k] & master.valid),
            ]

        m.d.comb += [
            queue.i.valid.eq(self.taken.any()),
            queue.i.p.burst.eq(select(number, [master.p.as_value() for master in self.i])),
            queue.i.p.master.eq(number),
            self.length.eq(queue.i.p.burst.length),
        ]
        wiring.connect(m, queue.o, wiring.flipped(self.o))

        return m
