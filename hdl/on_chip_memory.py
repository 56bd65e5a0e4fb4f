"""External memory of a machine on a board without one: block RAM behind an AXI4 slave."""

import operator

from amaranth.hdl import Cat, Module, Mux, Signal, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In
from amaranth.utils import exact_log2

from .axi import OKAY, SLVERR, AxiSignature
from .stream import SkidBuffer, StreamFifo

__all__ = ["OnChipMemory"]

#: AXI4 code of an incrementing burst.
_INCR = 1

#: Beats between memory and master: enough that a beat goes every cycle.
_DEPTH = 8


class _Burst(data.StructLayout):
    """A burst as it waits; ``good`` when the memory can serve it."""

    def __init__(self, words, id_width):
        super().__init__({"id": unsigned(id_width), "word": range(words), "beats": unsigned(8),
                          "good": unsigned(1)})


class _Beat(data.StructLayout):
    """A beat that was read."""

    def __init__(self, data_width, id_width):
        super().__init__({"data": unsigned(data_width), "id": unsigned(id_width),
                          "good": unsigned(1), "last": unsigned(1)})


class OnChipMemory(wiring.Component):
    """Memory that answers an AXI4 master.

    Reads and writes go separate ways, a beat a cycle each, also from one burst to the next. The
    first beat is offered 6 cycles after its address was taken, a response 2 cycles after the last
    beat was. Bursts are served in order. All outputs are registers.

    A burst that leaves the memory, whose beats are narrower than the bus, or that does not
    increment is answered with SLVERR, beat by beat; it writes nothing and reads as 0. A read sees
    what was written before, once the write has been answered.

    Parameters
    ----------
    size : int
        Bytes, a power of two of at least 4096.
    data_width : int
        Bits of a beat, a power of two from 8 to 1024.
    id_width : int
        Bits of an ID.

    Members
    -------
    axi : In(AxiSignature(data_width, id_width))

    Raises
    ------
    TypeError
        If a parameter is not an integer.
    ValueError
        If a parameter is out of range.

    Source: AMBA AXI and ACE Protocol Specification, ARM IHI 0022, chapters A2 to A5.
    """

    def __init__(self, size, data_width, id_width):
        self.size = operator.index(size)
        self.data_width = operator.index(data_width)
        self.id_width = operator.index(id_width)
        # No burst crosses 4 KiB (A3.4.1), so it is inside when its first beat is.
        if self.size < 4096 or self.size & (self.size - 1):
            raise ValueError(f"size must be a power of two of at least 4096 bytes, not {size}")
        if not 8 <= self.data_width <= 1024 or self.data_width & (self.data_width - 1):
            raise ValueError(f"data_width must be a power of two in 8..1024, not {data_width}")
        if self.id_width < 1:
            raise ValueError(f"id_width must be at least 1, not {id_width}")
        self.words = 8 * self.size // self.data_width
        super().__init__({"axi": In(AxiSignature(self.data_width, self.id_width))})

    def elaborate(self, platform):
        m = Module()
        # A memory a byte, so that a strobe is the write enable of its own block RAMs.
        reads, writes = [], []
        for lane in range(self.data_width // 8):
            memory = m.submodules[f"byte{lane}"] = Memory(
                shape=8, depth=self.words, init=[])
            writes.append(memory.write_port())
            reads.append(memory.read_port())
        self._read(m, reads)
        self._write(m, writes)
        return m

    def _bursts(self, m, channel):
        """Take bursts from channel ``ar`` or ``aw``; return the stream of them."""
        def port(name):
            return getattr(self.axi, f"{channel}{name}")

        bursts = m.submodules[channel] = SkidBuffer(_Burst(self.words, self.id_width))
        shift = exact_log2(self.data_width // 8)
        inside = port("addr")[exact_log2(self.size):] == 0
        m.d.comb += [
            bursts.i.valid.eq(port("valid")), port("ready").eq(bursts.i.ready),
            bursts.i.p.id.eq(port("id")), bursts.i.p.beats.eq(port("len")),
            bursts.i.p.word.eq(port("addr")[shift:]),
            bursts.i.p.good.eq(inside & (port("size") == shift) & (port("burst") == _INCR)),
        ]
        return bursts.o

    def _step(self, m, bursts, name, beat):
        """Walk through bursts, a word each time ``beat`` is high; return the present one."""
        now = Signal(_Burst(self.words, self.id_width), name=f"{name}_burst", reset_less=True)
        active, last = Signal(name=f"{name}_active"), Signal(name=f"{name}_last")
        m.d.comb += [last.eq(now.beats == 0), bursts.ready.eq(~active | (beat & last))]
        with m.If(bursts.ready):
            m.d.sync += [active.eq(bursts.valid), now.eq(bursts.payload)]
        with m.Elif(beat):
            m.d.sync += [now.word.eq(now.word + 1), now.beats.eq(now.beats - 1)]
        return now, active, last

    def _read(self, m, ports):
        axi, beat = self.axi, Signal(name="read_beat")
        burst, active, last = self._step(m, self._bursts(m, "ar"), "read", beat)
        queue = m.submodules.queue = StreamFifo(_Beat(self.data_width, self.id_width), _DEPTH)

        # Beats read and not yet taken: all of them have room in the queue.
        waiting = Signal(range(_DEPTH + 1))
        m.d.comb += beat.eq(active & (waiting != _DEPTH))
        m.d.sync += waiting.eq(waiting + beat - (axi.rvalid & axi.rready))
        for port in ports:
            m.d.comb += [port.addr.eq(burst.word), port.en.eq(beat)]

        # One register while the block RAM reads, one behind it.
        read, marks = Signal(), Signal(_Beat(self.data_width, self.id_width), reset_less=True)
        m.d.sync += [read.eq(beat), marks.id.eq(burst.id), marks.good.eq(burst.good),
                     marks.last.eq(last), queue.i.valid.eq(read), queue.i.payload.eq(marks)]
        m.d.sync += queue.i.p.data.eq(Mux(marks.good, Cat(port.data for port in ports), 0))
        m.d.comb += [
            axi.rvalid.eq(queue.o.valid), queue.o.ready.eq(axi.rready),
            axi.rid.eq(queue.o.p.id), axi.rdata.eq(queue.o.p.data),
            axi.rlast.eq(queue.o.p.last), axi.rresp.eq(Mux(queue.o.p.good, OKAY, SLVERR)),
        ]

    def _write(self, m, ports):
        axi, beat = self.axi, Signal(name="write_beat")
        burst, active, last = self._step(m, self._bursts(m, "aw"), "write", beat)
        beats = m.submodules.w = SkidBuffer(
            data.StructLayout({"data": self.data_width, "strobe": self.data_width // 8}))
        answers = m.submodules.b = SkidBuffer(
            data.StructLayout({"id": self.id_width, "good": 1}))
        m.d.comb += [
            beats.i.valid.eq(axi.wvalid), axi.wready.eq(beats.i.ready),
            beats.i.p.data.eq(axi.wdata), beats.i.p.strobe.eq(axi.wstrb),
            beats.o.ready.eq(active & answers.i.ready), beat.eq(beats.o.valid & beats.o.ready),
            answers.i.valid.eq(beat & last),
            answers.i.p.id.eq(burst.id), answers.i.p.good.eq(burst.good),
            axi.bvalid.eq(answers.o.valid), answers.o.ready.eq(axi.bready),
            axi.bid.eq(answers.o.p.id), axi.bresp.eq(Mux(answers.o.p.good, OKAY, SLVERR)),
        ]
        for lane, port in enumerate(ports):
            m.d.sync += [
                port.addr.eq(burst.word), port.data.eq(beats.o.p.data.word_select(lane, 8)),
                port.en.eq(beat & burst.good & beats.o.p.strobe[lane]),
            ]
