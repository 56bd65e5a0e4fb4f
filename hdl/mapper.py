"""The mapper of a tile: a function of one sample, by segments of a quadratic."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from .memory_write import MemoryWrite
from .outlet import Outlet
from .registers import tile_units
from .requantise import Requantise
from .select import select_window

__all__ = ["Mapper"]

#: The first word of a table entry; the second is c.
_SLOPES = data.StructLayout({"a": signed(16), "b": signed(16)})

#: Cycles from a word taken to its sum, which is requantised.
_SUM_LATENCY = 17

#: Words on their way or waiting: more than are on their way at full rate.
_PLACES = 32


class Mapper(wiring.Component):
    """Compute y = a d^2 + b d + c, with a, b, c from the segment of x and d its distance into it.

    Segments are of equal width, or by leading one (logarithmic). One word out for one word in, in
    order. Latency 24 cycles, 1 word a cycle. Two multipliers: a * d (16 x 16 bits) and t * d
    (24 x 16 bits). The pipeline never stops; it takes a word only when the FIFO behind it has
    room for every word on its way. All handshakes come from registers.

    Parameters
    ----------
    target : Target
        ``segments`` is the number of table entries.

    Members
    -------
    i : In(stream of signed(16))
        x.
    o : Out(stream of signed(16))
        y.
    config : In(mapper's layout)
    table : In(MemoryWrite)
        Word 2 i of the shadow table is ``(b & 0xFFFF) << 16 | (a & 0xFFFF)`` of entry i, word
        2 i + 1 its c.
    start : In(1)
        First cycle of a new ``config``: exchanges the tables and empties the mapper. While high
        the router moves no word; one written to the table in this cycle is one of the next step.
    saturated : Out(1)
        High for one cycle when a result was clipped.

    Source: docs/arithmetic.md, "Mapper".
    """

    def __init__(self, target):
        self.segments = target.segments
        super().__init__({
            "i": In(stream.Signature(signed(16))),
            "o": Out(stream.Signature(signed(16))),
            "config": In(tile_units(target, convolver=False)["mapper"].layout),
            "table": In(MemoryWrite(exact_log2(2 * self.segments))),
            "start": In(1),
            "saturated": Out(1),
        })

    def elaborate(self, platform):
        m = Module()

        m.submodules.requantise = requantise = Requantise(41, shift_width=5)
        m.submodules.outlet = outlet = Outlet(signed(16), _PLACES, lag=1)
        wiring.connect(m, outlet.o, wiring.flipped(self.o))

        # Everything moves every cycle; only these bits say which words are real.
        valid = Signal(_SUM_LATENCY)
        m.d.sync += valid.eq(Mux(self.start, 0, Cat(self.i.valid & outlet.room, valid[:-1])))
        m.d.comb += [
            self.i.ready.eq(outlet.room),
            outlet.launch.eq(valid[0]),
            outlet.valid.eq(requantise.o.valid),
            outlet.payload.eq(requantise.o.payload),
            outlet.clear.eq(self.start),
            requantise.clear.eq(self.start),
            requantise.i.valid.eq(valid[-1]),
            requantise.i.p.shift.eq(self.config.shift),
            requantise.o.ready.eq(1),
            self.saturated.eq(requantise.saturated),
        ]

        index, distance = self._segment(m, self._later(m, self.i.payload, 1))
        m.d.comb += requantise.i.p.value.eq(self._polynomial(m, index, distance))
        return m

    def _later(self, m, value, cycles):
        """Return ``value`` as it was some cycles ago."""
        for _ in range(cycles):
            later = Signal.like(value, reset_less=True)
            m.d.sync += later.eq(value)
            value = later
        return value

    def _segment(self, m, x):
        """Return index and distance: of the segment of ``x``, and of ``x`` into it.

        6 and 7 cycles after ``x``.
        """
        config, bits = self.config, exact_log2(self.segments)
        clipped = self._later(m, Mux(x < config.low, config.low,
                                     Mux(x > config.high, config.high, x)), 1)
        offset = self._later(m, (clipped - config.origin)[:16], 1)

        # Logarithmic: a group of 16 segments for each power of two from 16 on, group 0 for less;
        # groups 0 and 1 have segments of width 1.
        leading = Signal(4)
        for position in range(4, 16):
            with m.If(offset[position]):
                m.d.comb += leading.eq(position - 3)
        group = self._later(m, leading, 1)
        shift = self._later(m, Mux(config.logarithmic, (group - group.any())[:4],
                                   config.segment_shift), 1)
        offset = self._later(m, offset, 2)

        # The segment's number, by two steps of a shifter, and a mask of the bits below it.
        coarse = self._later(
            m, select_window(shift[2:], Cat(offset, Const(0, 16)), bits + 3, 4), 1)
        inside = self._later(m, Cat(*(shift > bit for bit in range(15)), Const(0, 1)), 1)
        offset = self._later(m, offset, 1)
        number = select_window(self._later(m, shift[:2], 1), coarse, bits, 1)
        # Offsets behind the last segment of equal width belong to it.
        above = ~config.logarithmic & Cat(
            offset[bit] & ~inside[bit - bits] for bit in range(bits, 16)).any()
        beyond = self._later(m, above, 1)
        low = self._later(m, Mux(above, 0b1111, number[:4]), 1)
        high = self._later(m, Mux(config.logarithmic, 0, number[4:]), 1)
        group = self._later(m, Mux(config.logarithmic, self._later(m, group, 2), 0), 1)
        index = Cat(low, high | group | beyond.replicate(4))[:bits]

        offset, inside = self._later(m, offset, 1), self._later(m, inside, 1)
        behind = Cat(Const(-1, bits), inside)[:16]  # where the last segment's number has ones
        start = ~inside & Mux(beyond, behind, offset)
        distance = (Cat(1, offset) + Cat(1, ~start))[1:17]
        return index, self._later(m, distance, 1)

    def _entry(self, m, index):
        """Return a and b of the active table, and c; take writes to the other table.

        1 cycle and 9 cycles after the index.
        """
        bank = Signal()
        with m.If(self.start):
            m.d.sync += bank.eq(~bank)
        halves = []
        for half, address in enumerate((index, self._later(m, index, 7))):
            m.submodules[f"table{half}"] = table = memory.Memory(
                shape=unsigned(32), depth=2 * self.segments, init=[])
            read, write = table.read_port(), table.write_port()
            m.d.comb += [
                read.addr.eq(Cat(address, bank)),
                # While `start` is high the banks count as exchanged already.
                write.addr.eq(Cat(self.table.addr[1:], bank == self.start)),
                write.data.eq(self.table.data),
                write.en.eq(self.table.en & (self.table.addr[0] == half)),
            ]
            halves.append(read.data)
        return data.View(_SLOPES, halves[0]), self._later(m, halves[1].as_signed(), 1)

    def _polynomial(self, m, index, distance):
        """Return c + (b + floor(a d / 2^s1)) d, 10 cycles after the index.

        ``distance`` comes a cycle after the index.
        """
        slopes, constant = self._entry(m, index)
        # Operands, product and sum each have a register, as in a DSP block.
        factor, steps = self._later(m, slopes.a, 1), self._later(m, distance, 1)
        square = self._later(m, factor * steps, 2)

        # All of this wraps at 24 bits; the sum is known to fit. The last step of the shifter
        # lies before the adder.
        shift = self.config.square_shift
        coarse = self._later(m, select_window(
            shift[3:], Cat(square, square[-1].replicate(23)), 31, 8), 1)
        fine = self._later(m, select_window(shift[1:3], coarse, 25, 2), 1)
        slope = self._later(m, (self._later(m, slopes.b, 5)
                                + Mux(shift[0], fine[1:], fine[:-1]).as_signed())[:24], 1)

        times = self._later(m, self._later(m, slope.as_signed(), 1)
                            * self._later(m, distance, 7), 1)
        return self._later(m, times + constant, 1)
