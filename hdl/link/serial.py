"""The byte link on a serial line."""

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..axi import LiteSignature, ReadMaster, WriteMaster
from ..control.host_registers import HOST_ADDRESS_WIDTH
from .server import LinkServer
from .uart import UartReceiver, UartTransmitter

__all__ = ["SerialLink"]


class SerialLink(wiring.Component):
    """A `LinkServer` between a receiver and a transmitter.

    Parameters
    ----------
    data_width : int
        Bits of a beat of the memory's bus.
    divisor : int
        Cycles a bit of the line, at least 4.
    patience : int
        See `LinkServer`.

    Members
    -------
    rx, tx : In(1), Out(1)
        The line, high at rest.
    host, bus_read, bus_write
        As of `LinkServer`.

    Raises
    ------
    ValueError
        If a parameter is out of range.
    """

    def __init__(self, data_width, divisor, *, patience=1 << 16):
        self.server = LinkServer(data_width, patience=patience)
        self.receiver, self.transmitter = UartReceiver(divisor), UartTransmitter(divisor)
        super().__init__({
            "rx": In(1, init=1), "tx": Out(1, init=1),
            "host": Out(LiteSignature(HOST_ADDRESS_WIDTH)),
            "bus_read": Out(ReadMaster(data_width)), "bus_write": Out(WriteMaster(data_width)),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.server, m.submodules.receiver = self.server, self.receiver
        m.submodules.transmitter = self.transmitter
        m.d.comb += [self.receiver.rx.eq(self.rx), self.tx.eq(self.transmitter.tx)]
        wiring.connect(m, self.receiver.o, self.server.i)
        wiring.connect(m, self.server.o, self.transmitter.i)
        for name in ("host", "bus_read", "bus_write"):
            wiring.connect(m, getattr(self.server, name), wiring.flipped(getattr(self, name)))
        return m
