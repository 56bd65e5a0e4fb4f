"""Master of an AXI4-Lite port: one access at a time, asked for on a register bus."""

import operator

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..axi import OKAY, LiteSignature
from ..host_port import RegisterBus

__all__ = ["LiteMaster"]


class LiteMaster(wiring.Component):
    """Carries out the accesses of a register bus on an AXI4-Lite port.

    Parameters
    ----------
    address_width : int
        Bits of a byte address.

    Members
    -------
    bus : In(RegisterBus(address_width))
    host : Out(LiteSignature(address_width))

    Source: AMBA AXI and ACE Protocol Specification, ARM IHI 0022, chapter B1.
    """

    def __init__(self, address_width):
        self.address_width = operator.index(address_width)
        super().__init__({"bus": In(RegisterBus(self.address_width)),
                          "host": Out(LiteSignature(self.address_width))})

    def elaborate(self, platform):
        m = Module()
        bus, host = self.bus, self.host
        m.d.comb += [
            host.awaddr.eq(bus.address), host.araddr.eq(bus.address),
            host.wdata.eq(bus.data), host.wstrb.eq(0xF),
            bus.value.eq(host.rdata), bus.done.eq(host.rvalid | host.bvalid),
            bus.error.eq(Mux(bus.read, host.rresp, host.bresp) != OKAY),
            host.rready.eq(bus.read), host.bready.eq(bus.write),
        ]
        # An access is under way; which of its channels the slave has taken.
        for wanted, channels in ((bus.read, ("ar",)), (bus.write, ("aw", "w"))):
            for channel in channels:
                taken = Signal(name=f"{channel}_taken")
                valid, ready = getattr(host, f"{channel}valid"), getattr(host, f"{channel}ready")
                m.d.comb += valid.eq(wanted & ~taken)
                with m.If(bus.done):
                    m.d.sync += taken.eq(0)
                with m.Elif(valid & ready):
                    m.d.sync += taken.eq(1)
        return m
