"""The grid: tiles joined to their neighbours, on one chain of the configuration bus."""

from amaranth.hdl import Cat, Module, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from .config_network import ConfigBus
from .events import CONVOLVER_EVENTS
from .hierarchy import Inline
from .tile import DIRECTIONS, Tile, tile_kind

__all__ = ["Grid"]


class Grid(wiring.Component):
    """All tiles of a target.

    A link to a neighbour is a stream each way. Links over the edge carry nothing: what is sent
    there is never taken.

    Parameters
    ----------
    target : Target
        The machine.
    library : Library
        Where the tiles come from.

    Members
    -------
    i_dma, o_dma : In and Out(stream of signed(16)), one a DMA port
        From and to memory.
    weights : In(stream of signed(16)), one a convolver
        Weights, in the order of ``target.convolvers``.
    bus_i, bus_o : In and Out(ConfigBus)
        Configuration bus before the first tile and behind the last.
    commit : In(tiles)
        One bit a tile.
    busy, saturated : Out(tiles)
        One bit a tile, see `Tile`.
    events : Out(4 * convolvers)
        Events of each convolver, in the order of ``target.convolvers``.
    """

    def __init__(self, target, *, library=None):
        self.target = target
        self.library = library or Inline()
        samples = stream.Signature(signed(16))
        super().__init__({
            "i_dma": In(samples).array(target.ports), "o_dma": Out(samples).array(target.ports),
            "weights": In(samples).array(len(target.convolvers)),
            "bus_i": In(ConfigBus()), "bus_o": Out(ConfigBus()),
            "commit": In(target.tiles), "busy": Out(target.tiles), "saturated": Out(target.tiles),
            "events": Out(len(CONVOLVER_EVENTS) * len(target.convolvers)),
        })

    def elaborate(self, platform):
        m = Module()
        tiles = [self._tile(tile) for tile in range(self.target.tiles)]
        bus = wiring.flipped(self.bus_i)
        for index, tile in enumerate(tiles):
            m.submodules[f"tile{index}"] = tile
            wiring.connect(m, bus, tile.bus_i)
            bus = tile.bus_o
            m.d.comb += [
                tile.commit.eq(self.commit[index]),
                self.busy[index].eq(tile.busy),
                self.saturated[index].eq(tile.saturated),
            ]
        wiring.connect(m, bus, wiring.flipped(self.bus_o))
        m.d.comb += self.events.eq(Cat(tiles[tile].events for tile in self.target.convolvers))
        self._link(m, tiles)
        return m

    def _tile(self, index):
        target = self.target
        kind = {"convolver": index in target.convolvers, "dma": index in target.dma_tiles}
        return self.library.get(
            tile_kind(**kind), lambda: Tile(target, library=self.library, **kind))

    def _link(self, m, tiles):
        """Join neighbours, DMA ports and weight streams."""
        target = self.target
        for index, tile in enumerate(tiles):
            for direction, opposite in DIRECTIONS.items():
                other = target.neighbour(index, direction)
                if other is not None:
                    wiring.connect(m, getattr(tile, f"o_{direction}"),
                                   getattr(tiles[other], f"i_{opposite}"))
        for port, index in enumerate(target.dma_tiles):
            wiring.connect(m, wiring.flipped(self.i_dma[port]), tiles[index].i_dma)
            wiring.connect(m, tiles[index].o_dma, wiring.flipped(self.o_dma[port]))
        for convolver, index in enumerate(target.convolvers):
            wiring.connect(m, wiring.flipped(self.weights[convolver]), tiles[index].weights)
