"""Follow one word through a design: it leaves exactly once, unchanged, in its place."""

from amaranth.asserts import AnySeq
from amaranth.hdl import Assert, Cover, Module, Signal, Value
from amaranth.lib import wiring

__all__ = ["KeepsOrder"]


class KeepsOrder(wiring.Component):
    """Assert that words leave ``o`` as they entered ``i``: none lost, made up, altered, overtaken.

    The solver marks a word of its choice on its way in. It must be the word that leaves after
    all those that were inside before it.

    Parameters
    ----------
    i, o : streams of the same shape
    capacity : int
        Most words inside.
    clear : Value
        Drops all words.
    """

    def __init__(self, i, o, capacity, clear):
        self.i = i
        self.o = o
        self.capacity = capacity
        self.clear = clear
        super().__init__({})

    def elaborate(self, platform):
        m = Module()

        enters, leaves = self.i.valid & self.i.ready, self.o.valid & self.o.ready
        sent, seen = Value.cast(self.i.payload), Value.cast(self.o.payload)
        inside = Signal(range(self.capacity + 2))
        marked = Signal()
        ahead = Signal.like(inside)  # words before the marked one
        word = Signal.like(sent)
        mark = AnySeq(1)

        m.d.comb += Assert(inside <= self.capacity)
        with m.If(leaves):
            m.d.comb += Assert((inside != 0) | enters)
        with m.If(leaves & marked & (ahead == 0)):
            m.d.comb += [Assert(seen == word), Cover(inside == self.capacity)]

        m.d.sync += inside.eq(inside + enters - leaves)
        with m.If(marked & leaves):
            m.d.sync += [ahead.eq(ahead - 1), marked.eq(ahead != 0)]
        with m.Elif(~marked & mark & enters):
            m.d.sync += [marked.eq(1), ahead.eq(inside - leaves), word.eq(sent)]
        with m.If(self.clear):
            m.d.sync += [inside.eq(0), marked.eq(0)]
            m.d.comb += Assert(~enters & ~leaves)

        return m
