"""A machine with its memory on the same chip, as boards without a memory of their own hold it."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

from ..axi import AxiSignature
from ..hierarchy import ModuleInstance
from ..on_chip_memory import OnChipMemory
from ..top import top_members
from ..verilog import TOP

__all__ = ["System"]

#: Bits of the counters behind the lamps: of the clock's, and of how long an event is shown.
_BEAT, _SHOWN = 26, 21


class System(wiring.Component):
    """Machine, memory and lamps. The machine's Verilog lies beside this one's.

    Parameters
    ----------
    target : Target
        The machine; its memory is made as large as the target says.
    link : Link
        Its serial link, without AXI4-Lite port.

    Members
    -------
    rx, tx : In(1), Out(1)
        The serial line.
    lamps : Out(3)
        The clock runs (blinks); the line carries bits; memory is read or written.
    """

    def __init__(self, target, link):
        self.target, self.link = target, link
        super().__init__({"rx": In(1, init=1), "tx": Out(1, init=1), "lamps": Out(3)})

    def elaborate(self, platform):
        m = Module()
        members = top_members(self.target, self.link)
        machine = m.submodules.machine = ModuleInstance(TOP, wiring.Signature(members))
        id_width = len(machine.m_axi_arid)
        memory = m.submodules.memory = OnChipMemory(
            self.target.memory.size, self.target.data_width, id_width)
        for name, member in AxiSignature(self.target.data_width, id_width).members.items():
            outer, inner = getattr(machine, f"m_axi_{name}"), getattr(memory.axi, name)
            m.d.comb += inner.eq(outer) if member.flow is Out else outer.eq(inner)
        m.d.comb += [machine.rx.eq(self.rx), self.tx.eq(machine.tx)]

        beat, heard = Signal(_BEAT), Signal()
        m.submodules.heard = FFSynchronizer(self.rx, heard, init=1)
        m.d.sync += beat.eq(beat + 1)
        axi = memory.axi
        access = (axi.arvalid & axi.arready) | (axi.wvalid & axi.wready)
        m.d.comb += self.lamps.eq(Cat(
            beat[-1], self._shown(m, "line", ~self.tx | ~heard),
            self._shown(m, "access", access)))
        return m

    def _shown(self, m, name, event):
        """Return a signal that is high long enough to be seen after an event."""
        left = Signal(_SHOWN, name=f"{name}_left")
        with m.If(event):
            m.d.sync += left.eq(-1)
        with m.Elif(left != 0):
            m.d.sync += left.eq(left - 1)
        return left != 0
