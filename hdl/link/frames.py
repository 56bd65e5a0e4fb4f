"""Frames from bytes and bytes from frames: see `hdl.link.protocol`."""

from amaranth.hdl import Cat, Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.crc.catalog import CRC32_ISO_HDLC
from amaranth.lib.wiring import In, Out

from .protocol import END, ESCAPE, FLIP

__all__ = ["FrameReader", "FrameWriter", "WordLayout"]


class WordLayout(data.StructLayout):
    """A word of a body; ``last`` marks the last one before the CRC."""

    def __init__(self):
        super().__init__({"data": unsigned(32), "last": unsigned(1)})


class FrameReader(wiring.Component):
    """Takes bytes apart into frames and checks them.

    A byte is taken in every cycle but the one in which a word is complete. Words appear as they
    come, that of the CRC too; only ``end`` with ``intact`` tells that they may be used.

    Members
    -------
    i : In(stream of 8)
        Ready but while ``put`` is high.
    word : Out(32)
        The last four bytes of the body.
    put : Out(1)
        ``word`` is complete.
    end : Out(1)
        A frame that is not empty has ended; never in the same cycle as ``put``.
    intact : Out(1)
        With ``end``: whole words, of which the last is the CRC of the others.
    discard : In(1)
        While high, what comes is part of a frame that is not intact.
    """

    def __init__(self):
        super().__init__({"i": In(stream.Signature(8)), "word": Out(32), "put": Out(1),
                          "end": Out(1), "intact": Out(1), "discard": In(1)})
        self.crc = CRC32_ISO_HDLC(8).create()
        # What is kept from byte to byte: all of it is forgotten at an END.
        self.escaped, self.broken, self.some = Signal(), Signal(), Signal()
        self.place = Signal(2)

    def elaborate(self, platform):
        m = Module()
        crc = m.submodules.crc = self.crc
        escaped, broken, some, place = self.escaped, self.broken, self.some, self.place
        byte = Mux(escaped, self.i.payload ^ FLIP, self.i.payload)
        taken = self.i.valid & self.i.ready
        ends = taken & (self.i.payload == END)
        m.d.comb += [
            self.i.ready.eq(~self.put), crc.data.eq(byte),
            crc.start.eq(ends), self.end.eq(ends & some),
            self.intact.eq(~broken & ~escaped & (place == 0) & crc.match_detected
                           & ~self.discard),
        ]
        m.d.sync += self.put.eq(0)
        with m.If(taken):
            with m.If(ends):
                m.d.sync += [escaped.eq(0), broken.eq(0), some.eq(0), place.eq(0)]
            with m.Elif((self.i.payload == ESCAPE) & ~escaped):
                m.d.sync += [escaped.eq(1), some.eq(1)]
            with m.Else():
                m.d.comb += crc.valid.eq(1)
                m.d.sync += [escaped.eq(0), some.eq(1), place.eq(place + 1),
                             self.word.eq(Cat(self.word[8:], byte)), self.put.eq(place == 3)]
        with m.If(self.discard & ~ends):
            m.d.sync += [broken.eq(1), some.eq(1)]
        return m


class FrameWriter(wiring.Component):
    """Makes frames of words: END, the words with their CRC, END.

    Members
    -------
    i : In(stream of WordLayout)
    o : Out(stream of 8)
    """

    def __init__(self):
        super().__init__({"i": In(stream.Signature(WordLayout())),
                          "o": Out(stream.Signature(8))})

    def elaborate(self, platform):
        m = Module()
        crc = m.submodules.crc = CRC32_ISO_HDLC(8).create()
        word, left, last = Signal(32), Signal(range(5)), Signal()
        byte = word[:8]
        special = (byte == END) | (byte == ESCAPE)
        escaped = Signal()
        # The output register takes a byte when it is empty or being emptied.
        free = ~self.o.valid | self.o.ready
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)

        def offer(value):
            return [self.o.valid.eq(1), self.o.payload.eq(value)]

        def send(then, *, checked):
            """Send what is left of the word; ``then`` says what follows it."""
            with m.If(left == 0):
                then()
            with m.Elif(free):
                with m.If(special & ~escaped):
                    m.d.sync += [*offer(ESCAPE), escaped.eq(1)]
                with m.Else():
                    m.d.comb += crc.valid.eq(checked)
                    m.d.sync += [*offer(Mux(escaped, byte ^ FLIP, byte)), escaped.eq(0),
                                 word.eq(word >> 8), left.eq(left - 1)]

        m.d.comb += crc.data.eq(byte)
        with m.FSM():
            with m.State("REST"):
                m.d.comb += crc.start.eq(1)
                with m.If(self.i.valid & free):
                    m.d.sync += offer(END)
                    m.next = "TAKE"
            with m.State("TAKE"):
                m.d.comb += self.i.ready.eq(1)
                with m.If(self.i.valid):
                    m.d.sync += [word.eq(self.i.p.data), last.eq(self.i.p.last), left.eq(4)]
                    m.next = "BODY"
            with m.State("BODY"):
                def after_word():
                    with m.If(last):
                        m.d.sync += [word.eq(crc.crc), left.eq(4)]
                        m.next = "CRC"
                    with m.Else():
                        m.next = "TAKE"
                send(after_word, checked=1)
            with m.State("CRC"):
                def after_crc():
                    with m.If(free):
                        m.d.sync += offer(END)
                        m.next = "REST"
                send(after_crc, checked=0)
        return m
