"""The circuit-switched crossbar of a tile."""

from amaranth.hdl import Cat, Module, Signal, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from .registers import SINKS, SOURCES
from .routes import Routes
from .select import select

__all__ = ["Router"]


class Router(wiring.Component):
    """Connect each sink of a tile to the source that its register names.

    A source that feeds several sinks moves on when all of them have room. Every sink is registered
    and has room for two words, so that no path leads from a sink to a source: what is ready
    depends on the sinks' own registers alone. A sink without source is never offered a word, a
    source without sinks is never ready. Latency 1 cycle, 1 word a cycle on every sink.

    Parameters
    ----------
    choices : dict of str to sequence of str
        For each sink, a name in `SINKS`, the sources that it can take, names in `SOURCES`.

    Members
    -------
    i_<source> : In(stream of signed(16))
    o_<sink> : Out(stream of signed(16))
    routes : In(layout of `Routes`)
    ending : In(1)
        High in the last cycle before a new ``routes``. Empties the sinks: in the first cycle of the
        new routes nothing is taken or offered.

    Raises
    ------
    ValueError
        If a name is unknown or given twice, or there is no sink, or a sink is left without sources.

    Source: docs/architecture.md, "Router".
    """

    def __init__(self, choices):
        if not choices:
            raise ValueError("a router needs at least one sink")
        _check("sink", choices, SINKS)
        for sink, sources in choices.items():
            if not sources:
                raise ValueError(f"router sink {sink} is left without sources")
            _check("source", sources, SOURCES)
        #: For each sink the sources it can take.
        self.choices = {sink: tuple(choices[sink]) for sink in SINKS if sink in choices}
        self.sources = tuple(source for source in SOURCES
                             if any(source in sources for sources in self.choices.values()))
        self.sinks = tuple(self.choices)
        samples = stream.Signature(signed(16))
        super().__init__(
            {f"i_{name}": In(samples) for name in self.sources}
            | {f"o_{name}": Out(samples) for name in self.sinks}
            | {"routes": In(Routes(self.choices).layout), "ending": In(1)})

    def elaborate(self, platform):
        m = Module()
        free = {name: Signal(init=1, name=f"free_{name}") for name in self.sinks}
        moves = {}
        for name in self.sources:
            source = getattr(self, f"i_{name}")
            takes = [(self.routes[sink].takes[choices.index(name)], free[sink])
                     for sink, choices in self.choices.items() if name in choices]
            # Decoded while the first cycle of the routes holds everything still.
            used = Signal(name=f"used_{name}")
            m.d.sync += used.eq(Cat(take for take, _ in takes).any() & ~self.ending)
            moves[name] = Signal(name=f"moves_{name}")
            m.d.comb += [
                source.ready.eq(used & Cat(~take | room for take, room in takes).all()),
                moves[name].eq(source.ready & source.valid),
            ]
        for name in self.sinks:
            self._sink(m, name, free[name], moves)
        return m

    def _sink(self, m, name, free, moves):
        """Register what a sink takes; ``free`` is low while a second word waits behind the first.

        That word waits at input 0 of the multiplexer that chooses the source.
        """
        sink, choices = getattr(self, f"o_{name}"), self.choices[name]
        place = self.routes[name].place
        following = Signal.like(place, name=f"following_{name}")
        waiting = Signal(signed(16), name=f"waiting_{name}", reset_less=True)
        valid = Signal(name=f"valid_{name}")
        payload = Signal(signed(16), name=f"payload_{name}", reset_less=True)
        m.d.comb += [sink.valid.eq(valid), sink.payload.eq(payload)]

        chosen = Signal(signed(16), name=f"chosen_{name}")
        taken = Signal(name=f"taken_{name}")
        advance = ~valid | sink.ready
        still_free = Signal(name=f"still_free_{name}")
        m.d.comb += [
            chosen.eq(select(following, [waiting, *(getattr(self, f"i_{source}").payload
                                                    for source in choices)])),
            taken.eq(select(place, [0, *(moves[source] for source in choices)])),
            still_free.eq(advance | (free & ~taken)),
        ]
        m.d.sync += following.eq(place & still_free.replicate(len(place)))
        with m.If(free):
            m.d.sync += waiting.eq(chosen)
        with m.If(advance):
            m.d.sync += payload.eq(chosen)
        with m.If(self.ending):
            m.d.sync += [valid.eq(0), free.eq(1)]
        with m.Else():
            m.d.sync += [valid.eq(taken | ~free | ~advance), free.eq(still_free)]


def _check(kind, names, known):
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ValueError(f"unknown router {kind} {unknown[0]!r}; {kind}s are {', '.join(known)}")
    if len(set(names)) != len(names):
        raise ValueError(f"router {kind}s must differ, not {', '.join(names)}")
