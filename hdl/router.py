"""The circuit-switched crossbar of a tile."""

from amaranth.hdl import Cat, Module, Signal, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from .registers import SINKS, SOURCES, tile_units
from .select import select
from .stream import SkidBuffer
from .target import get_target

__all__ = ["Router"]

#: Links to neighbours: their outputs are registered here, other sinks are buffered by the units.
LINKS = ("n", "e", "s", "w")

#: The router's registers are the same on every target.
LAYOUT = tile_units(get_target("tiny"), convolver=False)["router"].layout


def _checked(kind, names, known):
    names = tuple(names)
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ValueError(f"unknown router {kind} {unknown[0]!r}; {kind}s are {', '.join(known)}")
    if len(set(names)) != len(names):
        raise ValueError(f"router {kind}s must differ, not {', '.join(names)}")
    if not names:
        raise ValueError(f"a router needs at least one {kind}")
    return tuple(name for name in known if name in names)


class Router(wiring.Component):
    """Connect each sink of a tile to the source that its register names.

    A source that feeds several sinks is an eager fork: each sink takes the word when it can, the
    source moves on when all have. A sink without source is never offered a word, a source without
    sinks is never ready. Latency 0 cycles, to a neighbour 1 cycle; 1 word a cycle on every sink.

    Parameters
    ----------
    sources : iterable of str
        Those of `SOURCES` that the tile has.
    sinks : iterable of str
        Those of `SINKS` that the tile has.
    unconnected : iterable of (str, str)
        Pairs of a source and a sink that no circuit joins: the sink counts that source as none.

    Members
    -------
    i_<source> : In(stream of signed(16))
    o_<sink> : Out(stream of signed(16))
        To a neighbour (n, e, s, w) through a skid buffer.
    config : In(router's layout)
        ``source[SINKS.index(sink)]`` is 0 for none, else an index into `SOURCES` plus 1. A source
        that the tile lacks counts as none.
    start : In(1)
        First cycle of a new ``config``: empties the skid buffers and forgets who has taken the
        present words. While high nothing is taken or offered.

    Raises
    ------
    ValueError
        If a name is unknown or given twice, or there is none, or a sink is left without sources.

    Source: docs/architecture.md, "Router".
    """

    def __init__(self, sources, sinks, unconnected=()):
        self.sources = _checked("source", sources, SOURCES)
        self.sinks = _checked("sink", sinks, SINKS)
        unconnected = set(unconnected)
        #: For each sink the sources it can take.
        self.choices = {sink: [source for source in self.sources
                               if (source, sink) not in unconnected] for sink in self.sinks}
        for sink, choices in self.choices.items():
            if not choices:
                raise ValueError(f"router sink {sink} is left without sources")
        samples = stream.Signature(signed(16))
        super().__init__(
            {f"i_{name}": In(samples) for name in self.sources}
            | {f"o_{name}": Out(samples) for name in self.sinks}
            | {"config": In(LAYOUT), "start": In(1)})

    def elaborate(self, platform):
        m = Module()

        readies, users = {}, {}
        for name in self.sources:
            readies[name] = getattr(self, f"i_{name}").ready
            users[name] = []  # (whether the sink takes it, whether the sink holds no one up)

        for name in self.sinks:
            choices = self.choices[name]
            sink = getattr(self, f"o_{name}")
            if name in LINKS:
                m.submodules[f"skid_{name}"] = skid = SkidBuffer(signed(16))
                m.d.comb += skid.clear.eq(self.start)
                wiring.connect(m, wiring.flipped(sink), skid.o)
                sink = skid.i

            # Decoded once, while `start` holds everything still: a bit a source, and the place
            # of the source among the choices.
            wanted = self.config.source[SINKS.index(name)]
            take = Signal(len(choices), name=f"take_{name}")
            taking = Signal(name=f"taking_{name}")
            place = Signal(max(1, (len(choices) - 1).bit_length()), name=f"place_{name}")
            hits = [wanted == SOURCES.index(source) + 1 for source in choices]
            m.d.sync += [take.eq(Cat(hits)), taking.eq(Cat(hits).any())]
            for bit in range(len(place)):
                m.d.sync += place[bit].eq(
                    Cat(hit for index, hit in enumerate(hits) if index >> bit & 1).any())

            done = Signal(name=f"done_{name}")
            sources = [getattr(self, f"i_{source}") for source in choices]
            m.d.comb += [
                sink.payload.eq(select(place, [source.payload for source in sources])),
                sink.valid.eq(select(place, [source.valid for source in sources])
                              & taking & ~done & ~self.start),
            ]
            # The source moves on if it is valid.
            moves = select(place, [readies[source] for source in choices]) & taking
            with m.If(self.start | moves):
                m.d.sync += done.eq(0)
            with m.Elif(sink.valid & sink.ready):
                m.d.sync += done.eq(1)

            free = Signal(name=f"free_{name}")
            m.d.comb += free.eq(done | sink.ready)
            for index, source in enumerate(choices):
                users[source].append((take[index], free))

        for name, pairs in users.items():
            used = Cat(take for take, _ in pairs)
            m.d.comb += readies[name].eq(
                used.any() & (~used | Cat(free for _, free in pairs)).all() & ~self.start)

        return m
