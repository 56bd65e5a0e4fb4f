"""Where a pipeline that never stops ends: a FIFO with a place for every word on its way."""

import operator

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out

from .rotation import following

__all__ = ["Outlet"]


class Outlet(wiring.Component):
    """Count the words of a pipeline from their launch on, and keep those that came out of it.

    ``valid`` and ``payload`` come 2 cycles before they are offered, 1 word a cycle. Room is
    reserved when a word is launched, so the pipeline takes words at full rate as long as no more
    than ``depth - lag - 2`` are between their launch and two cycles behind their leaving.

    Parameters
    ----------
    shape : shape-like
        Payload.
    depth : int
        Words that may be on their way or wait, a power of two of at least 4.
    lag : int
        Cycles from ``room`` to the launches that follow from it, at least 0.

    Members
    -------
    launch : In(1)
        A word enters the pipeline; it will come out.
    room : Out(1)
        A register: a word may be launched ``lag`` cycles later.
    valid : In(1), payload : In(shape)
        A word that leaves the pipeline.
    o : Out(stream of shape)
        Both from registers.
    clear : In(1)
        Drop everything. What is launched or comes out while high is not counted, what moves at
        ``o`` has not moved: who holds it high holds these off.

    Raises
    ------
    TypeError
        If ``depth`` or ``lag`` is not an integer.
    ValueError
        If ``depth`` or ``lag`` is out of range.
    """

    def __init__(self, shape, depth, lag):
        self.shape = shape
        self.depth = operator.index(depth)
        self.lag = operator.index(lag)
        if self.depth < 4 or self.depth & (self.depth - 1):
            raise ValueError(f"depth must be a power of two of at least 4, not {depth}")
        if not 0 <= self.lag <= self.depth - 3:
            raise ValueError(f"lag must be in 0..{self.depth - 3} for a depth of {self.depth}, "
                             f"not {lag}")
        super().__init__({
            "launch": In(1),
            "room": Out(1),
            "valid": In(1),
            "payload": In(shape),
            "o": Out(stream.Signature(shape)),
            "clear": In(1),
        })

    def elaborate(self, platform):
        m = Module()

        # With the output register a word more than `depth` has a place: the memory is never
        # full, and equal addresses mean that it is empty.
        m.submodules.memory = words = memory.Memory(shape=self.shape, depth=self.depth, init=[])
        write = words.write_port()
        read = words.read_port(domain="comb")
        m.d.comb += [write.en.eq(self.valid), write.data.eq(self.payload)]

        valid, pop = Signal(), Signal()
        payload = Signal(self.shape, reset_less=True)
        count, left, room = Signal(range(self.depth + 1)), Signal(), Signal(init=1)
        m.d.comb += [
            pop.eq((write.addr != read.addr) & (~valid | self.o.ready)),
            self.room.eq(room),
            self.o.valid.eq(valid),
            self.o.payload.eq(payload),
            left.eq(valid & self.o.ready),
        ]
        with m.If(pop):
            m.d.sync += [payload.eq(read.data), read.addr.eq(following(read.addr))]
        with m.If(self.valid):
            m.d.sync += write.addr.eq(following(write.addr))
        # What is added follows from `launch`, which comes early.
        with m.If(self.launch != left):
            m.d.sync += count.eq(count + Mux(self.launch, 1, -1))
        m.d.sync += [
            valid.eq(pop | (valid & ~self.o.ready)),
            room.eq(count <= self.depth - self.lag - 2),
        ]
        with m.If(self.clear):
            m.d.sync += [register.eq(0) for register in (
                valid, count, write.addr, read.addr)]
            m.d.sync += room.eq(1)

        return m
