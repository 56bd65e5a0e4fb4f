"""Commits steps and watches for their end."""

import operator

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["SETTLE", "StepControl"]

#: Cycles from a commit until `busy` is looked at: a node must report within them.
SETTLE = 8


class StepControl(wiring.Component):
    """Commit pulses, end of step and time-out.

    Parameters
    ----------
    nodes : int
        Nodes of the configuration network.

    Members
    -------
    commit_now : In(1)
        Commit the nodes of ``mask``; a step begins.
    mask, wait, time_out : In(nodes), In(nodes), In(32)
        Of the step that begins; taken at ``commit_now``.
    commit : Out(nodes)
        One cycle high, all bits of the mask in the same cycle.
    busy : In(nodes)
        What the nodes report; looked at from `SETTLE` cycles after the commit on.
    cycles : In(32)
        Clock for the times below.
    waiting : Out(nodes)
        Nodes that the step still waits for.
    done : Out(1)
        No node of the wait mask was busy; stays until the next commit. High before the first.
    timed_out : Out(1)
        The step was not done after ``time_out`` cycles; stays until the next commit.
    snapshot : In(1)
        Copy the times.
    commit_cycle, end_cycle : Out(32)
        Of the snapshot: ``cycles`` when the step was committed, and when it was done.

    Raises
    ------
    ValueError
        If ``nodes`` is not positive.
    """

    def __init__(self, nodes):
        self.nodes = operator.index(nodes)
        if self.nodes < 1:
            raise ValueError(f"nodes must be at least 1, not {nodes}")
        super().__init__({
            "commit_now": In(1), "mask": In(nodes), "wait": In(nodes), "time_out": In(32),
            "commit": Out(nodes), "busy": In(nodes), "cycles": In(32), "waiting": Out(nodes),
            "done": Out(1, init=1), "timed_out": Out(1),
            "snapshot": In(1), "commit_cycle": Out(32), "end_cycle": Out(32),
        })

    def elaborate(self, platform):
        m = Module()
        wait, limit = Signal(self.nodes), Signal(32)
        elapsed = Signal(32)
        settling = Signal(range(SETTLE + 1))
        committed, ended = Signal(32), Signal(32)

        m.d.sync += [self.commit.eq(0), self.waiting.eq(self.busy & wait)]
        with m.If(settling != 0):
            m.d.sync += settling.eq(settling - 1)
        with m.Elif(~self.done):
            with m.If(self.waiting == 0):
                m.d.sync += [self.done.eq(1), ended.eq(self.cycles)]
            with m.Elif(elapsed >= limit):
                m.d.sync += self.timed_out.eq(1)
        with m.If(~self.done & ~elapsed.all()):
            m.d.sync += elapsed.eq(elapsed + 1)

        with m.If(self.snapshot):
            m.d.sync += [self.commit_cycle.eq(committed), self.end_cycle.eq(ended)]
        with m.If(self.commit_now):
            m.d.sync += [
                self.commit.eq(self.mask), wait.eq(self.wait), limit.eq(self.time_out),
                elapsed.eq(0), settling.eq(SETTLE), committed.eq(self.cycles),
                self.done.eq(0), self.timed_out.eq(0),
            ]
        return m
