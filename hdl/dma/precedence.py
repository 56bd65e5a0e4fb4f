"""Precedence of reads that are urgent over writes."""

import operator

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Precedence"]

#: Cycles that a beat written holds up the next burst while a read is urgent, and most cycles that
#: a burst is held up.
_BEAT_PAUSE, _MOST_PAUSE = 16, 255


class Precedence(wiring.Component):
    """Say when a write burst may begin.

    At any time while no reader is urgent. Else each beat written is followed by a pause of 16
    cycles, those of a burst one after the other: writes keep a beat in 17 cycles, or what the
    readers leave over. A pause ends after at most 255 cycles without a beat.

    Parameters
    ----------
    readers : int
        Number of readers, at least 1.
    beat_pause, most_pause : int
        Cycles of pause that a beat adds, and of the longest pause.

    Members
    -------
    urgent : In(readers)
        Bit k: reader k will soon have nothing to hand on.
    beat : In(1)
        A beat is written in this cycle.
    begin : Out(1)
        A burst may begin. One cycle behind ``urgent``.

    Raises
    ------
    TypeError
        If ``readers`` is not an integer.
    ValueError
        If ``readers`` is not positive.
    """

    def __init__(self, readers, beat_pause=_BEAT_PAUSE, most_pause=_MOST_PAUSE):
        self.readers = operator.index(readers)
        if self.readers < 1:
            raise ValueError(f"readers must be at least 1, not {readers}")
        self.beat_pause, self.most_pause = beat_pause, most_pause
        super().__init__({"urgent": In(self.readers), "beat": In(1), "begin": Out(1)})

    def elaborate(self, platform):
        m = Module()

        urgent, pause = Signal(), Signal(range(self.most_pause + 1))
        m.d.sync += urgent.eq(self.urgent.any())
        with m.If(self.beat):
            m.d.sync += pause.eq(Mux(pause > self.most_pause - self.beat_pause, self.most_pause,
                                     pause + self.beat_pause))
        with m.Elif(pause != 0):
            m.d.sync += pause.eq(pause - 1)
        m.d.comb += self.begin.eq(~urgent | (pause == 0))

        return m
