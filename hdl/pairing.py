"""Two streams taken word by word together, with readies that come from registers."""

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Pairing"]


class Pairing(wiring.Component):
    """Take a word of each of two streams, or of the first alone.

    A word of ``b`` is taken ahead and waits, up to two; one of ``a`` is taken only when its partner
    is there. So ``a`` needs no buffer. A pair a cycle, a cycle after its word of ``a`` was taken.

    Members
    -------
    a, b : In(stream of signed(16))
    single : In(1)
        Take words of ``a`` alone. Constant from 2 cycles after ``start``.
    room : In(1)
        A pair may be taken in the next cycle. Counts from 4 cycles after ``start``.
    start : In(1)
        Drop everything. Who holds it high offers no words.
    taken : Out(1)
        A pair is here.
    word_a, word_b : Out(signed(16))
        The pair.
    """

    def __init__(self):
        samples = stream.Signature(signed(16))
        super().__init__({
            "a": In(samples), "b": In(samples), "single": In(1), "room": In(1), "start": In(1),
            "taken": Out(1), "word_a": Out(signed(16)), "word_b": Out(signed(16)),
        })

    def elaborate(self, platform):
        m = Module()

        ready_a, ready_b = Signal(), Signal()
        words = [Signal(signed(16), name=f"word{place}", reset_less=True) for place in range(2)]
        write, read, read_then = Signal(), Signal(), Signal()
        some, full = Signal(), Signal()  # words of b that wait: at least one, two
        settled = Signal(3)

        take, arrive, pop = Signal(), Signal(), Signal()
        some_then, full_then = Signal(), Signal()
        m.d.comb += [
            self.a.ready.eq(ready_a), self.b.ready.eq(ready_b),
            take.eq(self.a.valid & ready_a),
            arrive.eq(self.b.valid & ready_b),
            pop.eq(take & ~self.single),
            some_then.eq(arrive | full | (some & ~pop)),
            full_then.eq(~pop & (full | (some & arrive))),
            self.word_b.eq(Mux(read_then, words[1], words[0])),
        ]
        for place, word in enumerate(words):
            with m.If(ready_b & (write == place)):
                m.d.sync += word.eq(self.b.payload)
        word_a = Signal(signed(16), reset_less=True)
        m.d.sync += [
            settled.eq(Mux(self.start, 0, (settled << 1) | 1)),
            ready_a.eq(settled[-1] & self.room & (self.single | some_then)),
            ready_b.eq(settled[-1] & ~self.single & ~full_then),
            write.eq(write ^ arrive), read.eq(read ^ pop), read_then.eq(read),
            some.eq(some_then), full.eq(full_then),
            self.taken.eq(take), word_a.eq(self.a.payload),
        ]
        with m.If(self.start):
            m.d.sync += [state.eq(0) for state in (
                ready_a, ready_b, write, read, some, full, self.taken)]
        m.d.comb += self.word_a.eq(word_a)
        return m
