"""Beats in, samples out: the memory's own ports pick a sample from a beat."""

import operator

from amaranth.hdl import Cat, Const, Module, Signal, signed
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from .coalescer import lane_bits

__all__ = ["BeatBuffer"]


class BeatBuffer(wiring.Component):
    """Queue of beats, read a sample at a time.

    The memory is written a beat and read a sample wide: block RAM whose two ports differ in width
    needs neither a register for the beat nor multiplexers for its samples. One beat and one sample
    a cycle; a beat can be read from the cycle after it was written on.

    Parameters
    ----------
    data_width : int
        Bits of a beat: 32, 64, 128, 256 or 512.
    depth : int
        Beats that fit behind the one that is being read, a power of two of at least 2.

    Members
    -------
    write : In(1)
        Append ``beat``; there must be room.
    beat : In(data_width)
    level : Out(range(depth + 1))
        Beats behind the one that is being read.
    take : In(1)
        Read the sample in ``lane``, of the next beat if ``advance``, else of the present one. The
        beat must be there.
    advance : In(1)
    lane : In(lane_bits(data_width))
    sample : Out(signed(16))
        The sample last taken, from the cycle behind ``take`` on.
    clear : In(1)
        Drop all beats. Nothing is written or taken meanwhile.

    Raises
    ------
    TypeError
        If a parameter is not an integer.
    ValueError
        If a parameter is out of range.
    """

    def __init__(self, data_width, depth):
        self.data_width = data_width
        self.lane_bits = lane_bits(data_width)
        self.depth = operator.index(depth)
        if self.depth < 2 or self.depth & (self.depth - 1):
            raise ValueError(f"depth must be a power of two of at least 2, not {depth}")
        super().__init__({
            "write": In(1), "beat": In(self.data_width), "level": Out(range(self.depth + 1)),
            "take": In(1), "advance": In(1), "lane": In(self.lane_bits),
            "sample": Out(signed(16)), "clear": In(1),
        })

    def elaborate(self, platform):
        m = Module()

        # Twice the depth: the beat that is being read keeps its place.
        lanes = 1 << self.lane_bits
        m.submodules.samples = samples = memory.Memory(
            shape=signed(16), depth=2 * self.depth * lanes, init=[],
            attrs={"ram_style": "block"})
        # The beat that is read first is the one in place 0.
        newest = Signal(range(2 * self.depth))
        present = Signal(range(2 * self.depth), init=2 * self.depth - 1)
        for lane in range(lanes):
            port = samples.write_port()
            m.d.comb += [
                port.en.eq(self.write),
                port.addr.eq(Cat(Const(lane, self.lane_bits), newest)),
                port.data.eq(self.beat[16 * lane:16 * lane + 16]),
            ]
        read = samples.read_port()
        beat = Signal(range(2 * self.depth))
        consume = self.take & self.advance
        m.d.comb += [
            beat.eq(present + self.advance),
            read.en.eq(self.take),
            read.addr.eq(Cat(self.lane, beat)),
            self.sample.eq(read.data),
        ]
        with m.If(self.write):
            m.d.sync += newest.eq(newest + 1)
        with m.If(self.take):
            m.d.sync += present.eq(beat)
        with m.If(self.write != consume):
            m.d.sync += self.level.eq(self.level + Cat(Const(1, 1), consume.replicate(
                len(self.level) - 1)))
        with m.If(self.clear):
            m.d.sync += [newest.eq(0), present.eq(present.init), self.level.eq(0)]

        return m
