"""Prove that reads which are urgent hold up a write burst, but not for ever.

Run: ``python -m formal.precedence``.
"""

from amaranth.asserts import Initial
from amaranth.hdl import Assert, Cover, Module, Mux, Signal

from formal._sby import Proof, prove
from hdl.dma.precedence import Precedence

#: A pause short enough to be seen from its begin to its end.
READERS, BEAT, MOST = 2, 3, 10


class Bounds(Proof):
    """State when a burst may begin: at once without urgency, else when its pause is over."""

    def elaborate(self, platform):
        m = self.module()
        m.submodules.dut = dut = self.dut

        # Cycles since the last beat; none at first.
        urgent, since = Signal(), Signal(range(MOST + 1), init=MOST)
        m.d.sync += [
            urgent.eq(dut.urgent.any()),
            since.eq(Mux(dut.beat, 0, Mux(since == MOST, MOST, since + 1))),
        ]
        with m.If(~Initial()):
            m.d.comb += [
                Assert(dut.begin | urgent),
                Assert(dut.begin | (since < MOST)),
                Assert(~dut.begin | ~urgent | (since >= BEAT)),
                Cover(~dut.begin & (since == MOST - 1)),
                Cover(dut.begin & urgent & (since == BEAT)),
            ]
        return m


class Starving(Precedence):
    """Holds up bursts as long as a reader is urgent."""

    def elaborate(self, platform):
        m = Module()
        urgent = Signal()
        m.d.sync += urgent.eq(self.urgent.any())
        m.d.comb += self.begin.eq(~urgent)
        return m


def main():
    """Run all proofs; raise ProofError when one goes wrong."""
    for name, make, fails in (("precedence of reads", Precedence, False),
                              ("precedence without end", Starving, True)):
        dut = make(READERS, BEAT, MOST)
        prove(name, Bounds(dut), [dut.urgent, dut.beat], depth=2 * MOST, expect_fail=fails)


if __name__ == "__main__":
    main()
