"""Drain: reads finished passes out of the accumulators, in any order of four loops."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..counting import count_down, step
from ..registers import LOOPS, PARAMETER_SLOTS
from ..select import select
from .accumulators import AccumulatorRead
from .bank_map import first_bank
from .lane_constant import LaneConstant
from .positions import convolver_layout

__all__ = ["DrainAddresses", "DrainControl"]


class DrainAddresses(wiring.Component):
    """Walk the words of one drain stream through one pass.

    For each lane, for each group, for the four loops: group * out_size + sum(index * stride). One
    word a cycle while ``enable`` is high.

    Parameters
    ----------
    target : Target
        The machine.
    stream : int
        Drain stream, 0 or 1.

    Members
    -------
    config : In(registers of unit ``convolver``)
        The loops have at least one iteration each.
    go : In(1)
        Begin a pass; only while ``active`` is low.
    last_pass : In(1)
        With ``go``: the pass is the last.
    enable : In(1)
        Give a word, if there is one.
    active : Out(1)
        Words are left.
    read : Out(AccumulatorRead)
        The word; 1 cycle after ``active & enable``.
    index : Out(4)
        Its parameter slot: group * lanes + lane.

    Raises
    ------
    ValueError
        If ``stream`` is neither 0 nor 1.

    Source: docs/architecture.md, "Convolver", "Drain".
    """

    def __init__(self, target, stream):
        if stream not in (0, 1):
            raise ValueError(f"stream must be 0 or 1, not {stream!r}")
        self.target = target
        self.stream = stream
        super().__init__({
            "config": In(convolver_layout(target)),
            "go": In(1),
            "last_pass": In(1),
            "enable": In(1),
            "active": Out(1),
            "read": Out(AccumulatorRead(target)),
            "index": Out(range(PARAMETER_SLOTS)),
        })

    def elaborate(self, platform):
        m = Module()
        target, config = self.target, self.config

        banks = []
        for lane in range(target.banks):
            bank = m.submodules[f"bank{lane}"] = LaneConstant(
                target, lambda lanes, lane=lane:
                first_bank(target, lanes, lane) if lane < lanes else 0)
            m.d.comb += bank.lanes.eq(config.lanes)
            banks.append(bank.o)

        # Loop k (4: groups) has a pointer to where its present iteration starts. A step of loop
        # k moves its pointer, and those of the loops inside start there.
        size = range(target.banks * target.half_depth)
        pointers = [Signal(size, name=f"pointer{loop}", reset_less=True)
                    for loop in range(LOOPS + 1)]
        limits = [*config.drain_count, config.interleave]
        steps = [*config.drain_stride, config.out_size]
        lefts = [Signal.like(limit, name=f"left{loop}", reset_less=True)
                 for loop, limit in enumerate(limits)]
        lanes_left = Signal.like(config.drain_lanes[0], reset_less=True)
        next_lane = Signal.like(config.lanes, reset_less=True)  # its number
        index = Signal.like(self.index, reset_less=True)
        base = Signal(range(max(target.banks, 2)), reset_less=True)

        moves = Signal()
        m.d.comb += moves.eq(self.active & self.enable)
        ended = [Signal(name=f"ended{loop}") for loop in range(LOOPS + 1)]
        m.d.comb += [end.eq(left == 0) for end, left in zip(ended, lefts, strict=True)]
        carry, target_pointer = moves, 0
        step_of = []
        for loop, left in enumerate(lefts):
            with m.If(self.go | carry):
                m.d.sync += left.eq(count_down(self.go | ended[loop], limits[loop], left))
            step_of.append(carry & ~ended[loop])
            carry = carry & ended[loop]
        lane_ends = Signal()
        m.d.comb += lane_ends.eq(carry)

        for loop in reversed(range(LOOPS + 1)):
            target_pointer = Mux(ended[loop], target_pointer, pointers[loop] + steps[loop])
        following = Signal(size)
        m.d.comb += following.eq(target_pointer)
        for loop, pointer in enumerate(pointers):
            inner = ended[:loop]
            with m.If(self.go):
                m.d.sync += pointer.eq(0)
            with m.Elif(moves & _all(inner)):
                m.d.sync += pointer.eq(following)

        lanes = Mux(self.last_pass, config.drain_last_lanes[self.stream],
                    config.drain_lanes[self.stream])
        with m.If(self.go | lane_ends):
            m.d.sync += lanes_left.eq(count_down(self.go, lanes, lanes_left))
        with m.If(self.go):
            first = config.drain_first[self.stream]
            m.d.sync += [self.active.eq(lanes.any()), next_lane.eq(first + 1), index.eq(first),
                         base.eq(select(first, banks))]
        with m.Elif(lane_ends):
            m.d.sync += [self.active.eq(lanes_left != 0), next_lane.eq(next_lane + 1),
                         index.eq(next_lane), base.eq(select(next_lane, banks))]
        with m.Elif(step_of[LOOPS]):
            m.d.sync += index.eq(index + config.lanes)

        depth_bits = (target.half_depth - 1).bit_length()
        m.d.sync += [
            self.read.valid.eq(moves), self.index.eq(index),
            self.read.bank.eq(base + pointers[0][depth_bits:]),
            self.read.word.eq(pointers[0][:depth_bits]),
        ]
        return m


def _all(values):
    result = 1
    for value in values:
        result = result & value
    return result


class DrainControl(wiring.Component):
    """Start the drain streams on one finished pass after the other.

    Parameters
    ----------
    target : Target
        The machine.

    Members
    -------
    passes : In(16)
        Passes of the step.
    load : In(1)
        Begin; once after reset.
    pass_done : In(1)
        The last sum of a pass is being written.
    active : In(2)
        The drain streams that have words left.
    go : Out(1)
        Start both.
    last_pass : Out(1)
        It is the last pass.
    half : Out(1), generation : Out(2)
        Half of the accumulators that is drained; the pass number modulo 4.
    draining : Out(2)
        Bit h: half h is being drained.
    half_free : Out(1)
        A half has been drained.
    finished : Out(1)
        All passes have been.
    """

    def __init__(self, target):
        self.target = target
        super().__init__({
            "passes": In(16), "load": In(1), "pass_done": In(1), "active": In(2),
            "go": Out(1), "last_pass": Out(1), "half": Out(1), "generation": Out(2),
            "draining": Out(2), "half_free": Out(1), "finished": Out(1),
        })

    def elaborate(self, platform):
        m = Module()

        waiting = Signal(2)  # passes that are done and have not been started
        left = Signal(16, reset_less=True)
        following = Signal(2)  # generation of the pass that comes next
        ready = Signal()
        m.d.comb += [
            ready.eq(~self.active.any() & ~self.go),
            self.half.eq(self.generation[0]),
        ]
        start = ready & waiting.any()
        m.d.sync += [
            self.go.eq(start),
            waiting.eq(step(waiting, self.pass_done, start)),
            self.half_free.eq(ready & self.draining.any()),
        ]
        with m.If(self.load | start):
            m.d.sync += left.eq(count_down(self.load, self.passes, left))
        with m.If(start):
            m.d.sync += [self.last_pass.eq(left == 0), self.generation.eq(following),
                         following.eq(following + 1),
                         self.draining.eq(Mux(following[0], 0b10, 0b01))]
        with m.Elif(ready):
            m.d.sync += self.draining.eq(0)
        with m.If(ready & self.last_pass):
            m.d.sync += self.finished.eq(1)

        return m
