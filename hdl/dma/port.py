"""DMA port of a tile: a read, a write and, where there is a convolver, a weight channel."""

from amaranth.hdl import Module, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from ..axi import ReadMaster, WriteMaster
from ..memory_write import MemoryWrite
from ..registers import dma_units
from .read import ReadChannel
from .weights import WeightChannel
from .write import WriteChannel

__all__ = ["Port"]


class Port(wiring.Component):
    """The channels of one DMA port.

    See `ReadChannel`, `WriteChannel` and `WeightChannel` for what they do, for throughput and
    latency.

    Parameters
    ----------
    target : Target
        The machine.
    weights : bool
        Whether there is a weight channel.

    Members
    -------
    o : Out(stream of signed(16))
        Samples read.
    i : In(stream of signed(16))
        Samples to write.
    weights : Out(stream of signed(16))
        Weights, if there is a weight channel.
    read_bus : Out(ReadMaster(target.data_width))
    weights_bus : Out(ReadMaster(target.data_width))
        If there is a weight channel.
    write_bus : Out(WriteMaster(target.data_width))
    read_config, write_config : In(layout of unit ``read``, ``write``)
    weights_config : In(layout of unit ``weights``)
        If there is a weight channel.
    read_table, write_table : In(MemoryWrite)
        Base addresses of the read channel's next step, offsets of the write channel's.
    start : In(1)
        Begin the step that the configurations describe; only while not busy.
    abort : In(1)
        End all transfers: request nothing more, and wait for what was requested. A start in the
        same cycle begins no transfer.
    busy : Out(1)
        From the cycle behind ``start`` until every channel has ended.
    error : Out(1)
        Memory answered other than OKAY since the last ``start``.
    read_active, write_active : Out(1)
        A sample was read (written) in the cycle before.
    read_stall : Out(1)
        In the cycle before the sink was ready, the read channel busy, and no sample there.
    write_stall : Out(1)
        In the cycle before a sample was offered, the write channel busy, and did not take it.

    Source: docs/architecture.md, "DMA port".
    """

    def __init__(self, target, weights):
        self.target = target
        self.has_weights = bool(weights)
        units = dma_units(target, self.has_weights)
        samples = stream.Signature(signed(16))
        members = {
            "o": Out(samples), "i": In(samples),
            "read_bus": Out(ReadMaster(target.data_width)),
            "write_bus": Out(WriteMaster(target.data_width)),
            "read_config": In(units["read"].layout), "write_config": In(units["write"].layout),
            "read_table": In(MemoryWrite(ceil_log2(units["read_table"].words))),
            "write_table": In(MemoryWrite(ceil_log2(units["write_table"].words))),
            "start": In(1), "abort": In(1), "busy": Out(1), "error": Out(1),
            "read_active": Out(1), "read_stall": Out(1),
            "write_active": Out(1), "write_stall": Out(1),
        }
        if self.has_weights:
            members |= {
                "weights": Out(samples),
                "weights_bus": Out(ReadMaster(target.data_width)),
                "weights_config": In(units["weights"].layout),
            }
        super().__init__(members)

    def elaborate(self, platform):
        m = Module()

        m.submodules.read = read = ReadChannel(self.target)
        m.submodules.write = write = WriteChannel(self.target)
        channels = [read, write]
        wiring.connect(m, read.o, wiring.flipped(self.o))
        wiring.connect(m, read.bus, wiring.flipped(self.read_bus))
        wiring.connect(m, wiring.flipped(self.read_table), read.table)
        wiring.connect(m, wiring.flipped(self.write_table), write.table)
        wiring.connect(m, wiring.flipped(self.i), write.i)
        wiring.connect(m, write.bus, wiring.flipped(self.write_bus))
        m.d.comb += [read.config.eq(self.read_config), write.config.eq(self.write_config)]
        if self.has_weights:
            m.submodules.weight = weight = WeightChannel(self.target)
            channels.append(weight)
            wiring.connect(m, weight.o, wiring.flipped(self.weights))
            wiring.connect(m, weight.bus, wiring.flipped(self.weights_bus))
            m.d.comb += weight.config.eq(self.weights_config)

        busy = error = 0
        for channel in channels:
            m.d.comb += [channel.start.eq(self.start), channel.abort.eq(self.abort)]
            busy |= channel.busy
            error |= channel.error
        m.d.comb += self.busy.eq(busy)
        m.d.sync += [
            self.error.eq((self.error | error) & ~self.start),
            self.read_active.eq(self.o.valid & self.o.ready),
            self.read_stall.eq(read.busy & self.o.ready & ~self.o.valid),
            self.write_active.eq(self.i.valid & self.i.ready),
            self.write_stall.eq(write.busy & self.i.valid & ~self.i.ready),
        ]

        return m
