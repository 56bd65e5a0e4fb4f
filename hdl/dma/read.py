"""Read channel of a DMA port: base addresses from a table, four loops around each."""

from amaranth.hdl import Module, Signal, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from ..axi import ReadMaster
from ..memory_write import MemoryWrite
from ..registers import dma_units
from .address import AddressGenerator
from .base_table import BaseTable
from .fetch import Fetch

__all__ = ["ReadChannel"]


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
