"""The pipelined divider that the operators of a tile share."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Divider", "DividerUser", "SharedDivider"]

#: Steps of the array in one cycle.
_STEPS = 2


def _step(remainder, divisor, subtract):
    """Return remainder - divisor or remainder + divisor, its top bit inverted.

    One look-up table a bit: the carry comes in from a bit below. The divisor is unsigned.
    """
    width = len(remainder)
    flips = Cat(subtract.replicate(width - 1), ~subtract)
    addend = Cat(divisor, Const(0, width - len(divisor))) ^ flips
    return (Cat(subtract, remainder) + Cat(subtract, addend))[1:width + 1]


class Divider(wiring.Component):
    """Divide by a magnitude, rounding down: ``floor(dividend / divisor)``.

    One quotient a cycle, `LATENCY` cycles after its operands; the pipeline never stops, so who
    uses it keeps track of which quotients are real. An array of non-restoring steps, one
    add-or-subtract a bit, two in a cycle.

    Members
    -------
    dividend : In(signed(32))
    divisor : In(unsigned(16))
        At most 2**15.
    quotient : Out(signed(17))
        Right where it has 16 bits; else its two top bits differ, and tell its sign.
    zero : Out(1)
        The dividend was 0. The quotient is 0, whatever ``quotient`` says.

    Source: docs/arithmetic.md, "Operators".
    """

    #: Cycles from operands to quotient.
    LATENCY = 16 // _STEPS

    def __init__(self):
        super().__init__({
            "dividend": In(signed(32)),
            "divisor": In(unsigned(16)),
            "quotient": Out(signed(17)),
            "zero": Out(1),
        })

    def elaborate(self, platform):
        m = Module()

        def register(value):
            stage = Signal.like(value, reset_less=True)
            m.d.sync += stage.eq(value)
            return stage

        # The remainder lies in -B .. B - 1. Each step shifts in a bit of the dividend and brings
        # the remainder towards 0; a quotient bit says that it ended at or above 0. The first
        # step, on all bits above the last 15, says whether the quotient has more than 16 bits;
        # its own sign is the dividend's.
        bits, remainder = self.dividend[:15], self.dividend[15:]
        divisor, zero = self.divisor, self.dividend == 0
        above = ~self.dividend[-1]
        quotient = ~above
        for step in range(16):
            total = _step(remainder, divisor, above)
            above = total[-1]
            if step < 15:
                # Dividend bits leave at the top.
                remainder = Cat(bits[-1], total[:15])
                bits = bits[:-1]
            quotient = Cat(above, quotient)
            if step % _STEPS == _STEPS - 1:
                quotient, divisor, zero = register(quotient), register(divisor), register(zero)
                if step < 15:
                    remainder, bits = register(remainder), register(bits)
                above = quotient[0]

        m.d.comb += [self.quotient.eq(quotient), self.zero.eq(zero)]
        return m


class DividerUser(wiring.Signature):
    """What an operator and the divider it shares say to each other.

    Members
    -------
    divides : Out(1)
        This user's words are divisions, from its first word on.
    grant : In(1)
        This user's operands may come `GRANT` cycles later.
    dividend : Out(signed(32)), divisor : Out(unsigned(16)), negative : Out(1)
        Divide the dividend, or if ``negative`` its one's complement.
    quotient : In(signed(17)), zero : In(1)
        See `Divider`; `LATENCY` cycles after the operands.
    """

    #: Cycles from a grant to its operands; even, see `SharedDivider`.
    GRANT = 6
    #: Cycles from operands to quotient.
    LATENCY = Divider.LATENCY + 1

    def __init__(self):
        super().__init__({
            "divides": Out(1), "grant": In(1), "dividend": Out(signed(32)),
            "divisor": Out(unsigned(16)), "negative": Out(1), "quotient": In(signed(17)),
            "zero": In(1)})


class SharedDivider(wiring.Component):
    """One divider for two operators: one divides at full rate, two at every other cycle.

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

        # Turns last a cycle, and operands come an even number of cycles after their grant.
        both, turn = Signal(), Signal()
        grants, chosen = Signal(2, init=3), Signal()
        m.d.comb += both.eq(first.divides & second.divides)
        m.d.sync += [
            turn.eq(~turn),
            grants.eq(Cat(~both | turn, ~both | ~turn)),
            chosen.eq(second.divides & (~first.divides | ~turn)),
        ]
        m.d.comb += [first.grant.eq(grants[0]), second.grant.eq(grants[1])]

        dividend, divisor = (Mux(chosen, getattr(second, name), getattr(first, name))
                             for name in ("dividend", "divisor"))
        negative = Mux(chosen, second.negative, first.negative)
        operands = Signal(signed(32), reset_less=True), Signal(16, reset_less=True)
        m.d.sync += [operands[0].eq(dividend ^ negative.replicate(32)), operands[1].eq(divisor)]
        m.d.comb += [divider.dividend.eq(operands[0]), divider.divisor.eq(operands[1])]
        for user in self.users:
            m.d.comb += [user.quotient.eq(divider.quotient), user.zero.eq(divider.zero)]
        return m
