"""Single words of external memory for the control processor."""

import operator

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from ..axi import OKAY, ReadMaster, WriteMaster

__all__ = ["Bridge"]

# Writes that may await their response.
_POSTED = 15


class Bridge(wiring.Component):
    """Word accesses as single beats.

    Writes are posted: done as soon as the beat is in the output register. A read waits for the
    responses of all writes before it. The beat last read is kept, so that words that follow are
    read without memory, until ``forget`` or a write.

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
    forget : In(1)
        Drop the beat that is kept.
    idle : Out(1)
        Memory has answered all writes.
    failed : Out(1)
        Memory refused an access or did not answer it; stays until ``clear``.
    clear : In(1)
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
            "done": Out(1), "value": Out(32), "forget": In(1), "idle": Out(1),
            "failed": Out(1), "clear": In(1),
            "bus_read": Out(ReadMaster(self.data_width)),
            "bus_write": Out(WriteMaster(self.data_width)),
        })

    def elaborate(self, platform):
        m = Module()
        ar, r = self.bus_read.ar, self.bus_read.r
        aw, w, b = self.bus_write.aw, self.bus_write.w, self.bus_write.b
        beat_bits = exact_log2(self.data_width // 8)
        word = self.address[2:beat_bits] if beat_bits > 2 else 0
        beat_address = (self.address >> beat_bits) << beat_bits

        kept, kept_address, kept_data = Signal(), Signal(32), Signal(self.data_width)
        # A read is under way; memory owes answers that nobody waits for any more.
        asked, lost = Signal(), Signal()
        posted = Signal(range(_POSTED + 1))
        m.d.comb += [self.idle.eq(posted == 0), r.ready.eq(1), b.ready.eq(1)]

        for channel in (ar, aw, w):
            with m.If(channel.ready):
                m.d.sync += channel.valid.eq(0)

        hit = kept & (kept_address == beat_address)
        waited = Signal(range(self.patience + 1))
        late = waited == self.patience
        post = Signal()
        with m.If(self.read):
            with m.If(hit):
                m.d.comb += [self.done.eq(1), self.value.eq(kept_data.word_select(word, 32))]
            with m.Elif(lost | late):
                m.d.comb += self.done.eq(1)
                m.d.sync += [self.failed.eq(1), lost.eq(1)]
            with m.Elif(~asked & self.idle):
                m.d.sync += [ar.valid.eq(1), ar.payload.address.eq(beat_address), asked.eq(1)]
        with m.If(self.write):
            with m.If(~aw.valid & ~w.valid & (posted != _POSTED) & ~lost):
                m.d.comb += [self.done.eq(1), post.eq(1)]
                m.d.sync += [
                    aw.valid.eq(1), aw.payload.address.eq(beat_address),
                    w.valid.eq(1), w.payload.data.eq(self.data.replicate(self.data_width // 32)),
                    w.payload.strobe.eq(0xF << (word << 2)), w.payload.last.eq(1), kept.eq(0),
                ]
            with m.Elif(lost | late):
                m.d.comb += self.done.eq(1)
                m.d.sync += [self.failed.eq(1), lost.eq(1)]
        with m.If(lost & ~asked & self.idle):
            m.d.sync += lost.eq(0)
        m.d.sync += posted.eq(posted + post - b.valid)
        m.d.sync += waited.eq(Mux((self.read | self.write) & ~self.done, waited + 1, 0))

        with m.If(r.valid):
            m.d.sync += asked.eq(0)
            with m.If(r.payload.response != OKAY):
                # Kept as zeros: the access is done, and has failed.
                m.d.sync += self.failed.eq(1)
            with m.If(~lost & ~late):
                m.d.sync += [
                    kept.eq(1), kept_address.eq(ar.payload.address),
                    kept_data.eq(Mux(r.payload.response == OKAY, r.payload.data, 0)),
                ]
        with m.If(b.valid & (b.payload != OKAY)):
            m.d.sync += self.failed.eq(1)
        with m.If(self.forget):
            m.d.sync += kept.eq(0)
        with m.If(self.clear):
            m.d.sync += self.failed.eq(0)
        return m
