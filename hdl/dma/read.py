"""Read channel of a DMA port: base addresses from a table, four loops around each."""

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from ..axi import ReadMaster
from ..memory_write import MemoryWrite
from ..registers import ADDRESS_WIDTH, dma_units
from .address import AddressGenerator, MarkedAddress
from .fetch import Fetch

__all__ = ["BaseTable", "ReadChannel"]


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
        Entries to walk, from entry 0; 0 counts as 1.
    repeat : In(16)
        Times the entries are walked; 0 counts as 1.
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

        entry = Signal(range(self.depth))
        entries, walks = Signal(range(self.depth + 1)), Signal(16)
        walking, valid, last = Signal(), Signal(), Signal()
        wraps, step = Signal(), Signal()
        m.d.comb += [
            # The memory's output register holds the base on offer.
            self.o.valid.eq(valid & ~self.start & ~self.clear),
            self.o.p.address.eq(read.data),
            self.o.p.last.eq(last),
            wraps.eq(entries[1:] == 0),
            step.eq(walking & (~valid | self.o.ready)),
            read.addr.eq(Cat(entry, bank)),
            read.en.eq(step),
        ]
        with m.If(step):
            m.d.sync += [
                entry.eq(Mux(wraps, 0, entry + 1)),
                entries.eq(Mux(wraps, self.entries, entries - 1)),
                last.eq(wraps & (walks[1:] == 0)),
                walking.eq(~(wraps & (walks[1:] == 0))),
                walks.eq(walks - wraps),
                valid.eq(1),
            ]
        with m.Elif(self.o.ready):
            m.d.sync += valid.eq(0)
        with m.If(self.start | self.clear):
            m.d.sync += [
                entry.eq(0), entries.eq(self.entries), walks.eq(self.repeat), valid.eq(0),
                walking.eq(self.start & self.enable & ~self.clear),
            ]

        return m


class ReadChannel(wiring.Component):
    """Memory to stream: for repeat, for each table entry, for four loops.

    Sample n of the stream is the n-th in this order; its address is base[entry] + sum(index_k *
    stride_k). 1 sample a cycle while the bus delivers. Latency from ``start`` to the first
    sample: 3 cycles and that of `Fetch`.

    Parameters
    ----------
    target : Target
        The machine.

    Members
    -------
    config : In(layout of unit ``read``)
    table : In(MemoryWrite)
        Base addresses in samples; fills the shadow bank.
    o : Out(stream of signed(16))
        Samples.
    bus : Out(ReadMaster(target.data_width))
    start : In(1)
        Take the new ``config`` and exchange the banks; only while not busy.
    abort : In(1)
        End the transfer once outstanding bursts have come back, dropping their data. A start in
        the same cycle only exchanges the banks.
    busy : Out(1)
        From the cycle behind ``start`` until the last sample has moved.
    error : Out(1)
        A beat with an error came in the cycle before.

    Source: docs/architecture.md, "DMA port".
    """

    def __init__(self, target):
        self.target = target
        units = dma_units(target, convolver=False)
        super().__init__({
            "config": In(units["read"].layout),
            "table": In(MemoryWrite(ceil_log2(units["read_table"].words))),
            "o": Out(stream.Signature(signed(16))),
            "bus": Out(ReadMaster(target.data_width)),
            "start": In(1), "abort": In(1), "busy": Out(1), "error": Out(1),
        })

    def elaborate(self, platform):
        m = Module()

        m.submodules.table = table = BaseTable(self.target.table_depth)
        m.submodules.addresses = addresses = AddressGenerator()
        m.submodules.fetch = fetch = Fetch(self.target.data_width)

        begun, aborted = Signal(), Signal()
        m.d.sync += [begun.eq(self.start & self.config.enable & ~self.abort),
                     aborted.eq(self.abort)]

        wiring.connect(m, wiring.flipped(self.table), table.table)
        wiring.connect(m, table.o, addresses.i)
        wiring.connect(m, addresses.o, fetch.i)
        wiring.connect(m, fetch.bus, wiring.flipped(self.bus))
        m.d.comb += [
            table.entries.eq(self.config.entries),
            table.repeat.eq(self.config.repeat),
            table.start.eq(self.start),
            table.enable.eq(self.config.enable),
            table.clear.eq(self.abort),
            addresses.count.eq(self.config.count),
            addresses.stride.eq(self.config.stride),
            addresses.clear.eq(self.start | self.abort),
            fetch.start.eq(begun),
            fetch.abort.eq(aborted),
            self.o.valid.eq(fetch.o.valid),
            self.o.payload.eq(fetch.o.p.sample),
            fetch.o.ready.eq(self.o.ready),
            self.busy.eq(begun | fetch.busy),
            self.error.eq(fetch.error),
        ]

        return m
