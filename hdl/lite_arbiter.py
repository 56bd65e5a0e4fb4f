"""Several AXI4-Lite masters before one slave."""

import operator

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .axi import LiteSignature
from .dma.arbiter import RoundRobin

__all__ = ["LiteArbiter"]

#: Channels of a read and of a write: addresses and data, then the answer.
_READ, _WRITE = (("ar",), "r"), (("aw", "w"), "b")


class LiteArbiter(wiring.Component):
    """Passes one access at a time to a slave.

    Reads and writes of all masters take turns. Address and data of a write may come in any order,
    but the address decides when its turn is. Latency: 2 cycles before the access.

    Parameters
    ----------
    address_width : int
        Bits of a byte address.
    masters : int
        How many there are, at least 1.

    Members
    -------
    masters : In(LiteSignature(address_width)), array
    slave : Out(LiteSignature(address_width))

    Raises
    ------
    ValueError
        If there is no master.

    Source: AMBA AXI and ACE Protocol Specification, ARM IHI 0022, chapter B1.
    """

    def __init__(self, address_width, masters=2):
        if operator.index(masters) < 1:
            raise ValueError(f"masters must be at least 1, not {masters}")
        signature = LiteSignature(operator.index(address_width))
        super().__init__({"masters": In(signature).array(masters), "slave": Out(signature)})

    def elaborate(self, platform):
        m = Module()
        accesses = [(master, *channels) for master in self.masters
                    for channels in (_READ, _WRITE)]
        turns = m.submodules.turns = RoundRobin(len(accesses))
        owner, done = Signal(len(accesses)), Signal()
        with m.If(owner == 0):
            # Whoever has just been granted still asks.
            with m.If(turns.grant == 0):
                m.d.comb += turns.requests.eq(Cat(
                    getattr(master, f"{channels[0]}valid") for master, channels, _ in accesses))
            m.d.sync += owner.eq(turns.grant)
        with m.If(done):
            m.d.sync += owner.eq(0)

        # What the slave has taken of the access under way.
        taken = {channel: Signal(name=f"{channel}_taken") for channel in ("ar", "aw", "w")}
        for channel, passed in taken.items():
            valid, ready = (getattr(self.slave, f"{channel}{name}") for name in ("valid", "ready"))
            with m.If(done):
                m.d.sync += passed.eq(0)
            with m.Elif(valid & ready):
                m.d.sync += passed.eq(1)
        for index, (master, channels, answer) in enumerate(accesses):
            self._join(m, owner[index], master, taken, channels, answer, done)
        return m

    def _join(self, m, owns, master, taken, channels, answer, done):
        """Join the channels of a master's read or write while it has its turn."""
        slave = self.slave
        for name, member in slave.signature.members.items():
            if name.startswith(answer) and member.flow is In and name[1:] != "valid":
                m.d.comb += getattr(master, name).eq(getattr(slave, name))
        with m.If(owns):
            for channel in channels:
                for name, member in slave.signature.members.items():
                    if name.startswith(channel) and member.flow is Out:
                        m.d.comb += getattr(slave, name).eq(getattr(master, name))
                free = ~taken[channel]
                m.d.comb += [
                    getattr(slave, f"{channel}valid").eq(
                        getattr(master, f"{channel}valid") & free),
                    getattr(master, f"{channel}ready").eq(
                        getattr(slave, f"{channel}ready") & free),
                ]
            valid, ready = (getattr(slave, f"{answer}{name}") for name in ("valid", "ready"))
            m.d.comb += [getattr(master, f"{answer}valid").eq(valid),
                         ready.eq(getattr(master, f"{answer}ready")), done.eq(valid & ready)]
