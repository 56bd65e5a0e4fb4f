"""Write channel of a DMA port: a stream to memory, four loops from each of some addresses."""

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from ..axi import WriteMaster
from ..memory_write import MemoryWrite
from ..registers import dma_units
from .address import AddressGenerator
from .base_table import BaseTable
from .store import Store

__all__ = ["WriteChannel"]


class WriteChannel(wiring.Component):
    """Stream to memory: for each table entry, for four loops.

    The n-th sample goes to the n-th address base + offset[entry] + sum(index_k * stride_k); with
    ``entries`` 0 there is one entry, of offset 0. 1 sample a cycle while the bus takes the
    bursts, see `Store`.

    Parameters
    ----------
    target : Target
        The machine.

    Members
    -------
    config : In(layout of unit ``write``)
    table : In(MemoryWrite)
        Offsets in samples; fills the shadow bank.
    i : In(stream of signed(16))
        Samples. Never ready while not busy.
    bus : Out(WriteMaster(target.data_width))
    start : In(1)
        Take the new ``config`` and exchange the banks; only while not busy.
    abort : In(1)
        End the transfer once all responses have come; see `Store`. A start in the same cycle has
        no effect.
    busy : Out(1)
        From the cycle behind ``start`` until the last response has come.
    error : Out(1)
        A response with an error came in the cycle before.

    Source: docs/architecture.md, "DMA port".
    """

    def __init__(self, target):
        self.target = target
        units = dma_units(target, convolver=False)
        super().__init__({
            "config": In(units["write"].layout),
            "table": In(MemoryWrite(ceil_log2(units["write_table"].words))),
            "i": In(stream.Signature(signed(16))),
            "bus": Out(WriteMaster(target.data_width)),
            "start": In(1), "abort": In(1), "busy": Out(1), "error": Out(1),
        })

    def elaborate(self, platform):
        m = Module()

        m.submodules.table = table = BaseTable(self.target.table_depth)
        m.submodules.addresses = addresses = AddressGenerator()
        m.submodules.store = store = Store(self.target.data_width)

        begun, aborted = Signal(), Signal()
        m.d.sync += [begun.eq(self.start & self.config.enable & ~self.abort),
                     aborted.eq(self.abort)]

        wiring.connect(m, store.bus, wiring.flipped(self.bus))
        wiring.connect(m, wiring.flipped(self.table), table.table)
        offset = Mux(self.config.entries == 0, 0, table.o.p.address)
        m.d.comb += [
            table.entries.eq(self.config.entries),
            table.repeat.eq(1),
            table.start.eq(self.start),
            table.enable.eq(self.config.enable),
            table.clear.eq(self.abort),
            addresses.i.valid.eq(table.o.valid),
            addresses.i.p.address.eq(self.config.base + offset),
            addresses.i.p.last.eq(table.o.p.last),
            table.o.ready.eq(addresses.i.ready),
            addresses.count.eq(self.config.count),
            addresses.stride.eq(self.config.stride),
            addresses.clear.eq(self.start | self.abort),
            store.start.eq(begun),
            store.abort.eq(aborted),
            # Both sides of this are registers: the router's, and those of addresses and store.
            store.i.p.sample.eq(self.i.payload),
            store.i.p.place.eq(addresses.o.payload),
            store.i.valid.eq(self.i.valid & addresses.o.valid),
            self.i.ready.eq(store.i.ready & addresses.o.valid),
            addresses.o.ready.eq(store.i.ready & self.i.valid),
            self.busy.eq(begun | store.busy),
            self.error.eq(store.error),
        ]

        return m
