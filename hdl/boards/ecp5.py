"""Boards with an ECP5-85: machine and memory on the chip, the board's clock through a PLL."""

from amaranth.hdl import ClockDomain, ClockSignal, Elaboratable, Module
from amaranth.lib import io
from amaranth.lib.cdc import ResetSynchronizer
from amaranth_boards.ecp5_5g_evn import ECP55GEVNPlatform
from amaranth_boards.ecpix5 import ECPIX585Platform
from amaranth_boards.ulx3s import ULX3S_85F_Platform

from .board import Board
from .pll import dividers, ecp5_pll
from .system import System

__all__ = ["ECP5_BOARDS", "Ecp5Top"]

#: Bits of the lines that the board's USB bridges (FT231X, FT2232H) make without error.
_BAUD = 1_000_000


class Ecp5Top(Elaboratable):
    """A `System` on a board: clock, reset, line and lamps.

    The reset button stops the PLL, too: the machine is reset until it has locked again.

    Parameters
    ----------
    board : Board
        The board.
    target : Target
        The machine.
    """

    def __init__(self, board, target):
        self.board, self.target = board, target
        self.link = board.link(target)

    def elaborate(self, platform):
        m = Module()
        m.submodules.clock = clock = io.Buffer(
            "i", platform.request(platform.default_clk, dir="-"))
        m.submodules.button = button = io.Buffer("i", platform.request(*self.board.reset, dir="-"))

        pll, made, locked = ecp5_pll(_dividers(platform, self.target), clock.i, button.i)
        m.submodules.pll = pll
        # nextpnr derives the constraint of what the PLL makes from that of the board's clock.
        m.domains.sync = ClockDomain()
        m.d.comb += ClockSignal().eq(made)
        m.submodules.reset = ResetSynchronizer(~locked, domain="sync")

        m.submodules.system = system = System(self.target, self.link)
        line = platform.request("uart", 0, dir="-")
        m.submodules.rx = rx = io.Buffer("i", line.rx)
        m.submodules.tx = tx = io.Buffer("o", line.tx)
        m.d.comb += [system.rx.eq(rx.i), tx.o.eq(system.tx)]
        for index, lamp in enumerate(self.board.leds(platform)):
            m.submodules[f"lamp{index}"] = pin = io.Buffer("o", lamp)
            m.d.comb += pin.o.eq(system.lamps[index])
        return m


def _dividers(platform, target):
    return dividers(round(platform.default_clk_frequency), target.clock_hz)


def _check(board, target):
    _dividers(board.platform(), target)


def _leds(platform):
    return [platform.request("led", index, dir="-") for index in range(3)]


def _green(platform):
    return [platform.request("rgb_led", index, dir="-").g for index in range(3)]


def _board(name, title, platform, reset, leds=_leds):
    return Board(name=name, title=title, target="ecp5-85k", toolchain="trellis",
                 platform=platform, top=Ecp5Top, requires=_check, baud=_BAUD, leds=leds,
                 reset=reset)


ECP5_BOARDS = (
    _board("ulx3s-85f", "Radiona ULX3S (LFE5U-85F)", ULX3S_85F_Platform, ("button_fire", 0)),
    _board("ecpix5-85", "LambdaConcept ECPIX-5 (LFE5UM5G-85F)", ECPIX585Platform, ("rst", 0),
           _green),
    _board("ecp5-5g-evn", "Lattice ECP5-5G Evaluation Board (LFE5UM5G-85F)", ECP55GEVNPlatform,
           ("rst", 0)),
)
