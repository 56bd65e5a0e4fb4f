"""Which sources each sink of a tile's router can take, and how the choice is kept."""

from functools import lru_cache

from amaranth.hdl import Cat, unsigned
from amaranth.lib import data

from .registers import SINKS, SOURCES

__all__ = ["Routes", "missing_routes", "tile_choices", "tile_ports"]

_LINKS = ("n", "e", "s", "w")

#: Sources that each sink takes wherever the tile has them; a link also takes the other links.
_NEEDED = {
    "link": ("dma", "conv1", "mapper", "op1"),
    "dma": (*_LINKS, "dma", "conv0", "mapper", "op0", "op1"),
    "conv_a": (*_LINKS, "dma", "op1", "fifo0"),
    "conv_b": (*_LINKS, "dma", "op1", "fifo0"),
    "mapper": (*_LINKS, "dma", "conv0", "op0", "op1"),
    "op0_a": (*_LINKS, "dma", "conv0", "mapper"),
    "op0_b": (*_LINKS, "dma", "op1", "fifo0"),
    "op1_a": (*_LINKS, "conv1", "mapper", "op0"),
    "op1_b": (*_LINKS, "dma", "fifo0", "fifo1"),
    "fifo": (*_LINKS, "dma", "op0", "op1"),
}

#: Sources that fill what is left of a sink's multiplexer, best first.
_WELCOME = ("dma", "conv1", "mapper", "op1", "op0", "fifo0", "fifo1", "conv0", "fifo2", "fifo3")

#: Inputs of the multiplexers that make full use of 6-input look-up tables; one is the sink's own.
_SIZES = (4, 8, 12, 16)


def tile_ports(target, *, convolver, dma):
    """Return (sources, sinks) of a tile's router, in the order of `SOURCES` and `SINKS`."""
    fifos = [f"fifo{index}" for index in range(target.fifos)]
    names = {*_LINKS, "mapper", "op0", "op1", "op0_a", "op0_b", "op1_a", "op1_b", *fifos}
    if dma:
        names.add("dma")
    if convolver:
        names |= {"conv0", "conv1", "conv_a", "conv_b"}
    return (tuple(name for name in SOURCES if name in names),
            tuple(name for name in SINKS if name in names))


@lru_cache
def tile_choices(target, *, convolver, dma):
    """Return the sources that each sink of a tile can take, as a dict of sink to tuple.

    What a unit gives cannot go back into it, nor from a FIFO to a FIFO, nor back to the neighbour
    it came from. Of the others a sink takes those that circuits need, and as many more as its
    multiplexer has inputs for.

    Parameters
    ----------
    target : Target
        The machine.
    convolver, dma : bool
        Whether the tile has a convolver and a DMA port.
    """
    sources, sinks = tile_ports(target, convolver=convolver, dma=dma)
    return {sink: _choices(sink, sources) for sink in sinks}


def _choices(sink, sources):
    own = sink.partition("_")[0].rstrip("0123") if sink.startswith("fifo") else sink.split("_")[0]
    allowed = [source for source in sources
               if sink == "dma" or not source.startswith(own)]
    kind = "link" if sink in _LINKS else "fifo" if sink.startswith("fifo") else sink
    needed = _NEEDED[kind] + (_LINKS if kind == "link" else ())
    chosen = [source for source in allowed if source in needed]
    room = next(size for size in _SIZES if size > len(chosen)) - 1
    more = [source for source in _WELCOME if source in allowed and source not in chosen]
    chosen += more[:room - len(chosen)]
    return tuple(source for source in sources if source in chosen)


def missing_routes(target, tile, codes):
    """Return the (sink, source) pairs that a tile's router cannot connect.

    Parameters
    ----------
    target : Target
        The machine.
    tile : int
        The tile.
    codes : sequence of int
        Values of the router's registers.
    """
    choices = tile_choices(target, convolver=tile in target.convolvers,
                           dma=tile in target.dma_tiles)
    wanted = [(sink, SOURCES[code - 1]) for sink, code in zip(SINKS, codes, strict=False) if code]
    return [(sink, source) for sink, source in wanted if source not in choices.get(sink, ())]


class Routes:
    """The form in which a node keeps its router's registers: decoded when they are written.

    Parameters
    ----------
    choices : dict of str to tuple of str
        Sources that each sink can take, see `tile_choices`.

    Attributes
    ----------
    layout : StructLayout
        For each sink ``takes``, a bit for each of its choices, and ``place``, 1 more than the
        index of the one that it takes, both 0 for none.
    """

    def __init__(self, choices):
        self.choices = dict(choices)
        self.layout = data.StructLayout({
            sink: data.StructLayout({"takes": unsigned(len(sources)),
                                     "place": unsigned(len(sources).bit_length())})
            for sink, sources in self.choices.items()})

    def words(self, word):
        """Return, for each word of the router's registers, what is kept when ``word`` is written.

        None stands for a sink that the tile lacks. A source that the sink cannot take counts as
        none.
        """
        return [self._decoded(self.choices[sink], word) if sink in self.choices else None
                for sink in SINKS]

    def _decoded(self, sources, word):
        hits = [word[:4] == SOURCES.index(source) + 1 for source in sources]
        place = [Cat(hit for index, hit in enumerate(hits, start=1) if index >> bit & 1).any()
                 for bit in range(len(sources).bit_length())]
        return Cat(*hits, *place)
