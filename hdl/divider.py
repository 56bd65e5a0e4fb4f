"""The pipelined divider that the operators of a tile share."""

from amaranth.hdl import Cat, Module, Mux, Signal, signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Divider", "DividerUser", "SharedDivider", "add_or_subtract"]


def add_or_subtract(a, b, subtract, width):
    """Return the low ``width`` bits of a - b or a + b, from one adder, as a signed value.

    The carry into the sum comes from a bit below it: synthesis then needs one carry chain and
    one look-up table a bit. The operands have at least ``width`` bits, or are extended by sign.
    """
    def extend(value):
        return (value if len(value) >= width else
                Cat(value, value[-1].replicate(width - len(value))))[:width]
    total = Cat(1, extend(a)) + Cat(subtract, extend(b) ^ subtract.replicate(width))
    return total[1:width + 1].as_signed()


class Divider(wiring.Component):
    """Divide samples exactly, rounding half up: ``sat(floor(a * 2**shift / b + 1/2))``.

    One quotient a cycle, `LATENCY` cycles after its operands; the pipeline never stops, so who
    uses it keeps track of which quotients are real. A row of non-restoring steps, one
    add-or-subtract a bit.

    Members
    -------
    a, b : In(signed(16))
        Dividend and divisor.
    shift : In(4)
        Left shift of ``a``.
    quotient : Out(signed(16))
        For ``b`` = 0 saturated by the sign of ``a``, 0 for ``a`` = 0.
    saturated : Out(1)
        The quotient was clipped.

    Source: docs/arithmetic.md, "Operators".
    """

    #: Cycles from operands to quotient.
    LATENCY = 22

    def __init__(self):
        super().__init__({
            "a": In(signed(16)),
            "b": In(signed(16)),
            "shift": In(4),
            "quotient": Out(signed(16)),
            "saturated": Out(1),
        })

    def elaborate(self, platform):
        m = Module()

        def register(value, shape=None):
            stage = Signal(shape or value.shape(), reset_less=True)
            m.d.sync += stage.eq(value)
            return stage

        # With M = |a| 2^shift, B = |b| and r = 1 for a negative quotient, its magnitude is
        # floor((2 M + B - r) / (2 B)) = floor((M + floor((B - r) / 2)) / B).
        # a = 0 is divided by 1 instead, which keeps 0/0 from saturating.
        magnitude = register(Mux(self.a < 0, -self.a, self.a)[:16])
        divisor = register(Mux(self.a == 0, 1, Mux(self.b < 0, -self.b, self.b))[:16])
        negative = register((self.a < 0) ^ (self.b < 0))
        shift = register(self.shift)

        shifted = register(magnitude << shift)
        half = register((divisor - negative)[1:16])
        divisor, negative = register(divisor), register(negative)

        dividend = register(shifted + half, 31)
        divisor, negative = register(divisor), register(negative)

        # The remainder lies in -B .. B - 1. Each step shifts in a bit of the dividend and brings
        # the remainder towards 0; a quotient bit says that it ended at or above 0. The first
        # step, on all bits above the last 16, says whether the quotient exceeds 16 bits.
        remainder = register(dividend[16:] - divisor, signed(16))
        overflow = ~remainder[-1]
        bits = register(dividend[:16])  # dividend bits leave at the top, quotient bits follow
        divisor, negative = register(divisor), register(negative)
        for _ in range(16):
            doubled = Cat(bits[-1], remainder[:-1])
            above = ~remainder[-1]
            remainder = register(add_or_subtract(doubled, divisor, above, 16))
            bits = register(Cat(above, bits[:-1]))
            divisor, negative, overflow = (
                register(value) for value in (divisor, negative, overflow))

        # The first bit that went in has left at the top: it is `overflow`.
        magnitude = register(Cat(~remainder[-1], bits[:-1]))
        overflow, negative = register(overflow), register(negative)

        clipped = overflow | (magnitude > Mux(negative, 0x8000, 0x7FFF))
        m.d.sync += [
            self.saturated.eq(clipped),
            self.quotient.eq(Mux(negative, Mux(clipped, -0x8000, -magnitude),
                                 Mux(clipped, 0x7FFF, magnitude))),
        ]
        return m


class DividerUser(wiring.Signature):
    """What an operator and the divider it shares say to each other.

    Members
    -------
    want : Out(1)
        Operands are there, and may be taken in this cycle if ``grant`` is high.
    grant : In(1)
        Does not depend on this user's ``want``.
    a, b : Out(signed(16))
        The operands, a cycle after they were taken.
    shift : Out(4)
        See `Divider`.
    quotient : In(signed(16)), saturated : In(1)
        `Divider.LATENCY` cycles after the operands.
    """

    def __init__(self):
        super().__init__({
            "want": Out(1), "grant": In(1), "a": Out(signed(16)), "b": Out(signed(16)),
            "shift": Out(unsigned(4)), "quotient": In(signed(16)), "saturated": In(1)})


class SharedDivider(wiring.Component):
    """One divider for two operators: one divides at full rate, two take turns.

    Members
    -------
    users : In(DividerUser), array of 2
    """

    def __init__(self):
        super().__init__({"users": In(DividerUser()).array(2)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.divider = divider = Divider()
        first, second = self.users

        turn = Signal()  # of the second user, when both want
        chosen = Signal()
        m.d.comb += [first.grant.eq(~(second.want & turn)), second.grant.eq(~first.want | turn)]
        m.d.sync += [
            turn.eq(first.want & ~turn),
            chosen.eq(second.want & second.grant),
        ]
        m.d.comb += [getattr(divider, name).eq(Mux(chosen, getattr(second, name),
                                                   getattr(first, name)))
                     for name in ("a", "b", "shift")]
        for user in self.users:
            m.d.comb += [user.quotient.eq(divider.quotient), user.saturated.eq(divider.saturated)]
        return m
