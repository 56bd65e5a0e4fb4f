"""The phase-locked loop of an ECP5.

Source: Lattice FPGA-TN-02200, "ECP5 and ECP5-5G sysCLOCK PLL/DLL Design and Usage Guide", and
FPGA-DS-02012 (data sheet), "sysCLOCK PLL timing".
"""

from dataclasses import dataclass

from amaranth.hdl import Const, Instance, Signal

from .board import BoardError

__all__ = ["Dividers", "dividers", "ecp5_pll"]

#: Hertz: of the phase detector at least, and of the oscillator.
_PHASE_LEAST, _OSCILLATOR = 3_125_000, (400_000_000, 800_000_000)

#: Largest divider.
_MOST = 128


@dataclass(frozen=True)
class Dividers:
    """Settings of a PLL whose loop is closed over output P and whose clock is output S.

    Parameters
    ----------
    reference, feedback : int
        Dividers before the phase detector.
    loop, output : int
        Dividers from the oscillator to outputs P and S.
    """

    reference: int
    feedback: int
    loop: int
    output: int

    def oscillator(self, hertz):
        """Return the oscillator's frequency for a reference of ``hertz``."""
        return hertz * self.feedback * self.loop // self.reference


def dividers(source, wanted):
    """Return `Dividers` that make ``wanted`` hertz of ``source`` hertz, exactly.

    The fastest phase detector is chosen, and then the oscillator nearest to the middle of its
    range.

    Raises
    ------
    BoardError
        If there are none.
    """
    low, high = _OSCILLATOR
    for reference in range(1, min(_MOST, source // _PHASE_LEAST) + 1):
        found = []
        for output in range(-(-low // wanted), min(_MOST, high // wanted) + 1):
            multiple, rest = divmod(wanted * output * reference, source)
            if rest:
                continue
            middle = abs(2 * wanted * output - low - high)
            found += [(middle, feedback, multiple // feedback, output)
                      for feedback in range(1, min(_MOST, multiple) + 1)
                      if multiple % feedback == 0 and multiple // feedback <= _MOST]
        if found:
            return Dividers(reference, *min(found)[1:])
    raise BoardError(f"no setting of the PLL makes {wanted:,} Hz of {source:,} Hz")


def ecp5_pll(settings, clock, reset):
    """Return a PLL instance, its output clock and its lock.

    Parameters
    ----------
    settings : Dividers
        Its dividers.
    clock, reset : Value
        Reference clock and reset.

    Returns
    -------
    tuple of (Instance, Signal, Signal)
    """
    made, feedback, locked = Signal(), Signal(), Signal()
    phase = {f"p_CLKO{name}_{part}": value for name, divider in (("P", settings.loop),
                                                               ("S", settings.output))
             for part, value in (("ENABLE", "ENABLED"), ("DIV", divider),
                                 ("CPHASE", divider - 1), ("FPHASE", 0))}
    instance = Instance(
        "EHXPLLL",
        p_PLLRST_ENA="ENABLED", p_INTFB_WAKE="DISABLED", p_STDBY_ENABLE="DISABLED",
        p_DPHASE_SOURCE="DISABLED", p_OUTDIVIDER_MUXA="DIVA", p_OUTDIVIDER_MUXB="DIVB",
        p_CLKI_DIV=settings.reference, p_CLKFB_DIV=settings.feedback, p_FEEDBK_PATH="CLKOP",
        **phase,
        i_CLKI=clock, i_RST=reset, i_CLKFB=feedback, i_STDBY=Const(0), i_ENCLKOP=Const(1),
        i_ENCLKOS=Const(1), i_PHASESEL0=Const(0), i_PHASESEL1=Const(0), i_PHASEDIR=Const(0),
        i_PHASESTEP=Const(0), i_PHASELOADREG=Const(0), i_PLLWAKESYNC=Const(0),
        o_CLKOP=feedback, o_CLKOS=made, o_LOCK=locked)
    return instance, made, locked
