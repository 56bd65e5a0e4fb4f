"""Reads a run of 32-bit words from memory as a stream."""

import operator

from amaranth.hdl import Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from ..axi import OKAY, ReadMaster

__all__ = ["BURST", "FetchedWord", "WordReader"]

#: Beats of a burst; bursts begin at multiples of so many beats, so none crosses 4 KiB.
BURST = 16


class FetchedWord(data.StructLayout):
    """A word, or ``failed``: memory refused it, or has not answered for too long."""

    def __init__(self):
        super().__init__({"data": unsigned(32), "failed": unsigned(1)})


class WordReader(wiring.Component):
    """Fetches words from memory in bursts, ahead of their reader.

    Room for the beats of a burst is reserved before the burst is asked for. One word a cycle, at
    most one beat a cycle. After a word with ``failed`` only ``abort`` helps.

    Parameters
    ----------
    data_width : int
        Bits of a beat, a power of two of at least 32.
    patience : int
        Cycles without an answer from memory after which it counts as failed.

    Members
    -------
    start : In(1)
        Begin; ignored while ``busy``.
    address : In(32)
        Byte address of the first word, a multiple of 4; taken at ``start``.
    words : In(24)
        Number of words, at least 1; taken at ``start``.
    abort : In(1)
        Drop what has not been read. Bursts that have been asked for are still received.
    busy : Out(1)
        From the cycle after ``start`` until the last word has been taken and the last beat
        received.
    o : Out(stream of FetchedWord)
        The words. An offer ends early only by ``abort``.
    bus : Out(ReadMaster(data_width))

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
            "start": In(1), "address": In(32), "words": In(24), "abort": In(1), "busy": Out(1),
            "o": Out(stream.Signature(FetchedWord())),
            "bus": Out(ReadMaster(self.data_width)),
        })

    def elaborate(self, platform):
        m = Module()
        depth = 2 * BURST
        beat_bits = exact_log2(self.data_width // 8)
        word_bits = beat_bits - 2
        ar, r = self.bus.ar, self.bus.r

        # Beats that are asked for, in the FIFO, or still to be asked for.
        next_beat = Signal(32 - beat_bits)
        beats_left = Signal(24 + 1)
        in_flight = Signal(range(depth + 1))
        reserved = Signal(range(depth + 1))
        words_left, some, final = Signal(24), Signal(), Signal()  # whether any; whether just one
        dropping = Signal()

        beats = m.submodules.beats = SyncFIFOBuffered(width=self.data_width + 1, depth=depth)
        m.d.comb += [
            beats.w_data.eq(r.payload.data | ((r.payload.response != OKAY) << self.data_width)),
            beats.w_en.eq(r.valid & ~dropping),
        ]

        # Ask: the length of a burst in one cycle, and in the next, when there is room, the burst;
        # what is reserved follows one cycle later.
        room = BURST - next_beat[:exact_log2(BURST)]
        planned, length, asked = Signal(), Signal(range(BURST + 1)), Signal(range(BURST + 1))
        ask = planned & (reserved <= depth - BURST) & (~ar.valid | ar.ready) & ~dropping
        with m.If(ar.ready):
            m.d.sync += ar.valid.eq(0)
        m.d.sync += [
            length.eq(Mux(beats_left < room, beats_left, room)),
            planned.eq((beats_left != 0) & ~ask),
            asked.eq(0),
        ]
        with m.If(ask):
            m.d.sync += [
                ar.valid.eq(1),
                ar.payload.address.eq(next_beat << beat_bits),
                ar.payload.length.eq(length - 1),
                next_beat.eq(next_beat + length),
                beats_left.eq(beats_left - length),
                asked.eq(length),
            ]

        # Give: a beat's words one after the other.
        word = Signal(max(1, word_bits))
        last_of_beat = (word == (1 << word_bits) - 1) if word_bits else 1
        silent = Signal()
        o = self.o
        with m.If(some):
            m.d.comb += o.valid.eq(beats.r_rdy | silent)
        m.d.comb += [
            o.payload.data.eq(beats.r_data[:-1].word_select(word, 32) if word_bits
                              else beats.r_data[:-1]),
            o.payload.failed.eq(beats.r_data[-1] | silent),
        ]
        taken = o.valid & o.ready
        with m.If(taken):
            m.d.sync += [
                words_left.eq(words_left - 1), word.eq(word + 1),
                some.eq(~final), final.eq(words_left == 2),
            ]
        pop = beats.r_rdy & ((taken & (last_of_beat | final)) | dropping)
        m.d.comb += beats.r_en.eq(pop)

        popped, dropped = Signal(), Signal()
        m.d.sync += [
            popped.eq(pop), dropped.eq(r.valid & dropping),
            in_flight.eq(in_flight + asked - r.valid),
            reserved.eq(reserved + asked - popped - dropped),
        ]

        waited = Signal(range(self.patience + 1))
        with m.If(~some | beats.r_rdy):
            m.d.sync += waited.eq(0)
        with m.Elif(waited == self.patience):
            m.d.sync += silent.eq(1)
        with m.Else():
            m.d.sync += waited.eq(waited + 1)

        m.d.comb += self.busy.eq((some & ~dropping) | (asked != 0) | (in_flight != 0)
                                 | beats.r_rdy)
        with m.If(self.abort):
            m.d.sync += [dropping.eq(1), some.eq(0), planned.eq(0), beats_left.eq(0)]
        with m.Elif(~self.busy):
            m.d.sync += [dropping.eq(0), silent.eq(0)]
            with m.If(self.start):
                first = self.address[2:beat_bits] if word_bits else 0
                m.d.sync += [
                    next_beat.eq(self.address >> beat_bits),
                    beats_left.eq((self.words + first + (1 << word_bits) - 1) >> word_bits),
                    words_left.eq(self.words), some.eq(1), final.eq(self.words == 1),
                    planned.eq(0),
                    word.eq(first),
                ]
        return m
