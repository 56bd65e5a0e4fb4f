"""The host's AXI4-Lite port, made a simple register bus."""

import operator

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .axi import OKAY, SLVERR, LiteSignature

__all__ = ["HostPort", "RegisterBus"]


class RegisterBus(wiring.Signature):
    """One access at a time: it is held until it is done.

    Members
    -------
    address : Out(address_width)
        Byte address of a word, a multiple of 4.
    read, write : Out(1)
        Access wanted, never both.
    data : Out(32)
        Word to write.
    done : In(1)
        The access is done in this cycle.
    value : In(32)
        With ``done``: word read.
    error : In(1)
        With ``done``: there is no such register, or it cannot be written.
    """

    def __init__(self, address_width):
        super().__init__({
            "address": Out(address_width), "read": Out(1), "write": Out(1), "data": Out(32),
            "done": In(1), "value": In(32), "error": In(1)})


class HostPort(wiring.Component):
    """AXI4-Lite slave before a register bus.

    Address and data of a write may come in any order. One access is served at a time; when a read
    and a write wait, they take turns. A write of less than a whole word, or of a misaligned
    address, is refused with SLVERR and not passed on. Latency: two cycles and those of the bus.

    Parameters
    ----------
    address_width : int
        Bits of a byte address.

    Members
    -------
    host : In(LiteSignature(address_width))
    bus : Out(RegisterBus(address_width))

    Raises
    ------
    TypeError
        If ``address_width`` is not an integer.
    ValueError
        If it is out of range.

    Source: AMBA AXI and ACE Protocol Specification, ARM IHI 0022, chapter B1.
    """

    def __init__(self, address_width):
        self.address_width = operator.index(address_width)
        if not 3 <= self.address_width <= 32:
            raise ValueError(f"address_width must be in 3..32, not {address_width}")
        super().__init__({
            "host": In(LiteSignature(self.address_width)),
            "bus": Out(RegisterBus(self.address_width)),
        })

    def elaborate(self, platform):
        m = Module()
        host, bus = self.host, self.bus

        # What each channel has brought; ready says that its place is free.
        held = {channel: Signal(name=f"{channel}_held") for channel in ("aw", "w", "ar")}
        aw_address, ar_address = Signal(self.address_width), Signal(self.address_width)
        data, whole = Signal(32), Signal()
        for channel, taken in held.items():
            valid, ready = getattr(host, f"{channel}valid"), getattr(host, f"{channel}ready")
            m.d.comb += ready.eq(~taken)
            with m.If(valid & ready):
                m.d.sync += taken.eq(1)
        with m.If(host.awready):
            m.d.sync += aw_address.eq(host.awaddr)
        with m.If(host.wready):
            m.d.sync += [data.eq(host.wdata), whole.eq(host.wstrb.all())]
        with m.If(host.arready):
            m.d.sync += ar_address.eq(host.araddr)

        m.d.comb += bus.data.eq(data)
        read_turn = Signal()
        with m.FSM():
            with m.State("IDLE"):
                reading = held["ar"]
                writing = held["aw"] & held["w"]
                with m.If(reading & (read_turn | ~writing)):
                    m.next = "READ"
                with m.Elif(writing):
                    m.next = "WRITE"
            with m.State("READ"):
                m.d.comb += [bus.address.eq(ar_address), bus.read.eq(ar_address[:2] == 0)]
                m.d.sync += read_turn.eq(0)
                with m.If(~bus.read | bus.done):
                    m.d.sync += [
                        host.rdata.eq(bus.value),
                        host.rresp.eq(OKAY),
                        host.rvalid.eq(1),
                    ]
                    with m.If(~bus.read | bus.error):
                        m.d.sync += [host.rdata.eq(0), host.rresp.eq(SLVERR)]
                    m.next = "ANSWER"
            with m.State("WRITE"):
                m.d.comb += [
                    bus.address.eq(aw_address),
                    bus.write.eq(whole & (aw_address[:2] == 0)),
                ]
                m.d.sync += read_turn.eq(1)
                with m.If(~bus.write | bus.done):
                    m.d.sync += [host.bresp.eq(OKAY), host.bvalid.eq(1)]
                    with m.If(~bus.write | bus.error):
                        m.d.sync += host.bresp.eq(SLVERR)
                    m.next = "ANSWER"
            with m.State("ANSWER"):
                with m.If(host.rvalid & host.rready):
                    m.d.sync += [host.rvalid.eq(0), held["ar"].eq(0)]
                    m.next = "IDLE"
                with m.If(host.bvalid & host.bready):
                    m.d.sync += [host.bvalid.eq(0), held["aw"].eq(0), held["w"].eq(0)]
                    m.next = "IDLE"
        return m
