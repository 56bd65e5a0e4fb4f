"""Single words of external memory for the control processor."""

import operator

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from ..axi import OKAY, ReadMaster, WriteMaster

__all__ = ["Bridge"]

# Writes that may await their response.
_POSTED = 15

# Most bytes and beats of the burst that brings a line.
_LINE_BYTES, _LINE_BEATS = 128, 16


class Bridge(wiring.Component):
    """Word accesses to external memory.

    Writes are single beats and posted: done as soon as the beat waits to be taken. A read
    waits for the responses of all writes before it. It brings the whole line around the word, 128
    bytes in a burst of at most 16 beats, which is kept: words of it are read without memory, as
    soon as they are there, until ``clear`` or a write.

    Parameters
    ----------
    data_width : int
        Bits of a beat, a power of two of at least 32.
    patience : int
        Cycles an access may take. Then it is done with ``failed`` set, and further accesses fail
        at once until memory has answered.

    Members
    -------
    address : In(32)
        Byte address, a multiple of 4.
    read, write : In(1)
        Access wanted, held until ``done``; never both.
    data : In(32)
        Word to write.
    done : Out(1)
        The access is done in this cycle.
    value : Out(32)
        With ``done``: word read, 0 if the read failed.
    idle : Out(1)
        Memory has answered all writes.
    failed : Out(1)
        Memory refused an access or did not answer it; stays until ``clear``.
    clear : In(1)
        Drop the line that is kept, and ``failed``.
    bus_read, bus_write : Out(ReadMaster(data_width)), Out(WriteMaster(data_width))

    Raises
    ------
    ValueError
        If a parameter is out of range.
    """

    def __init__(self, data_width, *, patience=1 << 16):
        self.data_width = operator.index(data_width)
        self.patience = operator.index(patience)
        if self.data_width < 32 or self.data_width & (self.data_width - 1):
            raise ValueError(f"data_width must be a power of two of at least 32, "
                             f"not {data_width}")
        if self.patience < 1:
            raise ValueError(f"patience must be at least 1 cycle, not {patience}")
        super().__init__({
            "address": In(32), "read": In(1), "write": In(1), "data": In(32),
            "done": Out(1), "value": Out(32), "idle": Out(1),
            "failed": Out(1), "clear": In(1),
            "bus_read": Out(ReadMaster(self.data_width)),
            "bus_write": Out(WriteMaster(self.data_width)),
        })

    def elaborate(self, platform):
        m = Module()
        ar, r = self.bus_read.ar, self.bus_read.r
        aw, b = self.bus_write.aw, self.bus_write.b
        beats = min(_LINE_BEATS, 8 * _LINE_BYTES // self.data_width)
        beat_bits = exact_log2(self.data_width // 8)
        line_bits = beat_bits + exact_log2(beats)
        word = self.address[2:beat_bits] if beat_bits > 2 else 0
        beat = self.address[beat_bits:line_bits]

        # The line: its beats, each behind a bit that says whether memory refused it.
        line, present = Signal(32 - line_bits), Signal(range(beats + 1))
        kept = m.submodules.kept = Memory(shape=self.data_width + 1, depth=beats, init=[])
        store, load = kept.write_port(), kept.read_port(domain="comb")
        # A burst is under way; its beats are not wanted; memory owes answers that nobody waits for.
        asked, stale, lost = Signal(), Signal(), Signal()
        posted = Signal(range(_POSTED + 1))
        m.d.comb += [self.idle.eq(posted == 0), load.addr.eq(beat)]

        for channel in (ar, aw):
            with m.If(channel.ready):
                m.d.sync += channel.valid.eq(0)

        # The word that is posted next, until its beat is taken.
        waits, pending, place = Signal(), Signal(32), Signal.like(self.bus_write.w.strobe)
        take, w = self.bus_write.take, Signal.like(self.bus_write.w, reset_less=True)
        m.d.comb += self.bus_write.w.eq(w)
        m.d.sync += [
            w.data.eq(Mux(take, pending, 0).replicate(self.data_width // 32)),
            w.strobe.eq(Mux(take, place, 0)),
        ]
        with m.If(take):
            m.d.sync += waits.eq(0)

        hit = (line == self.address[line_bits:]) & (beat < present)
        waited = Signal(range(self.patience + 1))
        late = waited == self.patience
        post = Signal()
        with m.If(self.read):
            with m.If(hit):
                m.d.comb += self.done.eq(1)
                with m.If(load.data[0]):
                    m.d.sync += self.failed.eq(1)
                with m.Else():
                    m.d.comb += self.value.eq(load.data[1:].word_select(word, 32))
            with m.Elif(lost | late):
                m.d.comb += self.done.eq(1)
                m.d.sync += [self.failed.eq(1), lost.eq(1)]
            with m.Elif(~asked & self.idle):
                m.d.sync += [
                    ar.valid.eq(1), ar.payload.address.eq(self.address[line_bits:] << line_bits),
                    ar.payload.length.eq(beats - 1),
                    line.eq(self.address[line_bits:]), present.eq(0), asked.eq(1), stale.eq(0),
                ]
        with m.If(self.write):
            with m.If(~aw.valid & ~waits & (posted != _POSTED) & ~lost):
                m.d.comb += [self.done.eq(1), post.eq(1)]
                m.d.sync += [
                    aw.valid.eq(1),
                    aw.payload.address.eq(self.address[beat_bits:] << beat_bits),
                    waits.eq(1), pending.eq(self.data), place.eq(0b11 << (word << 1)),
                ]
            with m.Elif(lost | late):
                m.d.comb += self.done.eq(1)
                m.d.sync += [self.failed.eq(1), lost.eq(1)]
        with m.If(lost & ~asked & self.idle):
            m.d.sync += lost.eq(0)
        m.d.sync += posted.eq(posted + post - b.valid)
        m.d.sync += waited.eq(Mux((self.read | self.write) & ~self.done, waited + 1, 0))

        m.d.comb += [
            store.addr.eq(present),
            store.data.eq(Cat(r.payload.response != OKAY, r.payload.data)),
            store.en.eq(r.valid & ~stale & ~lost & ~late),
        ]
        with m.If(store.en):
            m.d.sync += present.eq(present + 1)
        with m.If(r.valid & r.payload.last):
            m.d.sync += asked.eq(0)
        with m.If(b.valid & (b.payload != OKAY)):
            m.d.sync += self.failed.eq(1)
        with m.If(post | self.clear):
            m.d.sync += [present.eq(0), stale.eq(1)]
        with m.If(self.clear):
            m.d.sync += self.failed.eq(0)
        return m
