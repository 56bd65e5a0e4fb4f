"""Requantisation: the one rounding of the machine."""

import operator

from amaranth.hdl import Cat, Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Requantise"]


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
        # kept below the word and no carry runs through the full width.
        coarse = Signal(signed(self.width + 1), reset_less=True)
        fine_shift = Signal(3, reset_less=True)
        fine = Signal(signed(self.width + 1), reset_less=True)
        # Words of up to 17 bits are rounded before they are judged: -32768.5 rounds into range.
        rounded = Signal(signed(18), reset_less=True)
        wide = Signal(reset_less=True)
        negative = Signal(reset_less=True)

        value, shift = self.i.p.value, self.i.p.shift
        high = fine[17:]  # sign and everything above 17 bits
        with m.If(advance):
            m.d.sync += [
                coarse.eq(Cat(0, value).as_signed() >> (shift & 0b111000)),
                fine_shift.eq(shift[:3]),
                fine.eq(coarse >> fine_shift),
                rounded.eq(fine[1:18].as_signed() + fine[0]),
                wide.eq(high.any() & ~high.all()),
                negative.eq(fine[-1]),
            ]

        clipped = wide | (rounded[15:].any() & ~rounded[15:].all())
        with m.If(advance):
            m.d.sync += self.o.payload.eq(
                Mux(clipped, Mux(negative, -0x8000, 0x7FFF), rounded[:16].as_signed()))

        m.d.sync += self.saturated.eq(advance & valid[2] & clipped & ~self.clear)
        with m.If(self.clear):
            m.d.sync += valid.eq(0)
        with m.Elif(advance):
            m.d.sync += valid.eq(Cat(self.i.valid, valid[:-1]))

        return m
