"""Requantisation: the one rounding of the machine."""

import operator

from amaranth.hdl import Cat, Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from .select import select

__all__ = ["Requantise"]

#: Bits of a shifted word that can be in range: 17 before rounding, and the one below them.
_WINDOW = 18


class Requantise(wiring.Component):
    """Shift accumulators right, rounding half up, and saturate them to samples.

    One sample out for one word in, in order: ``sat(floor((value + h) / 2**shift))`` with
    ``h = 2**(shift - 1)``, or 0 when ``shift`` is 0. Latency 4 cycles, 1 word a cycle. The
    pipeline stops as a whole while its output is refused.

    Parameters
    ----------
    width : int
        Bits of an accumulator, 17 to 64.

    Members
    -------
    i : In(stream of value: signed(width), shift: unsigned(6))
        An accumulator and the fraction bits it loses; every shift from 0 to 63 is legal.
    o : Out(stream of signed(16))
        Sample.
    saturated : Out(1)
        High in the first cycle in which a clipped sample is offered.
    clear : In(1)
        Drop everything inside. While high nothing is taken or offered.

    Raises
    ------
    TypeError
        If ``width`` is not an integer.
    ValueError
        If ``width`` is out of range.

    Source: docs/arithmetic.md, "Requantise".
    """

    def __init__(self, width):
        self.width = operator.index(width)
        if not 17 <= self.width <= 64:
            raise ValueError(f"width must be in 17..64, not {width}")
        super().__init__({
            "i": In(stream.Signature(data.StructLayout({
                "value": signed(self.width), "shift": unsigned(6)}))),
            "o": Out(stream.Signature(signed(16))),
            "saturated": Out(1),
            "clear": In(1),
        })

    def elaborate(self, platform):
        m = Module()

        valid = Signal(4)
        advance = Signal()
        m.d.comb += [
            advance.eq(~valid[-1] | self.o.ready),
            self.i.ready.eq(advance & ~self.clear),
            self.o.valid.eq(valid[-1] & ~self.clear),
        ]

        # floor((v + h) / 2**s) is floor(v / 2**s) plus the last bit shifted out, so that bit is
        # kept below the word and no carry runs through the full width. What is shifted is a
        # window that holds the result; bits above it only say whether the result is too wide.
        coarse = Signal(signed(_WINDOW + 7), reset_less=True)
        fine = Signal(signed(_WINDOW), reset_less=True)
        fine_shift = Signal(3, reset_less=True)
        signs = Signal(2, reset_less=True)
        above = Signal(reset_less=True)
        # Words of up to 17 bits are rounded before they are judged: -32768.5 rounds into range.
        rounded = Signal(signed(18), reset_less=True)
        wide = Signal(2, reset_less=True)
        negative = Signal(reset_less=True)

        value, shift = self.i.p.value, self.i.p.shift
        sign = value[-1]
        word = Cat(0, value, sign.replicate(63 + len(coarse) - self.width))
        differs = word ^ sign.replicate(len(word))
        tops = range(len(coarse), self.width + 1, 8)  # where a window ends below the sign
        windows = [word[8 * step:8 * step + len(coarse)] for step in range(8)]
        # Above the fine window: as many bits as are not shifted out of the coarse one.
        rest = coarse[_WINDOW:] ^ signs[0].replicate(7)
        with m.If(advance):
            m.d.sync += [
                coarse.eq(select(shift[3:], windows)),
                above.eq(Cat((shift[3:] <= step) & differs[top:top + 8].any()
                             for step, top in enumerate(tops)).any()),
                fine_shift.eq(shift[:3]), signs.eq(Cat(sign, signs[0])),
                fine.eq(select(fine_shift, [coarse[step:step + _WINDOW] for step in range(8)])),
                wide[0].eq(above | Cat(bit & (fine_shift <= step)
                                       for step, bit in enumerate(rest)).any()),
                rounded.eq(fine[1:].as_signed() + fine[0]),
                wide[1].eq(wide[0] | (fine[-1] != signs[1])), negative.eq(signs[1]),
            ]

        clipped = wide[1] | (rounded[15:].any() & ~rounded[15:].all())
        with m.If(advance):
            m.d.sync += self.o.payload.eq(
                Mux(clipped, Mux(negative, -0x8000, 0x7FFF), rounded[:16].as_signed()))

        m.d.sync += self.saturated.eq(advance & valid[2] & clipped & ~self.clear)
        with m.If(self.clear):
            m.d.sync += valid.eq(0)
        with m.Elif(advance):
            m.d.sync += valid.eq(Cat(self.i.valid, valid[:-1]))

        return m
