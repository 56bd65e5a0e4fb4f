"""What memory sends back, handed to the master it is for."""

import operator

from amaranth.hdl import Cat, Module, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from ..stream import SkidBuffer

__all__ = ["Distributor"]


class Distributor(wiring.Component):
    """Hand each word to the sink it names.

    Latency 2 cycles, 1 word a cycle. A sink that does not take its word holds up the others. A
    word for a sink that does not exist is dropped.

    Parameters
    ----------
    shape : shape-like
        Payload.
    sinks : int
        Number of sinks, at least 1.

    Members
    -------
    i : In(stream of struct with fields ``sink`` and ``word``)
    o : Out(stream of shape), array of ``sinks``

    Raises
    ------
    TypeError
        If ``sinks`` is not an integer.
    ValueError
        If ``sinks`` is not positive.
    """

    def __init__(self, shape, sinks):
        self.shape = shape
        self.sinks = operator.index(sinks)
        if self.sinks < 1:
            raise ValueError(f"sinks must be at least 1, not {sinks}")
        self.layout = data.StructLayout({"sink": unsigned(bits_for(self.sinks - 1)),
                                         "word": shape})
        super().__init__({
            "i": In(stream.Signature(self.layout)),
            "o": Out(stream.Signature(shape)).array(self.sinks),
        })

    def elaborate(self, platform):
        m = Module()

        m.submodules.input = buffer = SkidBuffer(self.layout)
        wiring.connect(m, wiring.flipped(self.i), buffer.i)

        chosen = Signal(self.sinks)
        word = Signal(self.shape, reset_less=True)
        ready = Cat(sink.ready for sink in self.o)
        m.d.comb += buffer.o.ready.eq((chosen & ~ready) == 0)
        with m.If(buffer.o.ready):
            m.d.sync += [
                word.eq(buffer.o.p.word),
                chosen.eq(Cat(buffer.o.valid & (buffer.o.p.sink == k)
                              for k in range(self.sinks))),
            ]
        for k, sink in enumerate(self.o):
            m.d.comb += [sink.valid.eq(chosen[k]), sink.payload.eq(word)]

        return m
