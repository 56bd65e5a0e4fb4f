"""Performance counters: which there are, and the component that counts."""

from amaranth.hdl import Array, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from ..events import CONVOLVER_EVENTS, PORT_EVENTS
from .host_registers import MAX_COUNTERS

__all__ = ["Counters", "counter_names"]


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

    An event counts one cycle after it is seen. A read gives its value one cycle after its index
    is set, by either port.

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
        Copy all counters, in one cycle.
    live_index, live : In, Out(32)
        Read port of the counters.
    bank_index, bank : In, Out(32)
        Read port of the snapshot.

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
        super().__init__({
            "events": In(count), "clear": In(1), "snapshot": In(1),
            "live_index": In(index), "live": Out(32),
            "bank_index": In(index), "bank": Out(32),
        })

    def elaborate(self, platform):
        m = Module()
        # Events come from all over the chip: a register of their own, then the adder.
        events = Signal(self.count)
        m.d.sync += events.eq(self.events)
        counters = Array(Signal(32, name=f"counter{index}") for index in range(self.count))
        bank = Array(Signal(32, name=f"bank{index}") for index in range(self.count))
        for index in range(self.count):
            with m.If(self.clear):
                m.d.sync += counters[index].eq(0)
            with m.Elif(events[index]):
                m.d.sync += counters[index].eq(counters[index] + 1)
            with m.If(self.snapshot):
                m.d.sync += bank[index].eq(counters[index])
        m.d.sync += [
            self.live.eq(counters[self.live_index]),
            self.bank.eq(bank[self.bank_index]),
        ]
        with m.If(self.clear):
            m.d.sync += events.eq(0)
        return m
