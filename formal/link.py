"""Prove the framing of the byte link: what a reader accepts, that it recovers, what a writer sends.

An END leaves a reader as reset does, whatever came before (by induction); from there it accepts
just those frames whose words end with their CRC, computed bit by bit by a rule of this file's own
(by induction: frames of any length, any pauses, any discards). A writer keeps the contract of
streams. What it sends, the unit tests compare with frames made by zlib's CRC.

Run: ``python -m formal.link``.
"""

from amaranth.hdl import Assert, C, Cat, Cover, Mux, Signal

from formal._sby import Proof, keeps_contract, prove
from hdl.link.frames import FrameReader, FrameWriter
from hdl.link.protocol import END, ESCAPE, FLIP

#: CRC-32's polynomial, least significant bit first.
_POLYNOMIAL = 0xEDB88320


def crc_step(m, crc, byte):
    """Return the CRC register after a byte, bit by bit."""
    for index in range(8):
        bit, after = Signal(name=f"bit{index}"), Signal(32, name=f"crc_after_bit{index}")
        m.d.comb += [bit.eq(crc[0] ^ byte[index]),
                     after.eq((crc >> 1) ^ Mux(bit, _POLYNOMIAL, 0))]
        crc = after
    return crc


class Forgets(Proof):
    """State that an END leaves the reader as reset does, and that words and ends come apart.

    Parameters
    ----------
    dut : FrameReader
    mark : int
        Byte that is said to have this effect.
    """

    def __init__(self, dut, mark=END):
        super().__init__(dut)
        self.mark = mark

    def elaborate(self, platform):
        m = self.module()
        m.submodules.dut = dut = self.dut
        keeps_contract(m, {"i": dut.i}, {}, clear=C(0, 1))
        taken = dut.i.valid & dut.i.ready
        marked, dirty = Signal(), Signal()
        some = dut.escaped | dut.broken | dut.some | (dut.place != 0)
        m.d.sync += [marked.eq(taken & (dut.i.payload == self.mark) & ~dut.discard),
                     dirty.eq(some)]
        m.d.comb += Assert(~(dut.put & dut.end))
        with m.If(marked):
            m.d.comb += [Assert(~some & ~dut.put), Assert(dut.crc.crc == 0), Cover(dirty)]
        return m


class Judges(Proof):
    """State which frames a reader accepts, and the words that it gives of them.

    Keeps the last bytes of the frame's body in a register of its own.
    """

    def elaborate(self, platform):
        m = self.module()
        m.submodules.dut = dut = self.dut
        keeps_contract(m, {"i": dut.i}, {}, clear=C(0, 1))
        byte, taken = dut.i.payload, dut.i.valid & dut.i.ready
        ends = taken & (byte == END)
        # Of the frame so far: bytes after ESCAPE, their number, CRC register; what spoils it.
        body, count, crc = Signal(32), Signal(6), Signal(32, init=-1)
        seen, escape, spoilt = Signal(), Signal(), Signal()
        frames, put = Signal(2), Signal()
        plain = Signal(8)
        m.d.comb += plain.eq(Mux(escape, byte ^ FLIP, byte))
        after = crc_step(m, crc, plain)
        m.d.sync += put.eq(0)
        with m.If(ends):
            m.d.sync += [count.eq(0), crc.eq(-1), seen.eq(0), escape.eq(0), spoilt.eq(0)]
            with m.If(dut.end & (frames != 3)):
                m.d.sync += frames.eq(frames + 1)
        with m.Elif(taken & (byte == ESCAPE) & ~escape):
            m.d.sync += [seen.eq(1), escape.eq(1)]
        with m.Elif(taken):
            m.d.sync += [seen.eq(1), escape.eq(0), count.eq(count + 1),
                         body.eq(Cat(body[8:], plain)), crc.eq(after),
                         put.eq(count[:2] == 3)]
        with m.If(dut.discard & ~ends):
            m.d.sync += [spoilt.eq(1), seen.eq(1)]

        # The state of both, byte for byte: what makes the proof one by induction.
        m.d.comb += [
            Assert(Cat(dut.escaped, dut.broken, dut.some, dut.place)
                   == Cat(escape, spoilt, seen, count[:2])),
            Assert(dut.crc.crc == ~crc), Assert(dut.word == body), Assert(~put | (dut.place == 0)),
        ]
        # What a register holds after words and their CRC, whatever they are.
        good = (seen & ~spoilt & ~escape & ~dut.discard & (count[:2] == 0) & (crc == 0xDEBB20E3))
        m.d.comb += [Assert(dut.put == put), Assert(dut.end == (ends & seen))]
        with m.If(dut.end):
            m.d.comb += [
                Assert(dut.intact == good),
                Cover(dut.intact & (count == 4)),
                Cover(~dut.intact & (count == 4) & ~spoilt),
                Cover(~dut.intact & (frames == 1) & spoilt),
            ]
        return m


class Contract(Proof):
    """State that a writer keeps the contract of streams."""

    def elaborate(self, platform):
        m = self.module()
        m.submodules.dut = dut = self.dut
        keeps_contract(m, {"i": dut.i}, {"o": dut.o}, clear=C(0, 1))
        m.d.comb += Cover(dut.o.valid & ~dut.o.ready & (dut.o.payload == ESCAPE))
        return m


class Keeping(FrameReader):
    """A reader that does not forget at an END how many bytes of a word it has."""

    def elaborate(self, platform):
        m = super().elaborate(platform)
        with m.If(self.i.valid & self.i.ready & (self.i.payload == END)):
            m.d.sync += self.place.eq(self.place)
        return m


def reader_ports(dut):
    """Signals that the solver chooses."""
    return [dut.i.valid, dut.i.payload, dut.discard]


def main():
    """Run all proofs; raise ProofError when one goes wrong."""
    dut = FrameReader()
    prove("link: an END is forgotten with all before it", Forgets(dut), reader_ports(dut), depth=2,
          cover=8)
    dut = FrameReader()
    prove("link: an ESCAPE is not", Forgets(dut, ESCAPE), reader_ports(dut), depth=8,
          expect_fail=True)
    dut = FrameReader()
    prove("link: just intact frames are accepted", Judges(dut), reader_ports(dut), depth=2,
          cover=8)
    dut = Keeping()
    prove("link: a reader that keeps its place", Judges(dut), reader_ports(dut), depth=8,
          expect_fail=True)
    dut = FrameWriter()
    prove("link: a writer's offers", Contract(dut), [dut.i.valid, dut.i.payload, dut.o.ready],
          depth=2, cover=8)


if __name__ == "__main__":
    main()
