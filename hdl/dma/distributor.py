"""What memory sends back, handed to the master it is for."""

import operator

from amaranth.hdl import Cat, Module, Signal, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from ..axi import Arrivals

__all__ = ["Distributor"]


class Distributor(wiring.Component):
    """Hand each word to the sink it names.

    All sinks see the word, and one of them that it is valid. Latency 2 cycles, 1 word a cycle.
    A word for a sink that does not exist is dropped.

    Parameters
    ----------
    shape : shape-like
        Payload.
    sinks : int
        Number of sinks, at least 1.

    Members
    -------
    i : In(Arrivals(struct with fields ``sink`` and ``word``))
    o : Out(Arrivals(shape)), array of ``sinks``

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
            "i": In(Arrivals(self.layout)),
            "o": Out(Arrivals(shape)).array(self.sinks),
        })

    def elaborate(self, platform):
        m = Module()

        arrived, valid = Signal(self.layout, reset_less=True), Signal()
        chosen, word = Signal(self.sinks), Signal(self.shape, reset_less=True)
        m.d.sync += [
            arrived.eq(self.i.payload), valid.eq(self.i.valid),
            chosen.eq(Cat(valid & (arrived.sink == k) for k in range(self.sinks))),
            word.eq(arrived.word),
        ]
        for k, sink in enumerate(self.o):
            m.d.comb += [sink.valid.eq(chosen[k]), sink.payload.eq(word)]

        return m
