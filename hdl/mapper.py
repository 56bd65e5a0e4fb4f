"""The mapper of a tile: a function of one sample, by segments of a quadratic."""

from amaranth.hdl import Array, Cat, Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from .memory_write import MemoryWrite
from .registers import tile_units
from .requantise import Requantise
from .stream import SkidBuffer, StreamFifo

__all__ = ["Mapper"]

#: One table entry: two words of the memory unit, the low one first.
ENTRY = data.StructLayout({"a": signed(16), "b": signed(16), "c": signed(32)})

#: Cycles from the input buffer to the output FIFO.
LATENCY = 18

#: Words of the output FIFO: what is on its way when it stops taking, and as many again, so that
#: a receiver that pauses loses no cycle.
FIFO_DEPTH = 64


class Mapper(wiring.Component):
    """Compute y = a d^2 + b d + c, with a, b, c from the segment of x and d its distance into it.

    Segments are of equal width, or by leading one (logarithmic). One word out for one word in, in
    order. Latency 21 cycles, 1 word a cycle. Two multipliers: a * d (16 x 16 bits) and t * d
    (24 x 16 bits). The pipeline never stops; it takes a word only when the FIFO behind it has
    room for every word on its way.

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
        nothing is taken or offered; a word written to the table in this cycle is one of the next
        step.
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

        m.submodules.skid = skid = SkidBuffer(signed(16))
        m.submodules.fifo = fifo = StreamFifo(signed(16), FIFO_DEPTH)
        m.submodules.requantise = requantise = Requantise(41)
        wiring.connect(m, wiring.flipped(self.i), skid.i)
        wiring.connect(m, requantise.o, fifo.i)
        wiring.connect(m, fifo.o, wiring.flipped(self.o))

        # Everything between moves every cycle; only these bits say which words are real.
        valid = Signal(LATENCY - 4)
        room = Signal()
        m.d.sync += room.eq(fifo.level < FIFO_DEPTH - LATENCY - 1)
        m.d.comb += [
            skid.o.ready.eq(room),
            skid.clear.eq(self.start),
            fifo.clear.eq(self.start),
            requantise.clear.eq(self.start),
            requantise.i.valid.eq(valid[-1]),
            requantise.i.p.shift.eq(self.config.shift),
            self.saturated.eq(requantise.saturated),
        ]
        m.d.sync += valid.eq(Mux(self.start, 0, Cat(skid.o.valid & room, valid[:-1])))

        distance, index = self._segment(m, skid.o.payload)
        m.d.comb += requantise.i.p.value.eq(
            self._polynomial(m, self._entry(m, index), self._later(m, distance, 1)))
        return m

    def _later(self, m, value, cycles):
        """Return ``value`` as it was some cycles ago."""
        for _ in range(cycles):
            later = Signal.like(value, reset_less=True)
            m.d.sync += later.eq(value)
            value = later
        return value

    def _segment(self, m, x):
        """Return the distance into the segment of ``x`` and its index, 4 cycles after ``x``."""
        config = self.config

        clipped = Signal(signed(16), reset_less=True)
        m.d.sync += clipped.eq(Mux(x < config.low, config.low,
                                   Mux(x > config.high, config.high, x)))
        offset = Signal(16, reset_less=True)
        m.d.sync += offset.eq(clipped - config.origin)

        # Logarithmic: a group of 16 segments for each power of two from 16 on, group 0 for less;
        # groups 0 and 1 have segments of width 1.
        group, shift = Signal(4), Signal(4)
        for position in range(4, 16):
            with m.If(offset[position]):
                m.d.comb += group.eq(position - 3)
        with m.If(~config.logarithmic):
            m.d.comb += shift.eq(config.segment_shift)
        with m.Elif(group != 0):
            m.d.comb += shift.eq(group - 1)
        group_then = self._later(m, group, 2)
        shift_then = self._later(m, shift, 1)
        offset_then = self._later(m, offset, 1)

        number = Signal(16, reset_less=True)
        inside = Signal(16, reset_less=True)
        beyond = Signal(16, reset_less=True)
        last = self.segments - 1
        m.d.sync += [
            number.eq(offset_then >> shift_then),
            inside.eq(offset_then & Array((1 << width) - 1 for width in range(16))[shift_then]),
            # Offsets behind the last segment belong to it.
            beyond.eq(offset_then - Array(
                (last << width) & 0xFFFF for width in range(16))[shift_then]),
        ]

        index = Signal(range(self.segments))
        distance = Signal(16)
        with m.If(config.logarithmic):
            m.d.comb += [index.eq(Cat(number[:4], group_then)), distance.eq(inside)]
        with m.Elif(number > last):
            m.d.comb += [index.eq(last), distance.eq(beyond)]
        with m.Else():
            m.d.comb += [index.eq(number), distance.eq(inside)]
        return distance, index

    def _entry(self, m, index):
        """Return the active table's entry, 1 cycle after its index; take writes to the other."""
        m.submodules.memory = table = memory.Memory(
            shape=unsigned(64), depth=2 * self.segments, init=[])
        read = table.read_port()
        write = table.write_port(granularity=32)

        bank = Signal()
        with m.If(self.start):
            m.d.sync += bank.eq(~bank)
        half = self.table.addr[0]
        m.d.comb += [
            read.addr.eq(Cat(index, bank)),
            # While `start` is high the banks count as exchanged already.
            write.addr.eq(Cat(self.table.addr[1:], bank == self.start)),
            write.data.eq(Cat(self.table.data, self.table.data)),
            write.en.eq(Cat(self.table.en & ~half, self.table.en & half)),
        ]
        return data.View(ENTRY, read.data)

    def _polynomial(self, m, entry, distance):
        """Return c + (b + floor(a d / 2^s1)) d, 9 cycles after the entry and d."""
        # Operands, product and sum each have a register, as in a DSP block.
        factor = self._later(m, entry.a, 1)
        product = Signal(signed(32), reset_less=True)
        coarse = Signal(signed(32), reset_less=True)
        fine = Signal(signed(24), reset_less=True)
        slope = Signal(signed(24), reset_less=True)
        m.d.sync += [
            product.eq(factor * self._later(m, distance, 1)),
            coarse.eq(self._later(m, product, 1) >> (self.config.square_shift & 0b11000)),
            fine.eq(coarse >> self.config.square_shift[:3]),
            # All of this wraps at 24 bits; their sum is known to fit.
            slope.eq(self._later(m, entry.b, 5) + fine),
        ]

        times = Signal(signed(40), reset_less=True)
        total = Signal(signed(41), reset_less=True)
        m.d.sync += [
            times.eq(self._later(m, slope, 1) * self._later(m, distance, 7)),
            total.eq(times + self._later(m, entry.c, 8)),
        ]
        return total
