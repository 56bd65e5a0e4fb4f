"""Performance counters: which there are, and the component that counts."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for, ceil_log2

from ..events import CONVOLVER_EVENTS, PORT_EVENTS
from ..select import select
from .host_registers import MAX_COUNTERS

__all__ = ["LIVE_LATENCY", "Counters", "counter_names"]

#: Cycles from an index to its counter's value.
LIVE_LATENCY = 9


def counter_names(target):
    """Return the names of a target's counters, in order.

    Counter 0, ``cycles``, counts while a program runs; the others count the cycles in which their
    event is high.

    Parameters
    ----------
    target : Target
        The machine.

    Returns
    -------
    list of str
        ``cycles``, then ``convolver{tile}_{event}`` for each convolver, then ``port{p}_{event}``.
    """
    return ["cycles",
            *(f"convolver{tile}_{event}" for tile in target.convolvers
              for event in CONVOLVER_EVENTS),
            *(f"port{port}_{event}" for port in range(target.ports) for event in PORT_EVENTS)]


class Counters(wiring.Component):
    """Counters of 32 bits that wrap, with a snapshot of all of them.

    Each event has a small counter of its own; one adder brings them, one after the other, into the
    totals, which are in block RAM. Both read ports give exact values: what is in the small counter
    is added to the total that is read, and a snapshot keeps all small counters at its instant and
    adds them to the totals of that instant.

    An event counts two cycles after it is seen.

    Parameters
    ----------
    count : int
        Number of counters.

    Members
    -------
    events : In(count)
        Each bit adds one to its counter in each cycle it is high.
    clear : In(1)
        Set all counters to 0; events of that cycle are not counted.
    snapshot : In(1)
        Copy all counters as they are in this cycle; not twice within 3 cycles. The copy before is
        lost, and this one if ``clear`` comes before it is complete.
    live_index, live : In, Out(32)
        Read port of the counters: the value of at most `LIVE_LATENCY` cycles ago, that many cycles
        behind the index.
    bank_index, bank : In, Out(32)
        Read port of the snapshot: the value in the cycle behind the index, while ``banked``.
    banked : Out(1)
        The copy is complete; some ``2 * count`` cycles behind the snapshot.

    Raises
    ------
    ValueError
        If ``count`` is out of range.
    """

    def __init__(self, count):
        if not 1 <= count <= MAX_COUNTERS:
            raise ValueError(f"number of counters must be in 1..{MAX_COUNTERS}, not {count}")
        self.count = count
        index = max(1, ceil_log2(count))
        self._turns = max(2, count)  # of a lone counter each second turn is no one's
        super().__init__({
            "events": In(count), "clear": In(1), "snapshot": In(1),
            "live_index": In(index), "live": Out(32),
            "bank_index": In(index), "bank": Out(32), "banked": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        # What reaches all counters, or comes from all over the chip, has a register of its own.
        snapshot, clear, events = Signal(), Signal(), Signal(self.count)
        m.d.sync += [snapshot.eq(self.snapshot), clear.eq(self.clear), events.eq(self.events)]
        # Even cycles visit one counter after the other, odd ones look at that of `live_index`.
        odd, turn = Signal(), Signal.like(self.live_index)
        visits = ~odd & ~snapshot & ~clear
        # The totals from `turn` on are those from before a `clear`, or from before the reset.
        stale = Signal(init=1)
        with m.If(odd):
            m.d.sync += [odd.eq(0), turn.eq(turn + 1)]
            with m.If(turn == self._turns - 1):
                m.d.sync += [turn.eq(0), stale.eq(0)]
        with m.Elif(~snapshot):
            m.d.sync += odd.eq(1)
        with m.If(clear):
            m.d.sync += [odd.eq(0), turn.eq(0), stale.eq(1)]

        small, kept = self._small(m, events, snapshot, clear, visits, turn)
        index = Mux(odd, self.live_index, turn)
        part, kept_part = Signal.like(small[0]), Signal.like(small[0])
        old, added = Signal(), Signal()  # whether the total counts as 0; whether this was a visit
        m.d.sync += [
            part.eq(select(index, small)), kept_part.eq(select(turn, kept)),
            old.eq(stale & (~odd | (self.live_index > turn))), added.eq(visits),
        ]

        m.submodules.totals = totals = Memory(
            shape=32, depth=1 << len(turn), init=[], attrs={"ram_style": "block"})
        read, write = totals.read_port(), totals.write_port()
        total = Mux(old, 0, read.data)
        with m.If(~odd & ~added & ~self._unsettled(m, odd, turn)):
            m.d.sync += self.live.eq(write.data)
        m.d.comb += [
            read.addr.eq(index),
            write.addr.eq(turn), write.data.eq(total + part), write.en.eq(added),
        ]
        self._copy(m, snapshot, clear, turn, visits, added, total + kept_part)
        return m

    def _unsettled(self, m, odd, turn):
        """Return whether the total looked at in the cycle before was just being written."""
        unsettled = Signal()
        m.d.sync += unsettled.eq(~odd | (self.live_index == turn))
        return unsettled

    def _small(self, m, seen, snapshot, clear, visits, turn):
        """Return the small counters, and what they were at the snapshot.

        A visit takes two cycles, or three with a snapshot.
        """
        events = Signal(self.count)
        m.d.sync += events.eq(seen)
        with m.If(clear):
            m.d.sync += events.eq(0)
        width = bits_for(3 * self._turns)
        small = [Signal(width, name=f"small{k}") for k in range(self.count)]
        kept = [Signal(width, name=f"kept{k}", reset_less=True) for k in range(self.count)]
        for k in range(self.count):
            with m.If(clear):
                m.d.sync += small[k].eq(0)
            with m.Elif(visits & (turn == k)):
                m.d.sync += small[k].eq(events[k])
            with m.Else():
                m.d.sync += small[k].eq(small[k] + events[k])
            with m.If(snapshot):
                m.d.sync += kept[k].eq(small[k])
        return small, kept

    def _copy(self, m, snapshot, clear, turn, visits, added, value):
        """Copy each total, and what its small counter was, at its first visit behind a snapshot."""
        m.submodules.copies = copies = Memory(
            shape=32, depth=1 << len(turn), init=[], attrs={"ram_style": "block"})
        read, write = copies.read_port(), copies.write_port()
        left, copying = Signal(range(self._turns + 1)), Signal()
        m.d.sync += copying.eq(left != 0)
        with m.If(clear):
            m.d.sync += left.eq(0)
        with m.Elif(snapshot):
            m.d.sync += left.eq(self._turns)
        with m.Elif(visits & (left != 0)):
            m.d.sync += left.eq(left - 1)
        m.d.comb += [
            write.addr.eq(turn), write.data.eq(value), write.en.eq(added & copying),
            read.addr.eq(self.bank_index), self.bank.eq(read.data),
            self.banked.eq((left == 0) & ~copying & ~snapshot),
        ]
