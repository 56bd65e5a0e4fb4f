"""The operators of a tile: arithmetic on one or two streams, reductions, decimation."""

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from .divider import Divider, DividerUser, add_or_subtract
from .registers import OPERATIONS, tile_units
from .requantise import Requantise
from .stream import SkidBuffer, StreamFifo
from .target import get_target

__all__ = ["Operator"]

#: The operators' registers are the same in both and on every target.
LAYOUT = tile_units(get_target("tiny"), convolver=False)["op0"].layout

#: Cycles from the input buffers to the output FIFO, the longest way: the divider's.
LATENCY = Divider.LATENCY + 2

#: Words of the output FIFO: what is on its way when it stops taking, and as many again, so that
#: a receiver that pauses loses no cycle.
FIFO_DEPTH = 64


class Operator(wiring.Component):
    """Add, subtract, multiply, divide, compare or reduce samples, then drop what a stride skips.

    One result for each pair of words, or for each word where b is constant; a reduction gives one
    for each ``count`` words of a, never takes b, and starts anew after it. Takes a word of each
    stream it needs a cycle. Latency 12 cycles, to divide 27. One multiplier, 17 x 16 bits. The
    pipeline never stops; it takes words only when the FIFO behind it has room for all results on
    their way. The divider is the tile's: when its other operator divides, too, they take turns.

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
        high nothing is taken or offered.
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

        m.submodules.skid_a = skid_a = SkidBuffer(signed(16))
        m.submodules.skid_b = skid_b = SkidBuffer(signed(16))
        m.submodules.fifo = fifo = StreamFifo(signed(16), FIFO_DEPTH)
        wiring.connect(m, wiring.flipped(self.a), skid_a.i)
        wiring.connect(m, wiring.flipped(self.b), skid_b.i)
        wiring.connect(m, fifo.o, wiring.flipped(self.o))
        m.d.comb += [part.clear.eq(self.start) for part in (skid_a, skid_b, fifo)]

        use_b, divides, fire, room = Signal(), Signal(), Signal(), Signal()
        take = room & (self.divider.grant | ~divides)
        m.d.sync += [
            room.eq(fifo.level < FIFO_DEPTH - LATENCY - 1),
            # `start` holds everything still while these take their values.
            use_b.eq(~self.config.constant_enable & ~self._is("reduce_")),
            divides.eq(self._is("div")),
        ]
        m.d.comb += [
            fire.eq(skid_a.o.valid & (skid_b.o.valid | ~use_b) & take),
            skid_a.o.ready.eq(take & (skid_b.o.valid | ~use_b)),
            skid_b.o.ready.eq(take & skid_a.o.valid & use_b),
            self.divider.want.eq(skid_a.o.valid & (skid_b.o.valid | ~use_b) & room & divides),
        ]

        a, b = Signal(signed(16), reset_less=True), Signal(signed(16), reset_less=True)
        operand = Mux(use_b, skid_b.o.payload, self.config.constant)
        m.d.sync += [a.eq(skid_a.o.payload), b.eq(operand)]

        quotient = self._divide(m, fire, a, b)
        result = self._calculate(m, fire, a, b, operand)
        self._decimate(m, fifo.i, *(Mux(self._is("div"), *pair)
                                    for pair in zip(quotient, result, strict=True)))
        return m

    def _is(self, *names):
        """Return whether the operation is one whose name starts with one of ``names``."""
        return Cat(self.config.operation == code for code, operation in enumerate(OPERATIONS)
                   if operation.startswith(names)).any()

    def _later(self, m, value, cycles, clear=None):
        """Return ``value`` as it was some cycles ago; 0 if ``clear`` was high since."""
        for _ in range(cycles):
            later = Signal.like(value, reset_less=clear is None)
            m.d.sync += later.eq(value if clear is None else Mux(clear, 0, value))
            value = later
        return value

    def _divide(self, m, fire, a, b):
        """Return valid, quotient and whether it was clipped."""
        port = self.divider
        m.d.comb += [port.a.eq(a), port.b.eq(b), port.shift.eq(self.config.shift)]
        valid = self._later(m, fire, Divider.LATENCY + 1, clear=self.start)
        return valid, port.quotient, port.saturated

    def _calculate(self, m, fire, a, b, operand):
        """Return valid, result and whether it was clipped, for everything but division.

        Registers of operations that are not chosen are held at zero, so that an OR joins them.
        ``operand`` is what ``b`` takes.
        """
        number, last = self._count(m, fire)
        multiplies, adds, compares = Signal(), Signal(), Signal()
        m.d.sync += [multiplies.eq(self._is("mul", "reduce_sum")),
                     adds.eq(self._is("add", "sub")), compares.eq(self._is("max", "min"))]
        product, products = self._multiply(m, fire, a, operand, multiplies, number)

        # Sum, difference and comparison: shift, then one adder.
        subtract = Signal()
        shifted_b = Signal(signed(31), reset_less=True)
        total, below = Signal(signed(32), reset_less=True), Signal(reset_less=True)
        chosen_a, chosen_b = (Signal(signed(31), name=f"chosen_{name}", reset_less=True)
                              for name in "ab")
        shifted_a = product[:31].as_signed()
        added = add_or_subtract(shifted_a, shifted_b, subtract, 32)
        m.d.sync += [
            subtract.eq(~self._is("add")), shifted_b.eq(b << self.config.shift_b),
            total.eq(Mux(adds, added, 0)), below.eq(added[-1] ^ self._is("min")),
            chosen_a.eq(Mux(compares, shifted_a, 0)), chosen_b.eq(Mux(compares, shifted_b, 0)),
        ]

        value = Signal(signed(48), reset_less=True)
        m.d.sync += value.eq(total | products | self._extreme(m, fire, a, number)
                             | Mux(below, chosen_b, chosen_a))

        m.submodules.requantise = requantise = Requantise(48)
        m.d.comb += [
            requantise.clear.eq(self.start),
            requantise.i.valid.eq(self._later(m, fire & last, 4, clear=self.start)),
            requantise.i.p.value.eq(value),
            requantise.i.p.shift.eq(
                Mux(self._is("reduce_max", "reduce_min", "reduce_argmax"), 0, self.config.shift)),
            requantise.o.ready.eq(1),  # the FIFO has room
        ]
        return requantise.o.valid, requantise.o.payload, requantise.saturated

    def _multiply(self, m, fire, a, operand, multiplies, number):
        """Return a times ``operand`` or the power of two that shifts a, and the sum of products.

        Operands, product and sum each have a register, as in a DSP block. A lone product is a
        sum of one.
        """
        power = Signal(16, reset_less=True)
        factor = Signal(signed(17), reset_less=True)
        product = Signal(signed(33), reset_less=True)
        products = Signal(signed(48), reset_less=True)
        m.d.sync += [
            power.eq(1 << self.config.shift_a),
            factor.eq(Mux(multiplies, operand, power)),
            product.eq(a * factor),
        ]
        anew, add = self._later(m, number == 1, 2), self._later(m, fire, 2)
        with m.If(~multiplies):
            m.d.sync += products.eq(0)
        with m.Elif(add):
            m.d.sync += products.eq(Mux(anew, 0, products) + product)
        return product, products

    def _extreme(self, m, fire, a, number):
        """Return the extreme of a reduction, or its place, 3 cycles after its last word."""
        # Inverted numbers compare the other way round; the first of equals stays.
        extreme, place = Signal(signed(16), reset_less=True), Signal(16, reset_less=True)
        invert = self._is("reduce_max", "reduce_argmax").replicate(16)
        better = (a ^ invert)[:16].as_signed() < (extreme ^ invert)[:16].as_signed()
        number_then = self._later(m, number, 1)
        with m.If(self._later(m, fire, 1) & ((number_then == 1) | better)):
            m.d.sync += [extreme.eq(a), place.eq(number_then - 1)]

        found = Signal(signed(17), reset_less=True)
        seeks = Signal()
        m.d.sync += [
            seeks.eq(self._is("reduce_max", "reduce_min", "reduce_argmax")),
            found.eq(Mux(self._is("reduce_argmax"), place, extreme)),
        ]
        with m.If(~seeks):
            m.d.sync += found.eq(0)
        return found

    def _count(self, m, fire):
        """Return the number of the word taken in its reduction, from 1, and whether it is last."""
        number = Signal(16, init=1)
        last = (number == self.config.count) | ~self._is("reduce_")
        with m.If(self.start | (fire & last)):
            m.d.sync += number.eq(1)
        with m.Elif(fire):
            m.d.sync += number.eq(number + 1)
        return number, last

    def _decimate(self, m, o, valid, result, saturated):
        """Offer results in kept columns of kept rows at ``o``."""
        config = self.config
        # All count from 1. The steps start anew with each row and each map.
        column, row = Signal(12, init=1), Signal(12, init=1)
        step_x, step_y = Signal(8, init=1), Signal(8, init=1)
        last_column, last_row = column == config.width, row == config.height

        with m.If(valid):
            m.d.sync += [column.eq(column + 1), step_x.eq(step_x + 1)]
            with m.If(last_column):
                m.d.sync += [column.eq(1), row.eq(row + 1), step_y.eq(step_y + 1)]
            with m.If(last_column | (step_x == config.step_x)):
                m.d.sync += step_x.eq(1)
            with m.If(last_column & last_row):
                m.d.sync += row.eq(1)
            with m.If(last_column & (last_row | (step_y == config.step_y))):
                m.d.sync += step_y.eq(1)
        with m.If(self.start):
            m.d.sync += [counter.eq(1) for counter in (column, row, step_x, step_y)]

        kept = (config.width == 0) | ((step_x == 1) & (step_y == 1))
        keep = valid & kept & ~self.start
        m.d.sync += [
            o.valid.eq(keep),
            o.payload.eq(result),
            self.saturated.eq(keep & saturated),
        ]
