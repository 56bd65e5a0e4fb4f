"""What streams pass through between units: skid buffer, eager fork, small FIFO.

All three keep the stream rules of docs/architecture.md, "Streams". While ``clear`` is high they
neither take nor offer words, and they are empty afterwards.
"""

import operator

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Fork", "SkidBuffer", "StreamFifo"]


class SkidBuffer(wiring.Component):
    """Register payload, valid and ready of a stream.

    Latency 1 cycle, 1 word a cycle. It cuts every path between its two sides: only ``clear``
    reaches an output through logic.

    Parameters
    ----------
    shape : shape-like
        Payload.

    Members
    -------
    i : In(stream of shape)
    o : Out(stream of shape)
    clear : In(1)
        Drop both words. While high nothing is taken or offered.
    """

    def __init__(self, shape):
        self.shape = shape
        super().__init__({
            "i": In(stream.Signature(shape)),
            "o": Out(stream.Signature(shape)),
            "clear": In(1),
        })

    def elaborate(self, platform):
        m = Module()

        valid = Signal()
        payload = Signal(self.shape, reset_less=True)
        # Holds the word that was on its way when the output was refused.
        skid = Signal(self.shape, reset_less=True)
        free = Signal(init=1)

        m.d.comb += [
            self.o.payload.eq(payload),
            self.o.valid.eq(valid & ~self.clear),
            self.i.ready.eq(free & ~self.clear),
        ]

        advance = ~valid | self.o.ready
        with m.If(free):
            m.d.sync += skid.eq(self.i.payload)
        with m.If(advance):
            m.d.sync += payload.eq(Mux(free, self.i.payload, skid))

        with m.If(self.clear):
            m.d.sync += [valid.eq(0), free.eq(1)]
        with m.Elif(advance):
            m.d.sync += [valid.eq(self.i.valid | ~free), free.eq(1)]
        with m.Elif(self.i.valid):
            m.d.sync += free.eq(0)

        return m


class Fork(wiring.Component):
    """Hand each word of a stream to several sinks, each as soon as it can take it.

    An eager fork: the word leaves ``i`` when every enabled sink has taken it. Latency 0 cycles,
    1 word a cycle. ``valid`` never depends on ``ready``.

    Parameters
    ----------
    shape : shape-like
        Payload.
    sinks : int
        Number of sinks, at least 1.

    Members
    -------
    i : In(stream of shape)
        Never ready while no sink is enabled.
    o : Out(stream of shape), array of ``sinks``
    enable : In(sinks)
        Bit k: sink k gets the words. Changes only while ``clear`` is high.
    clear : In(1)
        Forget who has taken the present word. While high nothing is taken or offered.

    Raises
    ------
    TypeError
        If ``sinks`` is not an integer.
    ValueError
        If ``sinks`` is out of range.
    """

    def __init__(self, shape, sinks):
        self.shape = shape
        self.sinks = operator.index(sinks)
        if self.sinks < 1:
            raise ValueError(f"sinks must be at least 1, not {sinks}")
        super().__init__({
            "i": In(stream.Signature(shape)),
            "o": Out(stream.Signature(shape)).array(self.sinks),
            "enable": In(self.sinks),
            "clear": In(1),
        })

    def elaborate(self, platform):
        m = Module()

        done = Signal(self.sinks)
        taken = Signal(self.sinks)
        for index, sink in enumerate(self.o):
            m.d.comb += [
                sink.payload.eq(self.i.payload),
                sink.valid.eq(self.i.valid & self.enable[index] & ~done[index] & ~self.clear),
                taken[index].eq(done[index] | sink.ready),
            ]

        m.d.comb += self.i.ready.eq(
            self.enable.any() & (taken | ~self.enable).all() & ~self.clear)
        with m.If(self.clear | (self.i.valid & self.i.ready)):
            m.d.sync += done.eq(0)
        with m.Elif(self.i.valid):
            m.d.sync += done.eq(done | Cat(sink.valid & sink.ready for sink in self.o))

        return m


class StreamFifo(wiring.Component):
    """Small FIFO with a registered output.

    Latency 2 cycles, 1 word a cycle. Holds ``depth`` words in memory and one in the output
    register.

    Parameters
    ----------
    shape : shape-like
        Payload.
    depth : int
        Words of memory, a power of two of at least 2.
    block : bool
        Whether the memory is block RAM, else LUT RAM.

    Members
    -------
    i : In(stream of shape)
    o : Out(stream of shape)
    level : Out(range(depth + 1))
        Words in the memory, without the output register.
    clear : In(1)
        Drop everything. While high nothing is taken or offered.

    Raises
    ------
    TypeError
        If ``depth`` is not an integer.
    ValueError
        If ``depth`` is out of range.
    """

    def __init__(self, shape, depth, *, block=False):
        self.shape = shape
        self.block = block
        self.depth = operator.index(depth)
        if self.depth < 2 or self.depth & (self.depth - 1):
            raise ValueError(f"depth must be a power of two of at least 2, not {depth}")
        super().__init__({
            "i": In(stream.Signature(shape)),
            "o": Out(stream.Signature(shape)),
            "level": Out(range(self.depth + 1)),
            "clear": In(1),
        })

    def elaborate(self, platform):
        m = Module()

        m.submodules.memory = words = memory.Memory(
            shape=self.shape, depth=self.depth, init=[],
            attrs={"ram_style": "block" if self.block else "distributed"})
        write = words.write_port()
        # The port's register is the output register.
        read = words.read_port()

        valid = Signal()
        push, pop = Signal(), Signal()
        m.d.comb += [
            self.i.ready.eq((self.level != self.depth) & ~self.clear),
            self.o.valid.eq(valid & ~self.clear),
            self.o.payload.eq(read.data),
            push.eq(self.i.valid & self.i.ready),
            pop.eq((self.level != 0) & (~valid | self.o.ready)),
            write.en.eq(push),
            write.data.eq(self.i.payload),
            read.en.eq(pop),
        ]

        m.d.sync += write.addr.eq(write.addr + push)
        with m.If(pop):
            m.d.sync += read.addr.eq(read.addr + 1)
        with m.If(self.clear):
            m.d.sync += [valid.eq(0), self.level.eq(0), write.addr.eq(0), read.addr.eq(0)]
        with m.Else():
            m.d.sync += valid.eq((valid & ~self.o.ready) | pop)
            # What is added follows from `push`, which comes early; `pop` only enables.
            with m.If(push != pop):
                m.d.sync += self.level.eq(self.level + Mux(push, 1, -1))

        return m
