"""A processing tile: router, operators, FIFO bank, mapper and, in some tiles, a convolver."""

from amaranth.hdl import Cat, Module, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from .config_network import ConfigBus, ConfigNode
from .convolver.convolver import Convolver
from .divider import SharedDivider
from .events import CONVOLVER_EVENTS
from .fifo_bank import FifoBank
from .hierarchy import Inline
from .mapper import Mapper
from .operators import Operator
from .registers import tile_units
from .router import Router
from .routes import Routes, tile_choices, tile_ports

__all__ = ["DIRECTIONS", "Tile", "tile_kind"]

#: Neighbour links, and the link of the neighbour that each one meets.
DIRECTIONS = {"n": "s", "e": "w", "s": "n", "w": "e"}


def tile_kind(convolver, dma):
    """Return what a module of such a tile is called."""
    if convolver:
        return "tile_convolver"
    return "tile_dma" if dma else "tile"


class Tile(wiring.Component):
    """A tile: it never fetches instructions, it is wired by its registers until the next commit.

    Parameters
    ----------
    target : Target
        The machine.
    convolver : bool
        Whether the tile holds a convolver.
    dma : bool
        Whether a DMA port is attached.
    library : Library
        Where the units come from.

    Members
    -------
    i_n, i_e, i_s, i_w : In(stream of signed(16))
        Samples from the neighbours.
    o_n, o_e, o_s, o_w : Out(stream of signed(16))
        Samples to the neighbours, registered.
    i_dma, o_dma : In and Out(stream of signed(16))
        From and to the DMA port, if any.
    weights : In(stream of signed(16))
        From the weight channel of the DMA port, if there is a convolver.
    bus_i, bus_o, commit
        Configuration, see `ConfigNode`.
    busy : Out(1)
        The convolver has outputs to deliver.
    saturated : Out(1)
        A unit saturated a sample.
    events : Out(4)
        `CONVOLVER_EVENTS`; zero without a convolver.

    Raises
    ------
    ValueError
        If a convolver is asked for without a DMA port, which brings its weights.
    """

    def __init__(self, target, *, convolver, dma, library=None):
        if convolver and not dma:
            raise ValueError("a tile with a convolver must have a DMA port to bring its weights")
        self.target = target
        self.library = library or Inline()
        self.has_convolver = convolver
        self.units = tile_units(target, convolver)
        samples = stream.Signature(signed(16))
        links = {f"i_{link}": In(samples) for link in DIRECTIONS}
        links |= {f"o_{link}": Out(samples) for link in DIRECTIONS}
        if dma:
            links |= {"i_dma": In(samples), "o_dma": Out(samples)}
        if convolver:
            links["weights"] = In(samples)
        self.sources, self.sinks = tile_ports(target, convolver=convolver, dma=dma)
        self.routes = Routes(tile_choices(target, convolver=convolver, dma=dma))
        super().__init__(links | {
            "bus_i": In(ConfigBus()), "bus_o": Out(ConfigBus()), "commit": In(1),
            "busy": Out(1), "saturated": Out(1), "events": Out(len(CONVOLVER_EVENTS)),
        })

    @property
    def kind(self):
        """Name of tiles of this make, see `tile_kind`."""
        return tile_kind(self.has_convolver, "dma" in self.sources)

    def elaborate(self, platform):
        m = Module()
        target, library = self.target, self.library
        node = m.submodules.config = library.get(
            f"{self.kind}_config",
            lambda: ConfigNode(tuple(self.units.values()), {"router": self.routes}))
        wiring.connect(m, wiring.flipped(self.bus_i), node.bus_i)
        wiring.connect(m, node.bus_o, wiring.flipped(self.bus_o))
        m.d.comb += node.commit.eq(self.commit)

        router = m.submodules.router = library.get(
            f"{self.kind}_router", lambda: Router(self.routes.choices))
        operators = [library.get("operator", Operator) for _ in range(2)]
        fifos = m.submodules.fifo_bank = library.get("fifo_bank", lambda: FifoBank(target))
        mapper = m.submodules.mapper = library.get("mapper", lambda: Mapper(target))
        m.submodules.op0, m.submodules.op1 = operators
        divider = m.submodules.divider = library.get("divider", SharedDivider)
        for operator, user in zip(operators, divider.users, strict=True):
            wiring.connect(m, operator.divider, user)
        wiring.connect(m, node.mapper_table, mapper.table)

        m.d.comb += [router.routes.eq(node.router), router.ending.eq(node.ending)]
        units = {"op0": operators[0], "op1": operators[1], "fifo": fifos,
                 "mapper": mapper}
        sources = {"mapper": mapper.o, "op0": operators[0].o, "op1": operators[1].o}
        sinks = {"mapper": mapper.i, "op0_a": operators[0].a, "op0_b": operators[0].b,
                 "op1_a": operators[1].a, "op1_b": operators[1].b}
        for index in range(target.fifos):
            sources[f"fifo{index}"] = fifos.o[index]
            sinks[f"fifo{index}"] = fifos.i[index]
        saturated = [mapper.saturated, *(operator.saturated for operator in operators)]

        if self.has_convolver:
            convolver = m.submodules.convolver = library.get(
                "convolver", lambda: Convolver(target))
            units["convolver"] = convolver
            m.d.comb += convolver.macs.eq(node.mac)
            sources |= {"conv0": convolver.drain0, "conv1": convolver.drain1}
            sinks |= {"conv_a": convolver.a, "conv_b": convolver.b}
            wiring.connect(m, wiring.flipped(self.weights), convolver.weights)
            m.d.comb += [
                self.busy.eq(convolver.busy),
                self.events.eq(Cat(getattr(convolver, event) for event in CONVOLVER_EVENTS)),
            ]
            saturated.append(convolver.saturated)

        for name, unit in units.items():
            m.d.comb += [unit.config.eq(getattr(node, name)), unit.start.eq(node.start)]
        m.d.sync += self.saturated.eq(Cat(saturated).any())
        self._connect(m, router, sources, sinks)
        return m

    def _connect(self, m, router, sources, sinks):
        """Join the router to the local units and to the tile's own ports."""
        for name in self.sources:
            own = sources.get(name)
            source = wiring.flipped(getattr(self, f"i_{name}")) if own is None else own
            wiring.connect(m, source, getattr(router, f"i_{name}"))
        for name in self.sinks:
            own = sinks.get(name)
            sink = wiring.flipped(getattr(self, f"o_{name}")) if own is None else own
            wiring.connect(m, getattr(router, f"o_{name}"), sink)
