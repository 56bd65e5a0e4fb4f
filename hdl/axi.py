"""AXI4 as streams: the signatures that masters, the interconnect and the top level share.

Source: AMBA AXI and ACE Protocol Specification, ARM IHI 0022, chapters A2 to A5 (AXI4) and B1
(AXI4-Lite). Every burst is INCR with beats as wide as the bus; addresses are byte addresses.
"""

from amaranth.hdl import unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["OKAY", "SLVERR", "AddressLayout", "Arrivals", "AxiSignature", "LiteSignature",
           "ReadDataLayout", "ReadMaster", "WriteDataLayout", "WriteMaster"]

#: Response codes.
OKAY, SLVERR = 0, 2


class AddressLayout(data.StructLayout):
    """A burst: byte address of its first beat, and its beats less one."""

    def __init__(self):
        super().__init__({"address": unsigned(32), "length": unsigned(8)})


class ReadDataLayout(data.StructLayout):
    """One beat read; ``last`` marks the end of its burst, ``response`` 0 is OKAY."""

    def __init__(self, data_width):
        super().__init__({"data": unsigned(data_width), "response": unsigned(2),
                          "last": unsigned(1)})


class WriteDataLayout(data.StructLayout):
    """One beat to write, a strobe bit a sample of 16 bits."""

    def __init__(self, data_width):
        super().__init__({"data": unsigned(data_width), "strobe": unsigned(data_width // 16)})


class Arrivals(wiring.Signature):
    """Words that come when they come: a stream whose receiver is always ready.

    Members
    -------
    valid : Out(1)
    payload : Out(shape)
    """

    def __init__(self, shape):
        super().__init__({"valid": Out(1), "payload": Out(shape)})


class ReadMaster(wiring.Signature):
    """Read half of a master: bursts out on ``ar``, their beats back, in order, on ``r``.

    A burst has at most 16 beats, and the master takes them whenever they come. ``urgent``: the
    master will soon have nothing to hand on unless beats come.
    """

    def __init__(self, data_width):
        self.data_width = data_width
        super().__init__({
            "ar": Out(stream.Signature(AddressLayout())),
            "r": In(Arrivals(ReadDataLayout(data_width))),
            "urgent": Out(1),
        })


class WriteMaster(wiring.Signature):
    """Write half of a master: bursts on ``aw``, one response a burst on ``b``.

    A burst has at most 16 beats, which are there when it is offered: ``take`` asks for the next
    one, of the bursts in their order, and ``w`` is this beat in the cycle behind, else 0, so that
    the masters' beats can be joined by OR alone.
    """

    def __init__(self, data_width):
        self.data_width = data_width
        super().__init__({
            "aw": Out(stream.Signature(AddressLayout())),
            "take": In(1),
            "w": Out(WriteDataLayout(data_width)),
            "b": In(Arrivals(unsigned(2))),
        })


class AxiSignature(wiring.Signature):
    """AXI4 master port with the standard's signal names, for the top level."""

    def __init__(self, data_width, id_width):
        members = {}
        for channel in ("aw", "ar"):
            members |= {
                f"{channel}id": Out(id_width), f"{channel}addr": Out(32),
                f"{channel}len": Out(8), f"{channel}size": Out(3), f"{channel}burst": Out(2),
                f"{channel}lock": Out(1), f"{channel}cache": Out(4), f"{channel}prot": Out(3),
                f"{channel}valid": Out(1), f"{channel}ready": In(1)}
        members |= {
            "wdata": Out(data_width), "wstrb": Out(data_width // 8), "wlast": Out(1),
            "wvalid": Out(1), "wready": In(1),
            "bid": In(id_width), "bresp": In(2), "bvalid": In(1), "bready": Out(1),
            "rid": In(id_width), "rdata": In(data_width), "rresp": In(2), "rlast": In(1),
            "rvalid": In(1), "rready": Out(1)}
        super().__init__(members)


class LiteSignature(wiring.Signature):
    """AXI4-Lite master port with the standard's signal names and a 32-bit data bus."""

    def __init__(self, address_width):
        super().__init__({
            "awaddr": Out(address_width), "awprot": Out(3), "awvalid": Out(1), "awready": In(1),
            "wdata": Out(32), "wstrb": Out(4), "wvalid": Out(1), "wready": In(1),
            "bresp": In(2), "bvalid": In(1), "bready": Out(1),
            "araddr": Out(address_width), "arprot": Out(3), "arvalid": Out(1), "arready": In(1),
            "rdata": In(32), "rresp": In(2), "rvalid": In(1), "rready": Out(1),
        })
