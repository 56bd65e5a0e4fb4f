"""Line buffers: the row buses that the MACs read."""

from amaranth.hdl import Cat, Module, Signal, unsigned
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from ..counting import count_down
from .frame import TapSamples

__all__ = ["TAP_WIDTH", "LineBuffers"]

#: Bits of a tap: sample, column mark, frame mark.
TAP_WIDTH = 18


class LineBuffers(wiring.Component):
    """Delay both input streams by 0, 1, 2, ... lines.

    Tap 0 of a stream is the sample of this chain cycle, tap j what tap j - 1 was ``line_delay``
    chain cycles ago, all one register later. A delay is a circular buffer in a block RAM of
    ``line_width`` x 18 bits; all share the addresses. Taps that the stream has not reached yet
    are zero and carry no marks.

    Parameters
    ----------
    target : Target
        Gives ``kernel_rows`` taps a stream and ``line_width``.

    Members
    -------
    enable : In(1)
        A chain cycle.
    load : In(1)
        Begin with ``line_delay``; once after reset.
    line_delay : In(unsigned)
        Chain cycles from tap to tap, 2 to ``line_width``, or 0 when only the first taps are used.
    i : In(TapSamples)
        Samples and marks of this chain cycle.
    o : Out(18), array of ``2 * kernel_rows``
        Taps of stream A, then of stream B: bits 0-15 the sample, bit 16 the column mark, bit 17
        the frame mark.
    """

    def __init__(self, target):
        self.target = target
        super().__init__({
            "enable": In(1),
            "load": In(1),
            "line_delay": In(target.line_width.bit_length()),
            "i": In(TapSamples()),
            "o": Out(TAP_WIDTH).array(2 * target.kernel_rows),
        })

    def elaborate(self, platform):
        m = Module()
        depth, rows = self.target.line_width, self.target.kernel_rows

        # Addresses run line_delay - 1 .. 0 and start again. What is read now was written line_delay
        # - 1 chain cycles ago and leaves the memory in the next one; the write address follows,
        # so the two never meet.
        read = Signal.like(self.line_delay, reset_less=True)
        write = Signal(range(depth), reset_less=True)
        # Bit j: tap j has been reached.
        reached = Signal(rows, init=1)
        ended = Signal()
        m.d.comb += ended.eq(read == 0)
        with m.If(self.load | self.enable):
            m.d.sync += read.eq(count_down(self.load | ended, self.line_delay, read))
        with m.If(self.load):
            m.d.sync += write.eq(0)
        with m.Elif(self.enable):
            m.d.sync += write.eq(read)
            with m.If(ended):
                m.d.sync += reached.eq(Cat(1, reached))

        for offset, sample in ((0, self.i.a), (rows, self.i.b)):
            tap = Cat(sample, self.i.column, self.i.frame)
            for row in range(rows):
                # Reset: no mark of the step before may come along.
                out = Signal(TAP_WIDTH, name=f"tap{offset + row}")
                m.d.comb += self.o[offset + row].eq(out)
                with m.If(self.enable):
                    m.d.sync += out.eq(tap)
                with m.If(~reached[row]):
                    m.d.sync += out.eq(0)
                if row < rows - 1:
                    line = memory.Memory(shape=unsigned(TAP_WIDTH), depth=depth, init=[])
                    m.submodules[f"line{offset + row}"] = line
                    write_port, read_port = line.write_port(), line.read_port()
                    m.d.comb += [
                        write_port.en.eq(self.enable), write_port.addr.eq(write),
                        write_port.data.eq(tap),
                        read_port.en.eq(self.enable), read_port.addr.eq(read[:len(write)]),
                    ]
                    tap = read_port.data

        return m
