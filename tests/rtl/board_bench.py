"""What goes on a board with an ECP5, but for PLL and pins, reached by its serial line only."""

from amaranth.back import verilog
from amaranth.hdl import Module
from amaranth.lib import wiring

from hdl.boards.system import System
from hdl.link.parameters import Link
from hdl.top import top_members
from hdl.verilog import models
from host.transports.link import LinkTransport
from sim.rtl.design import target_verilog
from sim.rtl.machine import Machine

__all__ = ["Line", "board_transport"]

#: Cycles a bit: the fewest, since the simulation counts every one.
_DIVISOR = 4

#: Cycles simulated between two looks at the line.
_SLICE = 20_000

_TOP = "board"


class _Board(wiring.Component):
    """A `System` with the ports that the simulation's loop expects; it leaves its buses idle."""

    def __init__(self, target):
        self.system = System(target, Link(_DIVISOR, bus=False))
        super().__init__(top_members(target, Link(_DIVISOR)))

    def elaborate(self, platform):
        m = Module()
        m.submodules.system = system = self.system
        m.d.comb += [system.rx.eq(self.rx), self.tx.eq(system.tx)]
        return m


class Line:
    """The serial line of a simulated board: a `host.transports.link.Pipe`."""

    def __init__(self, machine):
        self.machine = machine

    def send(self, data):
        self.machine.line_send(data)

    def receive(self, seconds):
        self.machine.run_line(_SLICE)
        return self.machine.line_receive()

    def close(self):
        self.machine.close()


def board_transport(target):
    """Return a transport to a simulated board; time passes in it only while answers are awaited."""
    files = target_verilog(target, link=Link(_DIVISOR, bus=False)) | models(target)
    files[f"{_TOP}.v"] = verilog.convert(_Board(target), name=_TOP, emit_src=False,
                                         strip_internal_attrs=True)
    machine = Machine(files, memory=target.memory, clock_hz=target.clock_hz, top=_TOP,
                      data_width=target.data_width, link=Link(_DIVISOR))
    return LinkTransport(Line(machine), "board", seconds=120.0)
