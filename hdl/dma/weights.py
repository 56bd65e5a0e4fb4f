"""Weight channel of a DMA port: one contiguous piece of memory, read as often as asked."""

from amaranth.hdl import Module, Signal, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..axi import ReadMaster
from ..registers import dma_units
from ..select import equal
from .address import AddressGenerator
from .fetch import Fetch

__all__ = ["WeightChannel"]


class WeightChannel(wiring.Component):
    """Memory to weight contexts: ``length`` samples from ``base``, ``repeat`` times.

    1 sample a cycle while the bus delivers. Latency from ``start`` to the first sample: 3 cycles
    and that of `Fetch`.

    Parameters
    ----------
    target : Target
        The machine.

    Members
    -------
    config : In(layout of unit ``weights``)
    o : Out(stream of signed(16))
        Weights.
    bus : Out(ReadMaster(target.data_width))
    start : In(1)
        Take the new ``config``; only while not busy.
    abort : In(1)
        End the transfer once outstanding bursts have come back, dropping their data. A start in
        the same cycle has no effect.
    busy : Out(1)
        From the cycle behind ``start`` until the last sample has moved.
    error : Out(1)
        A beat with an error came in the cycle before.

    Source: docs/architecture.md, "DMA port".
    """

    def __init__(self, target):
        self.target = target
        super().__init__({
            "config": In(dma_units(target, convolver=True)["weights"].layout),
            "o": Out(stream.Signature(signed(16))),
            "bus": Out(ReadMaster(target.data_width)),
            "start": In(1), "abort": In(1), "busy": Out(1), "error": Out(1),
        })

    def elaborate(self, platform):
        m = Module()

        m.submodules.addresses = addresses = AddressGenerator(
            loops=1, count_width=len(self.config.length))
        m.submodules.fetch = fetch = Fetch(self.target.data_width)

        begun, aborted = Signal(), Signal()
        m.d.sync += [begun.eq(self.start & self.config.enable & ~self.abort),
                     aborted.eq(self.abort)]

        # The base is offered once for each time that the piece is read.
        offered, rounds = Signal(), Signal.like(self.config.repeat, reset_less=True)
        last = equal(rounds, self.config.repeat) | (self.config.repeat == 0)
        with m.If(begun):
            m.d.sync += [offered.eq(1), rounds.eq(1)]
        with m.Elif(addresses.i.valid & addresses.i.ready):
            m.d.sync += [offered.eq(~last), rounds.eq(rounds + 1)]
        with m.If(self.start | self.abort):
            m.d.sync += offered.eq(0)

        wiring.connect(m, addresses.o, fetch.i)
        wiring.connect(m, fetch.bus, wiring.flipped(self.bus))
        m.d.comb += [
            addresses.i.valid.eq(offered),
            addresses.i.p.address.eq(self.config.base),
            addresses.i.p.last.eq(last),
            addresses.count[0].eq(self.config.length),
            addresses.stride[0].eq(1),
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
