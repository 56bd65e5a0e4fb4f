"""Two-word queue that tells a cycle ahead whether it will have a word."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Lookahead"]


class Lookahead(wiring.Component):
    """Decouple a stream from the chain's enable.

    The chain advances by one registered enable, decided a cycle ahead from ``more`` of all its
    queues; that enable is ``pop`` here. Latency 1 cycle, 1 word a cycle.

    Parameters
    ----------
    shape : shape-like
        Payload.

    Members
    -------
    i : In(stream of shape)
        Its ``ready`` depends on registers only, ``pop`` among them.
    o : Out(shape)
        The oldest word; valid when ``pop`` may be high.
    more : Out(1)
        A word will be there in the next cycle even if this one is popped now.
    pop : In(1)
        Remove the oldest word. Only in a cycle after one with ``more``.
    """

    def __init__(self, shape):
        self.shape = shape
        super().__init__({
            "i": In(stream.Signature(shape)), "o": Out(shape), "more": Out(1), "pop": In(1)})

    def elaborate(self, platform):
        m = Module()

        one, two = Signal(), Signal()  # how many words are held
        front = Signal(self.shape, reset_less=True)
        back = Signal(self.shape, reset_less=True)
        push = Signal()
        m.d.comb += [
            self.o.eq(front),
            self.more.eq(two | (one & ~self.pop)),
            self.i.ready.eq(~two | self.pop),
            push.eq(self.i.valid & self.i.ready),
        ]

        with m.If(self.pop | ~(one | two)):
            m.d.sync += front.eq(Mux(two, back, self.i.payload))
        with m.If(push):
            m.d.sync += back.eq(self.i.payload)
        with m.If(push & ~self.pop):
            m.d.sync += [one.eq(~one & ~two), two.eq(one | two)]
        with m.Elif(self.pop & ~push):
            m.d.sync += [one.eq(two), two.eq(0)]

        return m
