"""A router with the registers that a node keeps for it."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.registers import SINKS, tile_units
from hdl.router import Router
from hdl.routes import Routes
from hdl.target import get_target

__all__ = ["RoutedRouter"]

#: The router's registers are the same on every target.
LAYOUT = tile_units(get_target("tiny"), convolver=False)["router"].layout


class RoutedRouter(wiring.Component):
    """A router behind its registers.

    Parameters
    ----------
    choices : dict of str to sequence of str
        See `Router`.

    Members
    -------
    i_<source>, o_<sink> : In, Out(stream of signed(16))
    config : In(router's layout)
        ``source[SINKS.index(sink)]`` is 0 for none, else an index into `SOURCES` plus 1.
    commit : In(1)
        Last cycle of the old routes: those of ``config`` follow.
    start : Out(1)
        First cycle of the routes.
    active : Out(router's layout)
        Values of the registers that are in force.
    """

    def __init__(self, choices):
        self.router = Router(choices)
        self.sources, self.sinks = self.router.sources, self.router.sinks
        self.routes = Signal(self.router.routes.shape())
        super().__init__(_streams(self.router) | {
            "config": In(LAYOUT), "commit": In(1), "start": Out(1), "active": Out(LAYOUT)})

    def decoded(self, config):
        """Return, by sink, what a node keeps of the router's registers."""
        form = Routes(self.router.choices)
        return {sink: form.words(config.source[index])[index] for index, sink in enumerate(SINKS)
                if sink in self.sinks}

    def elaborate(self, platform):
        m = Module()
        m.submodules.router = router = self.router
        for name in _streams(router):
            outer, inner = wiring.flipped(getattr(self, name)), getattr(router, name)
            wiring.connect(m, outer, inner)

        m.d.comb += [router.routes.eq(self.routes), router.ending.eq(self.commit)]
        m.d.sync += self.start.eq(self.commit)
        with m.If(self.commit):
            m.d.sync += self.active.eq(self.config)
            m.d.sync += [self.routes[sink].as_value().eq(kept)
                         for sink, kept in self.decoded(self.config).items()]
        return m


def _streams(router):
    return {name: member for name, member in router.signature.members.items()
            if name[:2] in ("i_", "o_")}
