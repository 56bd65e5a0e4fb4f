"""The FIFO bank of a tile: buffers, delays and loops in block RAM."""

from amaranth.hdl import Const, Module, Mux, Signal, signed, unsigned
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2, exact_log2

from .registers import FIFO_MODES, tile_units
from .select import equal, select

__all__ = ["FifoBank"]

OFF, DELAY, LOOP = (FIFO_MODES.index(mode) for mode in ("off", "delay", "loop"))


class FifoBank(wiring.Component):
    """A few FIFOs in block RAMs, each a buffer, a delay line or a loop.

    Output k of a *buffer* is input k. Output k of a *delay* is input k - count, 0 for the first
    ``count``. A *loop* takes ``last`` + 1 samples, emitting nothing, then plays them ``count``
    times (0: for ever) and takes nothing more. A FIFO that is off neither takes nor offers.
    Latency of a buffer 3 cycles; every FIFO moves 1 word a cycle in and 1 out.

    Parameters
    ----------
    target : Target
        Each of ``fifos`` FIFOs has ``own_fifo_blocks`` memory blocks of ``fifo_block_depth``
        samples to itself; ``spare_fifo_blocks`` lie behind those of one of them.

    Members
    -------
    i, o : In, Out(stream of signed(16)), arrays of ``fifos``
    config : In(fifo's layout)
        FIFO k uses words 0 to last<k> of its blocks. ``spare``, if there are spare blocks, is the
        FIFO that has them.
    start : In(1)
        First cycle of a new ``config``: empties all FIFOs. While high the router moves no word.

    Source: docs/architecture.md, "FIFO bank".
    """

    def __init__(self, target):
        self.fifos = target.fifos
        self.own, self.spare = target.own_fifo_blocks, target.spare_fifo_blocks
        self.block_depth = target.fifo_block_depth
        samples = stream.Signature(signed(16))
        super().__init__({
            "i": In(samples).array(self.fifos),
            "o": Out(samples).array(self.fifos),
            "config": In(tile_units(target, convolver=False)["fifo"].layout),
            "start": In(1),
        })

    def elaborate(self, platform):
        m = Module()

        fifos = []
        for index in range(self.fifos):
            m.submodules[f"fifo{index}"] = fifo = _Fifo(self.own + self.spare, self.block_depth)
            wiring.connect(m, wiring.flipped(self.i[index]), fifo.i)
            wiring.connect(m, wiring.flipped(self.o[index]), fifo.o)
            m.d.comb += fifo.start.eq(self.start)
            m.d.comb += [getattr(fifo, name).eq(self.config[f"{name}{index}"])
                         for name in ("mode", "last", "count")]
            fifos.append(fifo)

        for index, fifo in enumerate(fifos):
            for block in range(self.own):
                self._block(m, f"block{index}_{block}", block, [fifo], Const(0))
        for block in range(self.own, self.own + self.spare):
            self._block(m, f"spare{block - self.own}", block, fifos, self.config["spare"])
        return m

    def _block(self, m, name, block, fifos, owner):
        """Build a memory, which is this block of the owner's among the FIFOs that may have it."""
        m.submodules[name] = samples = memory.Memory(
            shape=signed(16), depth=self.block_depth, init=[])
        read, write = samples.read_port(), samples.write_port()
        m.d.comb += write.data.eq(select(owner, [fifo.i.payload for fifo in fifos]))
        for port, steps, places in (
                (write, [fifo.write for fifo in fifos], [fifo.write_place for fifo in fifos]),
                (read, [fifo.read for fifo in fifos], [fifo.read_place for fifo in fifos])):
            m.d.comb += [
                port.en.eq(select(owner, [step & (place[len(port.addr):] == block)
                                          for step, place in zip(steps, places, strict=True)])),
                port.addr.eq(select(owner, [place[:len(port.addr)] for place in places])),
            ]
        m.d.comb += [fifo.words[block].eq(read.data) for fifo in fifos]


class _Fifo(wiring.Component):
    """Control of one FIFO: counts, and places in its blocks.

    ``words`` are what the blocks have read last; a block keeps its word until the next read.
    """

    def __init__(self, blocks, block_depth):
        self.block_depth = block_depth
        place = unsigned(ceil_log2(blocks * block_depth))
        super().__init__({
            "i": In(stream.Signature(signed(16))),
            "o": Out(stream.Signature(signed(16))),
            "start": In(1),
            "mode": In(2),
            "last": In(place),
            "count": In(16),
            "write": Out(1),
            "write_place": Out(place),
            "read": Out(1),
            "read_place": Out(place),
            "words": In(signed(16)).array(blocks),
        })

    def elaborate(self, platform):
        m = Module()

        loop, endless = Signal(), Signal()
        takes, plays = Signal(), Signal()  # a loop first takes, then plays
        padding = Signal()  # zeros of a delay are still to come
        full, empty = self._state(m, loop)
        fetch = self._fetch(m, padding)
        m.d.comb += [
            self.i.ready.eq(takes & ~full),
            self.write.eq(self.i.valid & takes & ~full),
            self.read.eq(fetch & plays & ~empty & ~padding),
        ]

        written = self._walk(m, self.write, self.write_place)
        played = self._walk(m, self.read, self.read_place)
        last = self._count(m, (fetch & padding) | (played & loop))
        with m.If(fetch & last):
            m.d.sync += padding.eq(0)
        with m.If(written & loop):
            m.d.sync += [takes.eq(0), plays.eq(1)]
        with m.If(played & loop & last & ~endless):
            m.d.sync += plays.eq(0)

        loops = self.mode == LOOP
        with m.If(self.start):
            m.d.sync += [
                loop.eq(loops),
                endless.eq(self.count == 0),
                takes.eq(self.mode != OFF),
                plays.eq((self.mode != OFF) & ~loops),
                padding.eq((self.mode == DELAY) & (self.count != 0)),
            ]
        return m

    def _state(self, m, loop):
        """Return whether the memory is full, and whether it is empty; a full loop stays full."""
        same, filled = Signal(), Signal()
        m.d.comb += same.eq(equal(self.write_place, self.read_place))
        with m.If(self.start):
            m.d.sync += filled.eq(0)
        with m.Elif(self.write):
            m.d.sync += filled.eq(1)
        with m.Elif(self.read & ~loop):
            m.d.sync += filled.eq(0)
        return same & filled, same & ~filled

    def _walk(self, m, step, place):
        """Step a place, from the last word to the first; return whether it does that."""
        ends = Signal()
        m.d.comb += ends.eq(step & equal(place, self.last))
        with m.If(self.start | ends):
            m.d.sync += place.eq(0)
        with m.Elif(step):
            m.d.sync += place.eq(place + 1)
        return ends

    def _count(self, m, step):
        """Count zeros of a delay or rounds of a loop; return whether the next is the last."""
        left = Signal(16)  # inverted: it counts up
        with m.If(self.start | step):
            # What is loaded enters before the adder.
            m.d.sync += left.eq(Mux(self.start, ~self.count, left) + ~self.start)
        return left == 0xFFFE

    def _fetch(self, m, padding):
        """Offer what is read; return whether the next word can be read.

        The word on the blocks' outputs moves on to the output register or, when that is refused,
        waits at input 0 of the multiplexer before it. A zero resets either register.
        """
        fetched, free, valid = Signal(), Signal(init=1), Signal()
        waiting, payload = (Signal(signed(16), name=name, reset_less=True)
                            for name in ("waiting", "payload"))
        place, zero = Signal(range(len(self.words) + 1)), Signal()
        chosen = Signal(signed(16))
        advance = ~valid | self.o.ready
        fetch = ~fetched | free
        m.d.comb += [
            self.o.payload.eq(payload), self.o.valid.eq(valid),
            chosen.eq(select(place & free.replicate(len(place)), [waiting, *self.words])),
        ]
        with m.If(fetch):
            m.d.sync += [fetched.eq(self.read | padding), zero.eq(padding),
                         place.eq(self.read_place[exact_log2(self.block_depth):] + 1)]
        with m.If(free):
            m.d.sync += waiting.eq(Mux(zero, 0, chosen))
        with m.If(advance):
            m.d.sync += payload.eq(Mux(zero & free, 0, chosen))
        m.d.sync += [valid.eq(fetched | ~free | ~advance), free.eq(advance | (free & ~fetched))]
        with m.If(self.start):
            m.d.sync += [fetched.eq(0), valid.eq(0), free.eq(1)]
        return fetch
