"""The circuit-switched crossbar of a tile."""

from amaranth.hdl import Cat, Module, Signal, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from .registers import SINKS, SOURCES, tile_units
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
        If a name is unknown or given twice, or there is none.

    Source: docs/architecture.md, "Router".
    """

    def __init__(self, sources, sinks):
        self.sources = _checked("source", sources, SOURCES)
        self.sinks = _checked("sink", sinks, SINKS)
        samples = stream.Signature(signed(16))
        super().__init__(
            {f"i_{name}": In(samples) for name in self.sources}
            | {f"o_{name}": Out(samples) for name in self.sinks}
            | {"config": In(LAYOUT), "start": In(1)})

    def elaborate(self, platform):
        m = Module()

        sources = [getattr(self, f"i_{name}") for name in self.sources]
        codes = [SOURCES.index(name) + 1 for name in self.sources]
        takes, taken = [], []  # for each sink: which source it takes, whether it holds no one up

        for name in self.sinks:
            select = self.config.source[SINKS.index(name)]
            sink = getattr(self, f"o_{name}")
            if name in LINKS:
                m.submodules[f"skid_{name}"] = skid = SkidBuffer(signed(16))
                m.d.comb += skid.clear.eq(self.start)
                wiring.connect(m, wiring.flipped(sink), skid.o)
                sink = skid.i

            # One bit a source, decoded while `start` holds everything still.
            take = Signal(len(sources), name=f"take_{name}")
            m.d.sync += take.eq(Cat(select == code for code in codes))

            done = Signal(name=f"done_{name}")
            offered = Signal(name=f"offered_{name}")
            with m.Switch(select):
                for source, code in zip(sources, codes, strict=True):
                    with m.Case(code):
                        m.d.comb += [offered.eq(source.valid), sink.payload.eq(source.payload)]
            m.d.comb += sink.valid.eq(offered & ~done & ~self.start)

            moves = Cat(source.ready for source in sources)  # the source moves on if valid
            with m.If(self.start | (take & moves).any()):
                m.d.sync += done.eq(0)
            with m.Elif(sink.valid & sink.ready):
                m.d.sync += done.eq(1)

            takes.append(take)
            taken.append(done | sink.ready)

        for index, source in enumerate(sources):
            used = Cat(take[index] for take in takes)
            m.d.comb += source.ready.eq(
                used.any() & (~used | Cat(taken)).all() & ~self.start)

        return m
