"""The Xilinx ML605: the board of the Virtex-6 machine, its memory behind Xilinx' controller.

Source: Xilinx UG534, "ML605 Hardware User Guide", tables of clocks, switches, USB-UART and LEDs.
"""

from amaranth.build import Attrs, Clock, DiffPairs, Pins, Resource
from amaranth.hdl import ClockDomain, ClockSignal, Elaboratable, Instance, IOPort, Module, Signal
from amaranth.lib import io, wiring
from amaranth.lib.cdc import ResetSynchronizer
from amaranth.lib.wiring import Out
from amaranth.vendor import XilinxPlatform
from amaranth_boards.resources import LEDResources, UARTResource

from ..axi import AxiSignature
from ..hierarchy import ModuleInstance
from ..top import top_members
from ..verilog import TOP
from .board import Board, BoardError

__all__ = ["CONTROLLER", "DDR3_PINS", "ML605_BOARDS", "ML605Platform", "ML605Top",
           "controller_ports"]

#: Module that holds Xilinx' memory controller.
CONTROLLER = "ddr3_controller"

#: The pins of the memory module: name to direction and bits.
DDR3_PINS = {
    "dq": ("io", 64), "dqs_p": ("io", 8), "dqs_n": ("io", 8), "dm": ("o", 8),
    "addr": ("o", 13), "ba": ("o", 3), "ras_n": ("o", 1), "cas_n": ("o", 1), "we_n": ("o", 1),
    "cs_n": ("o", 1), "odt": ("o", 1), "cke": ("o", 1), "ck_p": ("o", 1), "ck_n": ("o", 1),
    "reset_n": ("o", 1),
}

#: Bits of an address of the 512 MB module; the controller's user clock and its bus.
_ADDRESS, _CLOCK, _DATA = 29, 200_000_000, 256


class ML605Platform(XilinxPlatform):
    """Device and pins, for ISE. The pins of the memory module stand in its controller's files."""

    device, package, speed = "xc6vlx240t", "ff1156", "1"
    default_clk, default_rst = "clk200", "rst"
    connectors = []
    resources = [
        Resource("clk200", 0, DiffPairs("J9", "H9", dir="i"), Clock(200e6),
                 Attrs(IOSTANDARD="LVDS_25", DIFF_TERM="TRUE")),
        Resource("rst", 0, Pins("H10", dir="i"), Attrs(IOSTANDARD="LVCMOS15")),
        UARTResource(0, rx="J24", tx="J25", attrs=Attrs(IOSTANDARD="LVCMOS25")),
        *LEDResources(pins="AC22 AC24 AE22 AE23 AB23 AG23 AE24 AD24",
                      attrs=Attrs(IOSTANDARD="LVCMOS25")),
    ]

    def iter_port_constraints_bits(self):
        """Yield the constraints of all ports but those of the memory module."""
        placed = [(name, port, direction) for name, port, direction in self._design.ports
                  if port.metadata[0] is not None]
        for name, port, _ in placed:
            for bit, pin in enumerate(port.metadata):
                yield (name if len(port) == 1 else f"{name}[{bit}]"), pin.name, pin.attrs


def controller_ports(data_width, id_width):
    """Return the ports of the module `CONTROLLER`: (name, ``i``, ``o`` or ``io``, bits).

    Its clock is the machine's: ``ui_clk``, 200 MHz; the AXI4 port is a slave of it.
    """
    ports = [("clk_200", "i", 1), ("reset", "i", 1), ("ui_clk", "o", 1), ("ui_reset", "o", 1),
             ("ready", "o", 1)]
    for name, member in AxiSignature(data_width, id_width).members.items():
        bits = _ADDRESS if name in ("awaddr", "araddr") else member.shape
        ports.append((f"s_axi_{name}", "i" if member.flow is Out else "o", bits))
    return ports + [(f"ddr3_{name}", *pin) for name, pin in DDR3_PINS.items()]


class ML605Top(Elaboratable):
    """The machine, its memory controller, serial line and lamps.

    The lamps tell that memory has been calibrated, that the machine's clock runs, and that the
    line carries bits.

    Parameters
    ----------
    board : Board
        The board.
    target : Target
        The machine; memory gives it its clock.
    """

    def __init__(self, board, target):
        self.board, self.target, self.link = board, target, board.link(target)

    def elaborate(self, platform):
        m = Module()
        m.domains.sync = ClockDomain()
        members = top_members(self.target, self.link)
        machine = m.submodules.machine = ModuleInstance(TOP, wiring.Signature(members))
        ready = self._controller(m, platform, machine)

        line = platform.request("uart", 0, dir="-")
        m.submodules.rx = rx = io.Buffer("i", line.rx)
        m.submodules.tx = tx = io.Buffer("o", line.tx)
        m.d.comb += [machine.rx.eq(rx.i), tx.o.eq(machine.tx)]

        beat = Signal(28)
        m.d.sync += beat.eq(beat + 1)
        shown = (ready, beat[-1], ~rx.i | ~machine.tx)
        for index, (lamp, value) in enumerate(zip(self.board.leds(platform), shown, strict=True)):
            m.submodules[f"lamp{index}"] = pin = io.Buffer("o", lamp)
            m.d.comb += pin.o.eq(value)
        return m

    def _controller(self, m, platform, machine):
        """Join the machine to its memory and to the clock that memory gives it."""
        m.submodules.clock = clock = io.Buffer("i", platform.request("clk200", dir="-"))
        m.submodules.button = button = io.Buffer(
            "i", platform.request(*self.board.reset, dir="-"))
        clk_200, ready, reset, waiting = Signal(), Signal(), Signal(), Signal()
        m.submodules.global_clock = Instance("BUFG", i_I=clock.i, o_O=clk_200)

        data_width, id_width = self.target.data_width, len(machine.m_axi_arid)
        pins = {"i_clk_200": clk_200, "i_reset": button.i, "o_ui_clk": ClockSignal(),
                "o_ui_reset": reset, "o_ready": ready}
        for name, direction, bits in controller_ports(data_width, id_width):
            if name.startswith("s_axi_"):
                pins[f"{direction}_{name}"] = getattr(machine, f"m_axi_{name[6:]}")[:bits]
            elif name.startswith("ddr3_"):
                pins[f"{direction}_{name}"] = IOPort(bits, name=name)
        m.submodules.controller = Instance(CONTROLLER, **pins)
        # Until memory has been calibrated the machine stays reset.
        m.d.comb += waiting.eq(reset | ~ready)
        m.submodules.reset = ResetSynchronizer(waiting, domain="sync")
        return ready


def _check(board, target):
    if (target.clock_hz, target.data_width) != (_CLOCK, _DATA):
        raise BoardError(
            f"{board.name} gives its machine a clock of {_CLOCK / 1e6:g} MHz and a memory bus of "
            f"{_DATA} bits; {target.name} is made for {target.clock_hz / 1e6:g} MHz and "
            f"{target.data_width} bits")


def _leds(platform):
    return [platform.request("led", index, dir="-") for index in range(3)]


ML605_BOARDS = (
    Board(name="ml605", title="Xilinx ML605 (XC6VLX240T)", target="virtex6-lx240t",
          toolchain="ise", platform=ML605Platform, top=ML605Top, requires=_check, baud=921_600,
          leds=_leds, reset=("rst", 0)),
)
