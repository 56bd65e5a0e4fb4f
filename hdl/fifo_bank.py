"""The FIFO bank of a tile: buffers, delays and loops in shared block RAM."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed, unsigned
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2, exact_log2

from .registers import FIFO_MODES, tile_units
from .select import select

__all__ = ["FifoBank"]

OFF, DELAY, LOOP = (FIFO_MODES.index(mode) for mode in ("off", "delay", "loop"))


class FifoBank(wiring.Component):
    """A few FIFOs that share block RAMs, each a buffer, a delay line or a loop.

    Output k of a *buffer* is input k. Output k of a *delay* is input k - length, 0 for the first
    ``length``. A *loop* takes ``length`` samples, emitting nothing, then plays them ``repeat``
    times (0: for ever) and takes nothing more; it does nothing at all when ``length`` is 0. A FIFO
    that is off neither takes nor offers. Latency of a buffer 3 cycles; every FIFO moves 1 word a
    cycle in and 1 out.

    Parameters
    ----------
    target : Target
        ``fifos`` FIFOs share ``fifo_blocks`` memory blocks of ``fifo_block_depth`` samples.

    Members
    -------
    i, o : In, Out(stream of signed(16)), arrays of ``fifos``
    config : In(fifo's layout)
        FIFO k owns blocks first<k> .. first<k> + blocks<k> - 1; no block may have two owners.
        length<k> is at most what those blocks hold.
    start : In(1)
        First cycle of a new ``config``: empties all FIFOs. While high nothing is taken or offered.

    Source: docs/architecture.md, "FIFO bank".
    """

    def __init__(self, target):
        self.fifos = target.fifos
        self.blocks = target.fifo_blocks
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
            m.submodules[f"fifo{index}"] = fifo = _Fifo(self.blocks, self.block_depth)
            wiring.connect(m, wiring.flipped(self.i[index]), fifo.i)
            wiring.connect(m, wiring.flipped(self.o[index]), fifo.o)
            m.d.comb += fifo.start.eq(self.start)
            m.d.comb += [getattr(fifo, name).eq(self.config[f"{name}{index}"])
                         for name in ("mode", "first", "blocks", "length", "repeat")]
            fifos.append(fifo)

        for block in range(self.blocks):
            m.submodules[f"block{block}"] = samples = memory.Memory(
                shape=signed(16), depth=self.block_depth, init=[])
            read, write = samples.read_port(), samples.write_port()
            m.d.comb += [fifo.words[block].eq(read.data) for fifo in fifos]

            owner = Signal(range(max(2, self.fifos)), name=f"owner{block}")
            with m.If(self.start):
                for index in range(self.fifos):
                    first, number = self.config[f"first{index}"], self.config[f"blocks{index}"]
                    with m.If((first <= block) & (block < first + number)):
                        m.d.sync += owner.eq(index)
            # A FIFO never names a block that it does not own.
            m.d.comb += [
                write.en.eq(Cat(fifo.write & (fifo.write_block == block) for fifo in fifos).any()),
                write.addr.eq(select(owner, [fifo.write_offset for fifo in fifos])),
                write.data.eq(select(owner, [fifo.i.payload for fifo in fifos])),
                read.en.eq(Cat(fifo.read & (fifo.read_block == block) for fifo in fifos).any()),
                read.addr.eq(select(owner, [fifo.read_offset for fifo in fifos])),
            ]

        return m


class _Fifo(wiring.Component):
    """Control of one FIFO: counts, and addresses into the blocks.

    ``words`` are what the blocks have read last; a block keeps its word until the next read.
    """

    def __init__(self, blocks, block_depth):
        self.block_depth = block_depth
        block, offset = unsigned(ceil_log2(max(blocks, 2))), unsigned(exact_log2(block_depth))
        super().__init__({
            "i": In(stream.Signature(signed(16))),
            "o": Out(stream.Signature(signed(16))),
            "start": In(1),
            "mode": In(2),
            "first": In(3),
            "blocks": In(4),
            "length": In(16),
            "repeat": In(16),
            "write": Out(1),
            "write_block": Out(block),
            "write_offset": Out(offset),
            "read": Out(1),
            "read_block": Out(block),
            "read_offset": Out(offset),
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
            self.i.ready.eq(takes & ~full & ~self.start),
            self.write.eq(self.i.valid & takes & ~full),
            self.read.eq(fetch & plays & ~empty & ~padding),
        ]

        end = self._end(m)
        written, played = (
            self._walk(m, step, block, offset, Cat(offset, block) == end)
            for step, block, offset in ((self.write, self.write_block, self.write_offset),
                                        (self.read, self.read_block, self.read_offset)))
        last = self._count(m, (fetch & padding) | (played & loop))
        with m.If(fetch & last):
            m.d.sync += padding.eq(0)
        with m.If(written & loop):
            m.d.sync += [takes.eq(0), plays.eq(1)]
        with m.If(played & loop & last & ~endless):
            m.d.sync += plays.eq(0)

        loops = self.mode == LOOP
        works = (self.mode != OFF) & Mux(loops, self.length != 0, self.blocks != 0)
        with m.If(self.start):
            m.d.sync += [
                loop.eq(loops),
                endless.eq(self.repeat == 0),
                takes.eq(works),
                plays.eq(works & ~loops),
                padding.eq((self.mode == DELAY) & (self.length != 0)),
            ]
        return m

    def _state(self, m, loop):
        """Return whether the memory is full, and whether it is empty; a full loop stays full."""
        same, filled = Signal(), Signal()
        m.d.comb += same.eq(Cat(self.write_offset, self.write_block)
                            == Cat(self.read_offset, self.read_block))
        with m.If(self.start):
            m.d.sync += filled.eq(0)
        with m.Elif(self.write):
            m.d.sync += filled.eq(1)
        with m.Elif(self.read & ~loop):
            m.d.sync += filled.eq(0)
        return same & filled, same & ~filled

    def _end(self, m):
        """Return the address of the last word: of a loop's length, else of the last block."""
        block, rest = Signal.like(self.read_block), Signal.like(self.read_offset)
        size = Mux(self.mode == LOOP, self.length, self.blocks * self.block_depth)
        # size - 1 is ~(-size).
        negative = (-size)[:len(block) + len(rest)]
        with m.If(self.start):
            m.d.sync += [rest.eq(negative),
                         block.eq(self.first + (~negative >> len(rest))[:len(block)])]
        return Cat(~rest, block)

    def _walk(self, m, step, block, offset, at_end):
        """Step an address, from the last word to the first; return whether it does that."""
        ends = Signal()
        m.d.comb += ends.eq(step & at_end)
        with m.If(step):
            m.d.sync += offset.eq(offset + 1)
        with m.If(self.start | ends):
            m.d.sync += [block.eq(self.first), offset.eq(0)]
        with m.Elif(step & offset.all()):
            m.d.sync += block.eq(block + 1)
        return ends

    def _count(self, m, step):
        """Count zeros of a delay or rounds of a loop; return whether the next is the last."""
        left = Signal(16)  # inverted: it counts up
        value = Mux(self.mode == LOOP, self.repeat, self.length)
        with m.If(self.start | step):
            # What is loaded enters before the adder.
            m.d.sync += left.eq(Mux(self.start, ~value, left) + ~self.start)
        return left == 0xFFFE

    def _fetch(self, m, padding):
        """Offer what is read; return whether the next word can be read.

        The word on the blocks' outputs moves on to the output register or, when that is refused,
        waits at input 0 of the multiplexer before it.
        """
        blocks = len(self.words)
        fetched, free, valid = Signal(), Signal(init=1), Signal()
        waiting, payload = (Signal(signed(16), name=name, reset_less=True)
                            for name in ("waiting", "payload"))
        place = Signal(range(blocks + 2))
        chosen = Signal(signed(16))
        advance = ~valid | self.o.ready
        fetch = ~fetched | free
        m.d.comb += [
            self.o.payload.eq(payload), self.o.valid.eq(valid & ~self.start),
            chosen.eq(select(place & free.replicate(len(place)),
                             [waiting, *self.words, Const(0, signed(16))])),
        ]
        with m.If(fetch):
            m.d.sync += [fetched.eq(self.read | padding),
                         place.eq(Mux(padding, blocks + 1, self.read_block + 1))]
        with m.If(free):
            m.d.sync += waiting.eq(chosen)
        with m.If(advance):
            m.d.sync += payload.eq(chosen)
        m.d.sync += [valid.eq(fetched | ~free | ~advance), free.eq(advance | (free & ~fetched))]
        with m.If(self.start):
            m.d.sync += [fetched.eq(0), valid.eq(0), free.eq(1)]
        return fetch
