"""Requests of several masters, put in one queue by round robin."""

import operator
from functools import reduce

from amaranth.hdl import Cat, Module, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from ..axi import AddressLayout
from ..stream import StreamFifo
from .arbiter import RoundRobin

__all__ = ["RequestLayout", "RequestQueue", "select"]

#: Requests that may wait for the bus.
_DEPTH = 8


def select(chosen, values):
    """Return the value whose bit is set in ``chosen``, of which at most one is, or 0."""
    return reduce(operator.or_, (
        value & bit.replicate(len(value)) for bit, value in zip(chosen, values, strict=True)))


class RequestLayout(data.StructLayout):
    """A burst and the number of the master that asks for it."""

    def __init__(self, masters):
        super().__init__({"master": unsigned(bits_for(masters - 1)), "burst": AddressLayout()})


class RequestQueue(wiring.Component):
    """Join the masters' read or write addresses.

    Round robin a burst: see `RoundRobin`. Latency 3 cycles, 1 request a cycle, also from one
    master alone. A master with ``outstanding`` bursts waits until one of them has ended.

    Parameters
    ----------
    masters : int
        Number of masters, at least 1.
    outstanding : int
        Most bursts of a master that have been taken and not ended, at least 4.

    Members
    -------
    i : In(stream of AddressLayout), array of ``masters``
        Bursts of each master.
    o : Out(stream of RequestLayout(masters))
        Bursts of all masters.
    pause : In(1)
        Take no more; one may follow that of this cycle.
    taken : Out(masters)
        Bit k: a burst of master k goes into the queue in this cycle. At most one bit is set.
    ended : In(masters)
        Bit k: a burst of master k has ended.

    Raises
    ------
    TypeError
        If a parameter is not an integer.
    ValueError
        If a parameter is out of range.
    """

    def __init__(self, masters, outstanding):
        self.masters = operator.index(masters)
        self.outstanding = operator.index(outstanding)
        for name, value, low in (("masters", self.masters, 1),
                                 ("outstanding", self.outstanding, 4)):
            if value < low:
                raise ValueError(f"{name} must be at least {low}, not {value}")
        super().__init__({
            "i": In(stream.Signature(AddressLayout())).array(self.masters),
            "o": Out(stream.Signature(RequestLayout(self.masters))),
            "pause": In(1),
            "taken": Out(self.masters),
            "ended": In(self.masters),
        })

    def elaborate(self, platform):
        m = Module()

        m.submodules.arbiter = arbiter = RoundRobin(self.masters)
        m.submodules.queue = queue = StreamFifo(RequestLayout(self.masters), _DEPTH)
        # Two more come after the one that takes the room: `room` and the grant are registers.
        room, allowed = Signal(), Signal(self.masters)
        m.d.sync += room.eq((queue.level < _DEPTH - 2) & ~self.pause)
        offers = []
        for k in range(self.masters):
            # A master that is granted again before its next burst is there loses its turn; that
            # happens only while no other one asks.
            m.d.comb += [
                arbiter.requests[k].eq(self.i[k].valid & room & allowed[k]),
                self.i[k].ready.eq(arbiter.grant[k]),
                self.taken[k].eq(arbiter.grant[k] & self.i[k].valid),
            ]
            offers.append(self.i[k].payload.as_value())

            count = Signal(range(self.outstanding + 1), name=f"outstanding{k}")
            m.d.sync += [
                count.eq(count + self.taken[k] - self.ended[k]),
                allowed[k].eq(count < self.outstanding - 2),
            ]

        m.d.comb += [
            queue.i.valid.eq(self.taken.any()),
            queue.i.p.burst.eq(select(self.taken, offers)),
            queue.i.p.master.eq(Cat(
                Cat(self.taken[k] for k in range(self.masters) if k >> bit & 1).any()
                for bit in range(len(queue.i.p.master)))),
        ]
        wiring.connect(m, queue.o, wiring.flipped(self.o))

        return m
