"""Round robin."""

import operator

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["RoundRobin"]


class RoundRobin(wiring.Component):
    """Grant one of several requests a cycle, in turn.

    The next grant goes to the first requester behind the last one granted: of n requesters that
    keep asking each is served once in n grants. Latency 1 cycle, 1 grant a cycle.

    Parameters
    ----------
    requesters : int
        Number of requesters, at least 1.

    Members
    -------
    requests : In(requesters)
        Bit k: requester k asks.
    grant : Out(requesters)
        One bit, or none if nobody asked in the cycle before.

    Raises
    ------
    TypeError
        If ``requesters`` is not an integer.
    ValueError
        If ``requesters`` is not positive.
    """

    def __init__(self, requesters):
        self.requesters = operator.index(requesters)
        if self.requesters < 1:
            raise ValueError(f"requesters must be at least 1, not {requesters}")
        super().__init__({"requests": In(self.requesters), "grant": Out(self.requesters)})

    def elaborate(self, platform):
        m = Module()

        # Requesters behind the last one granted come first.
        behind = Signal(self.requesters)
        favoured = self.requests & behind
        none = Signal()
        m.d.comb += none.eq(favoured == 0)
        # Of x and -x the lowest bit set in x is set in both, all above it in just one.
        m.d.sync += self.grant.eq(
            Mux(none, self.requests & -self.requests, favoured & -favoured))
        with m.If(self.requests.any()):
            m.d.sync += behind.eq(Mux(none, self.requests ^ -self.requests, favoured ^ -favoured))

        return m
