"""Carries out the byte link's requests: see `hdl.link.protocol`."""

from amaranth.hdl import C, Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from ..axi import LiteSignature, ReadMaster, WriteMaster
from ..control.bridge import Bridge
from ..control.host_registers import HOST_ADDRESS_WIDTH
from .frames import FrameReader, FrameWriter
from .lite_master import LiteMaster
from .protocol import ANSWER, MOST_WORDS, Answer, Operation

__all__ = ["LinkServer"]

#: Words of a request before its data, and in all but its data.
_HEAD, _OVERHEAD = 2, 3


class LinkServer(wiring.Component):
    """Answers requests that come as bytes, by accesses to registers and memory.

    Nothing is accessed before the frame of a request has ended and is intact. Bytes that come
    while a request is carried out and answered are dropped, with the rest of their frame. An
    access that is refused ends the request; what stands before it in the request is done.

    Parameters
    ----------
    data_width : int
        Bits of a beat of the memory's bus.
    patience : int
        Cycles that an access to memory may take before it counts as refused.

    Members
    -------
    i, o : In(stream of 8), Out(stream of 8)
        The line, in both directions. ``i`` is ready at least every other cycle.
    host : Out(LiteSignature(12))
        To the machine's registers.
    bus_read, bus_write : Out(ReadMaster(data_width)), Out(WriteMaster(data_width))
        To memory.

    Raises
    ------
    ValueError
        If a parameter is out of range.
    """

    def __init__(self, data_width, *, patience=1 << 16):
        self.bridge = Bridge(data_width, patience=patience)
        super().__init__({
            "i": In(stream.Signature(8)), "o": Out(stream.Signature(8)),
            "host": Out(LiteSignature(HOST_ADDRESS_WIDTH)),
            "bus_read": Out(ReadMaster(data_width)), "bus_write": Out(WriteMaster(data_width)),
        })

    def elaborate(self, platform):
        m = Module()
        self._join(m)
        # The data of the request, then of the answer.
        buffer = m.submodules.buffer = Memory(shape=32, depth=MOST_WORDS, init=[])
        self.store, self.load = buffer.write_port(), buffer.read_port(domain="comb")
        self.header, self.address, self.crc = Signal(32), Signal(32), Signal(32)
        # Words received, at most one more than any request has; the word that is accessed or sent.
        self.words, self.index = Signal(range(MOST_WORDS + _OVERHEAD + 2)), Signal(16)
        self.place = Signal(33)  # address of that word, with its carry
        self.answer = Signal(Answer)
        self.writes, self.memory, self.count = self.header[0], self.header[1], self.header[16:]
        m.d.comb += self.load.addr.eq(self.index)
        with m.FSM() as fsm:
            m.d.comb += self.reader.discard.eq(~fsm.ongoing("RECEIVE"))
            with m.State("RECEIVE"):
                self._receive(m)
            with m.State("CHECK"):
                self._check(m)
            with m.State("ACCESS"):
                self._access(m)
            with m.State("SETTLE"):
                self._settle(m)
            for number, name in enumerate(("HEADER", "ADDRESS", "DATA")):
                with m.State(name):
                    self._send(m, number)
        return m

    def _join(self, m):
        reader = self.reader = m.submodules.reader = FrameReader()
        writer = self.writer = m.submodules.writer = FrameWriter()
        lite = self.lite = m.submodules.lite = LiteMaster(HOST_ADDRESS_WIDTH)
        bridge = m.submodules.bridge = self.bridge
        wiring.connect(m, wiring.flipped(self.i), reader.i)
        wiring.connect(m, writer.o, wiring.flipped(self.o))
        wiring.connect(m, lite.host, wiring.flipped(self.host))
        wiring.connect(m, bridge.bus_read, wiring.flipped(self.bus_read))
        wiring.connect(m, bridge.bus_write, wiring.flipped(self.bus_write))

    def _receive(self, m):
        reader, words = self.reader, self.words
        m.d.comb += [self.store.addr.eq(words - _HEAD), self.store.data.eq(reader.word)]
        with m.If(reader.put):
            m.d.sync += self.crc.eq(reader.word)
            with m.If(words <= MOST_WORDS + _OVERHEAD):
                m.d.sync += words.eq(words + 1)
            with m.Switch(words):
                with m.Case(0):
                    m.d.sync += self.header.eq(reader.word)
                with m.Case(1):
                    m.d.sync += self.address.eq(reader.word)
                with m.Default():
                    m.d.comb += self.store.en.eq(words < MOST_WORDS + _HEAD)
        with m.If(reader.end):
            with m.If(reader.intact & (words >= _OVERHEAD)):
                m.next = "CHECK"
            with m.Else():
                m.d.sync += words.eq(0)

    def _check(self, m):
        # The last request that wrote, and how it went.
        last, last_answer, repeatable = Signal(96), Signal(Answer), Signal()
        self.last_answer, self.repeatable = last_answer, repeatable
        request = Cat(self.header, self.address, self.crc)
        data = Mux(self.writes, self.count, 0)
        fits = ((self.header[:8] <= max(Operation)) & (self.count != 0)
                & (self.count <= MOST_WORDS) & (self.address[:2] == 0)
                & (self.words == data + _OVERHEAD))
        m.d.comb += self.bridge.clear.eq(1)
        m.d.sync += [self.words.eq(0), self.index.eq(0), self.place.eq(self.address)]
        with m.If(~fits):
            m.d.sync += self.answer.eq(Answer.MALFORMED)
            m.next = "HEADER"
        with m.Elif(self.writes & repeatable & (request == last)):
            m.d.sync += self.answer.eq(last_answer)
            m.next = "HEADER"
        with m.Else():
            m.d.sync += [self.answer.eq(Answer.DONE), repeatable.eq(0), last.eq(request)]
            m.next = "ACCESS"

    def _access(self, m):
        bridge, registers = self.bridge, self.lite.bus
        memory, writes, place = self.memory, self.writes, self.place
        inside = Mux(memory, ~place[32], place[HOST_ADDRESS_WIDTH:] == 0)
        done = Mux(memory, bridge.done, registers.done)
        m.d.comb += [
            bridge.address.eq(place), bridge.data.eq(self.load.data),
            registers.address.eq(place), registers.data.eq(self.load.data),
            bridge.read.eq(inside & memory & ~writes),
            bridge.write.eq(inside & memory & writes),
            registers.read.eq(inside & ~memory & ~writes),
            registers.write.eq(inside & ~memory & writes),
            self.store.addr.eq(self.index),
            self.store.data.eq(Mux(memory, bridge.value, registers.value)),
            self.store.en.eq(inside & done & ~writes),
        ]
        with m.If(~inside):
            m.d.sync += self.answer.eq(Answer.REFUSED)
            m.next = "SETTLE"
        with m.Elif(done):
            m.d.sync += [self.index.eq(self.index + 1), place.eq(place + 4)]
            with m.If(~memory & registers.error):
                m.d.sync += self.answer.eq(Answer.REFUSED)
                m.next = "SETTLE"
            with m.Elif(self.index + 1 == self.count):
                m.next = "SETTLE"

    def _settle(self, m):
        """Wait until memory has answered all writes, or has had its time."""
        waited = Signal(range(self.bridge.patience + 1))
        late = waited == self.bridge.patience
        m.d.sync += [waited.eq(waited + 1), self.index.eq(0)]
        with m.If(~self.memory | self.bridge.idle | late):
            answer = Mux(self.memory & (self.bridge.failed | late), C(Answer.REFUSED, 2),
                         self.answer)
            m.d.sync += [waited.eq(0), self.answer.eq(answer), self.last_answer.eq(answer),
                         self.repeatable.eq(self.writes)]
            m.next = "HEADER"

    def _send(self, m, number):
        """Offer a word of the answer: its header, its address, or what was read."""
        o, header = self.writer.i, self.header
        short = self.writes | (self.answer != Answer.DONE)
        word = (Cat(header[:8] | ANSWER, header[8:16], self.answer), self.address,
                self.load.data)[number]
        last = (C(0), short, self.index + 1 == self.count)[number]
        m.d.comb += [o.valid.eq(1), o.p.data.eq(word), o.p.last.eq(last)]
        with m.If(o.ready):
            if number == 0:
                m.next = "ADDRESS"
            elif number == 1:
                m.next = "DATA"
            else:
                m.d.sync += self.index.eq(self.index + 1)
            with m.If(last):
                m.next = "RECEIVE"
