"""The operators of a tile: arithmetic on one or two streams, reductions, decimation."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from .decimator import Decimator, incremented
from .divider import DividerUser
from .outlet import Outlet
from .pairing import Pairing
from .registers import OPERATIONS, tile_units
from .requantise import Requantise
from .select import equal
from .target import get_target

__all__ = ["Operator"]

#: The operators' registers are the same in both and on every target.
LAYOUT = tile_units(get_target("tiny"), convolver=False)["op0"].layout

#: Fraction bits below a result: shifts to the left by less than 16 are shifts to the right, too.
_FRACTION = 16

#: Words on their way or waiting: more than are on their way at full rate.
_PLACES = 32


class Operator(wiring.Component):
    """Add, subtract, multiply, divide, compare or reduce samples, then drop what a stride skips.

    One result for each pair of words, or for each word where b is constant; a reduction gives one
    for each ``count`` words of a, never takes b, and starts anew after it. Takes a word of each
    stream it needs a cycle. Latency 15 cycles, to divide 24. One multiplier, 18 x 17 bits, that
    also shifts and adds. The pipeline never stops; it takes words only when the FIFO behind it has
    room for all results on their way. The divider is the tile's: when its other operator divides,
    too, each has every other cycle. All handshakes come from registers.

    Members
    -------
    a, b : In(stream of signed(16))
        Operands. b is never taken when ``constant_enable`` is set or the operation reduces.
    o : Out(stream of signed(16))
        Results that the decimator keeps.
    config : In(operator's layout)
        ``count`` is at least 1 to reduce; ``height`` and steps are at least 1 to decimate.
    start : In(1)
        First cycle of a new ``config``: empties the operator and starts its counts anew. While
        high the router moves no word.
    divider : Out(DividerUser)
        The divider.
    saturated : Out(1)
        High for one cycle when a result that is kept was clipped.

    Source: docs/architecture.md and docs/arithmetic.md, "Operators".
    """

    def __init__(self):
        super().__init__({
            "a": In(stream.Signature(signed(16))),
            "b": In(stream.Signature(signed(16))),
            "o": Out(stream.Signature(signed(16))),
            "config": In(LAYOUT),
            "start": In(1),
            "divider": Out(DividerUser()),
            "saturated": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        self._decode(m)

        m.submodules.pairing = pairing = Pairing()
        m.submodules.outlet = outlet = Outlet(signed(16), _PLACES, lag=4)
        wiring.connect(m, wiring.flipped(self.a), pairing.a)
        wiring.connect(m, wiring.flipped(self.b), pairing.b)
        wiring.connect(m, outlet.o, wiring.flipped(self.o))
        m.d.comb += [
            pairing.single.eq(self.single),
            pairing.room.eq(outlet.room & (self.divider.grant | ~self.divides)),
            pairing.start.eq(self.start),
            outlet.clear.eq(self.start),
            self.divider.divides.eq(self.divides),
        ]

        first, last = self._count(m, pairing.taken)
        m.submodules.decimator = decimator = Decimator()
        m.d.comb += [
            decimator.valid.eq(self._later(m, pairing.taken & last, 1)),
            decimator.start.eq(self.start),
            outlet.launch.eq(decimator.kept),
        ]
        m.d.comb += [getattr(decimator, name).eq(getattr(self.config, name))
                     for name in ("width", "height", "step_x", "step_y")]

        value, shift = self._calculate(m, pairing, first, last)
        calculated = self._later(m, decimator.kept, 4)
        divided = self._later(m, calculated, DividerUser.LATENCY)
        m.submodules.requantise = requantise = Requantise(len(value))
        m.d.comb += [
            requantise.clear.eq(self.start),
            requantise.i.valid.eq(Mux(self.divides, divided, calculated)),
            requantise.i.p.value.eq(value),
            requantise.i.p.shift.eq(shift),
            requantise.o.ready.eq(1),
            outlet.valid.eq(requantise.o.valid),
            outlet.payload.eq(requantise.o.payload),
            self.saturated.eq(requantise.saturated),
        ]
        return m

    def _is(self, *names):
        """Return whether the operation is one whose name starts with one of ``names``."""
        return Cat(self.config.operation == code for code, operation in enumerate(OPERATIONS)
                   if operation.startswith(names)).any()

    def _later(self, m, value, cycles):
        """Return a mark as it was some cycles ago; 0 if ``start`` was high since."""
        for _ in range(cycles):
            later = Signal.like(value)
            m.d.sync += later.eq(Mux(self.start, 0, value))
            value = later
        return value

    def _held(self, m, value, enable):
        """Return ``value`` as it was a cycle ago, and 0 while not enabled: an OR joins such."""
        held = Signal.like(value, reset_less=True)
        m.d.sync += held.eq(Mux(enable, value, 0))
        return held

    def _decode(self, m):
        """Set what follows from the registers alone, some cycles before the first word."""
        def register(value, name):
            stage = Signal.like(value, name=name, reset_less=True)
            m.d.sync += stage.eq(value)
            return stage

        config = self.config
        self.single = register(config.constant_enable | self._is("reduce_"), "single")
        self.reduces = register(self._is("reduce_"), "reduces")
        self.sums = register(self._is("reduce_sum"), "sums")
        self.multiplies = register(self._is("mul", "reduce_sum"), "multiplies")
        self.divides = register(self._is("div"), "divides")
        self.subtracts = register(self._is("sub"), "subtracts")
        self.compares = register(self._is("max", "min"), "compares")
        self.seeks = register(self._is("reduce_max", "reduce_min", "reduce_argmax"), "seeks")
        self.places = register(self._is("reduce_argmax"), "places")
        self.least = register(self._is("min", "reduce_min"), "least")

        # a 2**shift_a and b 2**shift_b share a factor, which the final shift takes up: the
        # multiplier shifts but one of them, by the difference. To divide it shifts a.
        aligned = self._is("add", "sub", "max", "min")
        shift_a = register(Mux(aligned, config.shift_a,
                               Mux(self._is("div"), config.shift[:4], 0)), "shift_a")
        shift_b = self._held(m, config.shift_b, aligned)
        shift = self._held(m, config.shift, ~self._is("div", "reduce_max", "reduce_min",
                                                      "reduce_argmax"))
        more = register((shift_a - shift_b).as_signed(), "more")
        self.swaps = register(more < 0, "swaps")
        flipped = more[:4] ^ more[-1].replicate(4)
        self.difference = register((Cat(more[-1], flipped) + Cat(more[-1], Const(0, 4)))[1:5],
                                   "difference")
        # The shifts of a result in the scale of a, and of b.
        right = Cat(shift[:4], ~shift[4], shift[4])  # by what the fraction adds, too
        self.shifts = [register((right - left)[:6], f"shift_{name}_left")
                       for name, left in (("a", shift_a), ("b", shift_b))]

    def _count(self, m, taken):
        """Return whether the word taken is the first, and the last, of its reduction."""
        number, first = Signal(16, reset_less=True), Signal(init=1, reset_less=True)
        last = equal(incremented(number), self.config.count) | ~self.reduces
        with m.If(self.start | (taken & last)):
            m.d.sync += [number.eq(0), first.eq(1)]
        with m.Elif(taken):
            m.d.sync += [number.eq(incremented(number)), first.eq(0)]
        return first, last

    def _calculate(self, m, pairing, first, last):
        """Return the value to requantise, 6 cycles after the pair, and its shift.

        A division's is later by the divider's latency. All ways to a value are registers that are
        held at zero where they are not meant, so that an OR joins them.
        """
        def delay(value, cycles=1):
            for _ in range(cycles):
                later = Signal.like(value, reset_less=True)
                m.d.sync += later.eq(value)
                value = later
            return value

        # b, or -b to subtract, or |b| to divide.
        chosen = Mux(self.single, self.config.constant, pairing.word_b)
        below = self.divides & chosen[-1]
        negate = self.subtracts | below
        flipped = Cat(chosen, chosen[-1]) ^ negate.replicate(17)
        b = delay((Cat(negate, flipped) + Cat(negate, Const(0, 17)))[1:18].as_signed())
        a = delay(pairing.word_a)
        below = delay(below)

        # One operand goes through the multiplier. The other, or half of b to round a quotient,
        # is added to the product, less 1 if inverted.
        factor = delay(Mux(self.multiplies, b, Const(1, 17) << self.difference)[:17].as_signed())
        adds = ~self.multiplies
        other = Mux(self.divides, b >> 1, Mux(self.swaps, a, b))
        inverts = self.compares | below
        addend = delay(self._held(m, (other[:17] ^ inverts.replicate(17)).as_signed(), adds))
        total = self._multiply(
            m, self._held(m, a, ~self.swaps) + self._held(m, b, self.swaps), factor, addend,
            taken=self._later(m, pairing.taken, 3), more=self.sums & ~self._later(m, first, 3))

        # Compared, the operand that is chosen takes the way around the multiplier.
        a = delay(self._held(m, a, self.compares | self.seeks), 2)
        b = delay(self._held(m, b, self.compares | self.divides), 2)
        m.d.comb += [
            self.divider.dividend.eq(total), self.divider.divisor.eq(b),
            self.divider.negative.eq(delay(self._held(m, below, self.divides), 2)),
        ]
        takes_a = total[-1] ^ ~self.swaps ^ self.least
        ways = [self._held(m, a, self.compares & takes_a),
                self._held(m, b[:16].as_signed(), self.compares & ~takes_a),
                self._held(m, self.divider.quotient, self.divides & ~self.divider.zero)]
        extreme, place = self._extreme(m, a, *(self._later(m, mark, 4) for mark in (
            pairing.taken, first, pairing.taken & last)))
        ways.append(extreme)

        product = self._held(m, total, ~(self.compares | self.divides | self.seeks))
        sign = Cat(way[-1] for way in ways).any()
        low = product[:16] | place
        for way in ways:
            low |= way[:16]
        value = Cat(Const(0, _FRACTION), delay(low), delay(Mux(sign, ~0, product[16:])[:32]))
        in_a = delay(Mux(self.compares, takes_a, self.swaps))
        return value.as_signed(), delay(Mux(in_a, *self.shifts))

    def _multiply(self, m, a, factor, addend, taken, more):
        """Return the product plus ``addend``, or plus the last result.

        Product and sum each have a register, as in a DSP block.
        """
        product = Signal(signed(35), reset_less=True)
        total = Signal(signed(48), reset_less=True)
        m.d.sync += product.eq(a * factor)
        with m.If(taken):
            m.d.sync += total.eq(Mux(more, total, addend) + product)
        return total

    def _extreme(self, m, a, taken, first, last):
        """Return the extreme of a reduction, or its place, a cycle after its last word."""
        extreme = Signal(signed(16), reset_less=True)
        number, place = Signal(16, reset_less=True), Signal(16, reset_less=True)
        value = Signal(signed(16), reset_less=True)

        # The borrow of a - extreme, or of one less: a is below, or not above. The top bits compare
        # the other way round. The first of equals stays.
        upper, lower = Cat(a[:15], extreme[-1]), Cat(extreme[:15], a[-1])
        misses = (Cat(self.least, upper) - Cat(1, lower))[17]
        takes = taken & (first | (misses ^ ~self.least))
        with m.If(takes):
            m.d.sync += [extreme.eq(a), value.eq(a), place.eq(number)]
        with m.If(last | self.start):
            m.d.sync += number.eq(0)
        with m.Elif(taken):
            m.d.sync += number.eq(incremented(number))
        with m.If(~self.seeks | self.places):
            m.d.sync += value.eq(0)
        with m.If(~self.places):
            m.d.sync += place.eq(0)
        return value, place
