"""Table of base addresses: where the loops of a DMA channel start, entry by entry."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from ..memory_write import MemoryWrite
from ..registers import ADDRESS_WIDTH
from ..select import equal
from .address import MarkedAddress

__all__ = ["BaseTable"]


class BaseTable(wiring.Component):
    """Table of base addresses in two banks, walked as often as asked.

    A walk begins in the cycle behind ``start``, with what was written since the start before.
    Latency 2 cycles from ``start`` to the first base; 1 base a cycle.

    Parameters
    ----------
    depth : int
        Entries of a bank, a power of two of at least 2.

    Members
    -------
    table : In(MemoryWrite)
        Fills the shadow bank; a word written while ``start`` is high is the next step's.
    entries : In(range(depth + 1))
        Entries to walk, from entry 0; 0 counts as 1. Constant while walking.
    repeat : In(16)
        Times the entries are walked; 0 counts as 1. Constant while walking.
    start : In(1)
        Exchange the banks, forget a walk.
    enable : In(1)
        With ``start``: begin a walk.
    clear : In(1)
        Forget a walk.
    o : Out(stream of MarkedAddress)
        Bases in samples; ``last`` on the last one of the last walk.

    Raises
    ------
    ValueError
        If ``depth`` is out of range.
    """

    def __init__(self, depth):
        if depth < 2 or depth & (depth - 1):
            raise ValueError(f"depth must be a power of two of at least 2, not {depth}")
        self.depth = depth
        super().__init__({
            "table": In(MemoryWrite(ceil_log2(depth))),
            "entries": In(range(depth + 1)),
            "repeat": In(16),
            "start": In(1), "enable": In(1), "clear": In(1),
            "o": Out(stream.Signature(MarkedAddress())),
        })

    def elaborate(self, platform):
        m = Module()

        m.submodules.memory = words = memory.Memory(
            shape=ADDRESS_WIDTH, depth=2 * self.depth, init=[], attrs={"ram_style": "block"})
        write, read = words.write_port(), words.read_port()

        bank = Signal()
        with m.If(self.start):
            m.d.sync += bank.eq(~bank)
        m.d.comb += [
            write.en.eq(self.table.en),
            write.addr.eq(Cat(self.table.addr, ~(bank ^ self.start))),
            write.data.eq(self.table.data),
        ]

        # The next entry and its number from 1, and the number of the present walk.
        entry = Signal(range(self.depth), reset_less=True)
        number = Signal(range(1, self.depth + 1), init=1, reset_less=True)
        walk = Signal(16, init=1, reset_less=True)
        walking, valid, last = Signal(), Signal(), Signal()
        wraps, ends, step = Signal(), Signal(), Signal()
        m.d.comb += [
            # The memory's output register holds the base on offer.
            self.o.valid.eq(valid & ~self.start & ~self.clear),
            self.o.p.address.eq(read.data),
            self.o.p.last.eq(last),
            wraps.eq((number == self.entries) | (self.entries == 0)),
            ends.eq(wraps & (equal(walk, self.repeat) | (self.repeat == 0))),
            step.eq(walking & (~valid | self.o.ready)),
            read.addr.eq(Cat(entry, bank)),
            read.en.eq(step),
        ]
        with m.If(step):
            m.d.sync += [
                entry.eq(entry + 1), number.eq(number + 1), walk.eq(walk + wraps),
                last.eq(ends), walking.eq(~ends), valid.eq(1),
            ]
        with m.Elif(self.o.ready):
            m.d.sync += valid.eq(0)
        with m.If(self.start | self.clear):
            m.d.sync += [
                walk.eq(1), valid.eq(0), walking.eq(self.start & self.enable & ~self.clear),
            ]
        with m.If((step & wraps) | self.start | self.clear):
            m.d.sync += [entry.eq(0), number.eq(1)]

        return m
