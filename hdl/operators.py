"""The operators of a tile: arithmetic on one or two streams, reductions, decimation."""

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from .divider import Divider, add_or_subtract
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
    stream it needs a cycle. Latency 12 cycles, to divide 27. One multiplier, 16 x 16 bits. The
    pipeline never stops; it takes words only when the FIFO behind it has room for all results on
    their way.

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

        use_b, fire, room = Signal(), Signal(), Signal()
        m.d.sync += room.eq(fifo.level < FIFO_DEPTH - LATENCY - 1)
        m.d.comb += [
            use_b.eq(~self.config.constant_enable & ~self._is("reduce_")),
            fire.eq(skid_a.o.valid & (skid_b.o.valid | ~use_b) & room),
            skid_a.o.ready.eq(room & (skid_b.o.valid | ~use_b)),
            skid_b.o.ready.eq(room & skid_a.o.valid & use_b),
        ]

        a, b = Signal(signed(16), reset_less=True), Signal(signed(16), reset_less=True)
        m.d.sync += [
            a.eq(skid_a.o.payload),
            b.eq(Mux(use_b, skid_b.o.payload, self.config.constant)),
        ]

        quotient = self._divide(m, fire, a, b)
        result = self._calculate(m, fire, a, b)
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
        m.submodules.divider = divider = Divider()
        m.d.comb += [divider.a.eq(a), divider.b.eq(b), divider.shift.eq(self.config.shift)]
        valid = self._later(m, fire, Divider.LATENCY + 1, clear=self.start)
        return valid, divider.quotient, divider.saturated

    def _calculate(self, m, fire, a, b):
        """Return valid, result and whether it was clipped, for everything but division."""
        number, last = self._count(m, fire)

        # Sum, difference and comparison: shift, then one adder.
        shifted_a = Signal(signed(31), reset_less=True)
        shifted_b = Signal(signed(31), reset_less=True)
        total = Signal(signed(32), reset_less=True)
        subtract = ~self._is("add")
        m.d.sync += [
            shifted_a.eq(a << self.config.shift_a),
            shifted_b.eq(b << self.config.shift_b),
            total.eq(add_or_subtract(shifted_a, shifted_b, subtract, 32)),
        ]
        take_b = total[-1] ^ self._is("min")
        chosen = Mux(take_b, self._later(m, shifted_b, 1), self._later(m, shifted_a, 1))

        # Product and sum of products: operands, product and sum each have a register, as in a DSP
        # block. A lone product is a sum of one.
        product = Signal(signed(32), reset_less=True)
        products = Signal(signed(48), reset_less=True)
        m.d.sync += product.eq(a * b)
        anew, add = self._later(m, number == 1, 2), self._later(m, fire, 2)
        with m.If(add):
            m.d.sync += products.eq(Mux(anew, 0, products) + product)

        # Inverted numbers compare the other way round; the first of equals stays.
        extreme, place = Signal(signed(16), reset_less=True), Signal(16, reset_less=True)
        invert = self._is("reduce_max", "reduce_argmax").replicate(16)
        better = (a ^ invert)[:16].as_signed() < (extreme ^ invert)[:16].as_signed()
        number_then = self._later(m, number, 1)
        with m.If(self._later(m, fire, 1) & ((number_then == 1) | better)):
            m.d.sync += [extreme.eq(a), place.eq(number_then - 1)]
        extreme_then, place_then = self._later(m, extreme, 1), self._later(m, place, 1)

        value = Signal(signed(48), reset_less=True)
        with m.If(self._is("add", "sub")):
            m.d.sync += value.eq(total)
        with m.Elif(self._is("max", "min")):
            m.d.sync += value.eq(chosen)
        with m.Elif(self._is("mul", "reduce_sum")):
            m.d.sync += value.eq(products)
        with m.Elif(self._is("reduce_argmax")):
            m.d.sync += value.eq(place_then)
        with m.Else():
            m.d.sync += value.eq(extreme_then)

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
