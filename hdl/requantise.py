"""Requantisation: the one rounding of the machine."""

import operator

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from .select import select_window

__all__ = ["Requantise"]

#: Bits of a shifted word that can be in range: 17 before rounding, and the one below them.
_WINDOW = 18


class Requantise(wiring.Component):
    """Shift accumulators right, rounding half up, and saturate them to samples.

    One sample out for one word in, in order: ``sat(floor((value + h) / 2**shift))`` with
    ``h = 2**(shift - 1)``, or 0 when ``shift`` is 0. Latency `latency` cycles, 1 word a cycle. The
    pipeline stops as a whole while its output is refused.

    Parameters
    ----------
    width : int
        Bits of an accumulator, 17 to 64.
    shift_width : int
        Bits of a shift, 2 to 6. Two of them take a cycle; an odd one is free.

    Attributes
    ----------
    latency : int
        Cycles from a word to its sample: 6 for shifts of 6 bits, 5 for 5.

    Members
    -------
    i : In(stream of value: signed(width), shift: unsigned(shift_width))
        An accumulator and the fraction bits it loses; every shift is legal.
    o : Out(stream of signed(16))
        Sample.
    saturated : Out(1)
        High in the first cycle in which a clipped sample is offered.
    clear : In(1)
        Drop everything inside. While high nothing is taken or offered.

    Raises
    ------
    TypeError
        If a parameter is not an integer.
    ValueError
        If a parameter is out of range.

    Source: docs/arithmetic.md, "Requantise".
    """

    def __init__(self, width, shift_width=6):
        self.width = operator.index(width)
        if not 17 <= self.width <= 64:
            raise ValueError(f"width must be in 17..64, not {width}")
        self.shift_width = operator.index(shift_width)
        if not 2 <= self.shift_width <= 6:
            raise ValueError(f"shift_width must be in 2..6, not {shift_width}")
        self.latency = self.shift_width // 2 + 3
        super().__init__({
            "i": In(stream.Signature(data.StructLayout({
                "value": signed(self.width), "shift": unsigned(self.shift_width)}))),
            "o": Out(stream.Signature(signed(16))),
            "saturated": Out(1),
            "clear": In(1),
        })

    def elaborate(self, platform):
        m = Module()

        valid = Signal(self.latency)
        advance = Signal()
        m.d.comb += [
            advance.eq(~valid[-1] | self.o.ready),
            self.i.ready.eq(advance & ~self.clear),
            self.o.valid.eq(valid[-1] & ~self.clear),
        ]
        with m.If(self.clear):
            m.d.sync += valid.eq(0)
        with m.Elif(advance):
            m.d.sync += valid.eq(Cat(self.i.valid, valid[:-1]))

        def register(value):
            stage = Signal.like(value, reset_less=True)
            with m.If(advance):
                m.d.sync += stage.eq(value)
            return stage

        rounded, wide, negative = self._shift(register)
        clipped = wide | (rounded[15:].any() & ~rounded[15:].all())
        # Saturated in two cycles: the registers' own reset, then their set, take no logic.
        sample = register(Mux(clipped & negative, -0x8000, rounded[:16].as_signed()))
        above, below = register(clipped & ~negative), register(clipped & negative)
        m.d.comb += self.o.payload.eq(register(Mux(above, 0x7FFF, sample)))
        m.d.sync += self.saturated.eq(advance & valid[-2] & (above | below) & ~self.clear)

        return m

    def _shift(self, register):
        """Return the shifted and rounded word, whether it is too narrow, and the word's sign.

        floor((v + h) / 2**s) is floor(v / 2**s) plus the last bit shifted out, so that bit is
        kept below the word and no carry runs through the full width. Each two bits of the shift
        choose a window that holds the result; bits above it must equal the sign. Words of up to
        17 bits are rounded before they are judged: -32768.5 rounds into range.
        """
        word, shift, negative = Cat(0, self.i.p.value), self.i.p.shift, self.i.p.value[-1]
        wide = outside = Const(0)
        for position in range(self.shift_width - 2, -1, -2):
            window, above = self._window(word, negative, shift[position:], 1 << position)
            # Judged a cycle later, so that few inputs meet.
            place = register(shift[position:])
            wide, word = register(wide | outside), register(window)
            outside = Cat(bit & (place <= index) for index, bit in enumerate(register(above))).any()
            negative = register(negative)
            if position:
                shift = register(shift[:position])
        above = Const(0)
        if self.shift_width % 2:
            word, above = self._window(word, negative, shift, 1)
            above &= ~shift
        above = register(above | (word[-1] ^ negative))
        rounded = register(word[1:].as_signed() + word[0])
        return rounded, register(wide | outside) | above, register(negative)

    def _window(self, word, negative, place, step):
        """Return the bits of ``word`` from ``place * step`` on that may be in range yet, and marks.

        A mark for each place but the last: bits that only this place and those before it leave
        above the window differ from the sign.
        """
        width = _WINDOW + step - 1
        last = (1 << len(place)) - 1
        extended = Cat(word, negative.replicate(width + last * step))
        above = [word[width + index * step:width + (index + 1) * step] for index in range(last)]
        return (select_window(place, extended, width, step),
                Cat((bits ^ negative.replicate(len(bits))).any() if len(bits) else Const(0, 1)
                    for bits in above))
