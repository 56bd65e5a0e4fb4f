"""The FIFO bank of a tile: buffers, delays and loops in shared block RAM."""

from amaranth.hdl import Cat, Module, Mux, Signal, signed, unsigned
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2, exact_log2

from .registers import FIFO_MODES, tile_units
from .stream import SkidBuffer

__all__ = ["FifoBank"]

OFF, DELAY, LOOP = (FIFO_MODES.index(mode) for mode in ("off", "delay", "loop"))


class FifoBank(wiring.Component):
    """A few FIFOs that share block RAMs, each a buffer, a delay line or a loop.

    Output k of a *buffer* is input k. Output k of a *delay* is input k - length, 0 for the first
    ``length``. A *loop* takes ``length`` samples, emitting nothing, then plays them ``repeat``
    times (0: for ever) and takes nothing more; it does nothing at all when ``length`` is 0. A FIFO
    that is off neither takes nor offers. Latency of a buffer 4 cycles; every FIFO moves 1 word a
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

        words = []
        for block in range(self.blocks):
            m.submodules[f"block{block}"] = samples = memory.Memory(
                shape=signed(16), depth=self.block_depth, init=[])
            read, write = samples.read_port(), samples.write_port()
            words.append(read.data)

            owner = Signal(range(self.fifos), name=f"owner{block}")
            with m.If(self.start):
                for index in range(self.fifos):
                    first, number = self.config[f"first{index}"], self.config[f"blocks{index}"]
                    with m.If((first <= block) & (block < first + number)):
                        m.d.sync += owner.eq(index)
            with m.Switch(owner):
                for index, fifo in enumerate(fifos):
                    with m.Case(index):
                        m.d.comb += [
                            write.en.eq(fifo.write & (fifo.write_block == block)),
                            write.addr.eq(fifo.write_offset),
                            write.data.eq(fifo.write_data),
                            read.en.eq(fifo.read & (fifo.read_block == block)),
                            read.addr.eq(fifo.read_offset),
                        ]

        for fifo in fifos:
            with m.Switch(fifo.data_block):
                for block, word in enumerate(words):
                    with m.Case(block):
                        m.d.comb += fifo.read_data.eq(word)

        return m


class _Fifo(wiring.Component):
    """Control of one FIFO: counts, and addresses into the blocks.

    ``read_data`` is the word of the last read, from block ``data_block``; it stays until the next.
    """

    def __init__(self, blocks, block_depth):
        self.block_depth = block_depth
        self.capacity = blocks * block_depth
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
            "write_data": Out(signed(16)),
            "read": Out(1),
            "read_block": Out(block),
            "read_offset": Out(offset),
            "data_block": Out(block),
            "read_data": In(signed(16)),
        })

    def elaborate(self, platform):
        m = Module()

        m.submodules.skid_i = skid_i = SkidBuffer(signed(16))
        m.submodules.skid_o = skid_o = SkidBuffer(signed(16))
        wiring.connect(m, wiring.flipped(self.i), skid_i.i)
        wiring.connect(m, skid_o.o, wiring.flipped(self.o))
        m.d.comb += [skid_i.clear.eq(self.start), skid_o.clear.eq(self.start)]

        loop, delay = Signal(), Signal()
        limit = Signal(range(self.capacity + 1))  # words taken before the input stops
        last_block = Signal.like(self.read_block)
        # Words in memory; once a loop is full, those that this round has yet to play.
        level = Signal.like(limit)
        full, empty = Signal(init=1), Signal(init=1)
        left = Signal(16)  # zeros that a delay sends, or rounds that a loop plays
        more, endless = Signal(), Signal()  # whether any are left

        m.d.comb += [
            skid_i.o.ready.eq(~full),
            self.write.eq(skid_i.o.valid & ~full),
            self.write_data.eq(skid_i.o.payload),
        ]
        next_write = self._next(m, self.write_block, self.write_offset, last_block)
        with m.If(self.write):
            m.d.sync += Cat(self.write_offset, self.write_block).eq(next_write)

        # A word (or a zero) is fetched when the one before it has left the memory's output.
        fetch, fetched, zero = Signal(), Signal(), Signal()
        pad = delay & more
        m.d.comb += [
            fetch.eq(~fetched | skid_o.i.ready),
            self.read.eq(fetch & ~pad & Mux(loop, full & more, ~empty)),
            skid_o.i.valid.eq(fetched),
            skid_o.i.payload.eq(Mux(zero, 0, self.read_data)),
        ]
        with m.If(fetch):
            m.d.sync += [fetched.eq(self.read | pad), zero.eq(pad)]
        next_read = self._next(m, self.read_block, self.read_offset, last_block)
        with m.If(self.read):
            m.d.sync += [
                self.data_block.eq(self.read_block),
                Cat(self.read_offset, self.read_block).eq(next_read),
            ]
        single = level == 1
        end = self.read & loop & single
        with m.If(end):
            m.d.sync += [self.read_block.eq(self.first), self.read_offset.eq(0)]
        with m.If((fetch & pad) | end):
            m.d.sync += [left.eq(left - 1), more.eq(endless | (left != 1))]

        stepped = Signal.like(level)
        m.d.comb += stepped.eq(level + Mux(self.read, -1, 1))
        with m.If(self.write & ~self.read):
            m.d.sync += [level.eq(stepped), full.eq(stepped == limit), empty.eq(0)]
        with m.Elif(self.read & ~self.write):
            m.d.sync += [level.eq(Mux(loop & single, limit, stepped)), full.eq(loop),
                         empty.eq(single)]

        with m.If(self.start):
            off = self.mode == OFF
            none = Mux(self.mode == LOOP, self.length == 0, self.blocks == 0)
            m.d.sync += [
                loop.eq(self.mode == LOOP),
                delay.eq(self.mode == DELAY),
                limit.eq(Mux(self.mode == LOOP, self.length, self.blocks * self.block_depth)),
                last_block.eq(self.first + self.blocks - 1),
                level.eq(0),
                full.eq(off | none),
                empty.eq(1),
                left.eq(Mux(self.mode == LOOP, self.repeat, self.length)),
                more.eq(self.length != 0),
                endless.eq((self.mode == LOOP) & (self.repeat == 0)),
                fetched.eq(0),
                self.write_block.eq(self.first),
                self.write_offset.eq(0),
                self.read_block.eq(self.first),
                self.read_offset.eq(0),
            ]

        return m

    def _next(self, m, block, offset, last_block):
        """Return the address that follows, offset first: behind the last block comes the first."""
        following = Signal(len(offset) + 1)
        next_block = Signal.like(block)
        m.d.comb += [following.eq(offset + 1), next_block.eq(block)]
        with m.If(following[-1]):
            m.d.comb += next_block.eq(Mux(block == last_block, self.first, block + 1))
        return Cat(following[:-1], next_block)
