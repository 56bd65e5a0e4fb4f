"""A node of the configuration network that holds a DMA port."""

from amaranth.hdl import Cat, Module, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from .axi import ReadMaster, WriteMaster
from .config_network import ConfigBus, ConfigNode
from .dma.port import Port
from .events import PORT_EVENTS
from .hierarchy import Inline
from .registers import dma_units

__all__ = ["DmaNode", "node_kind"]


def node_kind(weights):
    """Return what a module of such a node is called."""
    return "dma_node_weights" if weights else "dma_node"


class DmaNode(wiring.Component):
    """A DMA port with its registers.

    Parameters
    ----------
    target : Target
        The machine.
    weights : bool
        Whether the port has a weight channel: it is attached to a tile with a convolver.
    library : Library
        Where the parts come from.

    Members
    -------
    o, i : Out and In(stream of signed(16))
        Samples to and from the tile.
    weights : Out(stream of signed(16))
        Weights to the convolver, if there is one.
    read_bus, weights_bus : Out(ReadMaster)
        Read channels' halves of AXI; ``weights_bus`` if there is a convolver.
    write_bus : Out(WriteMaster)
        Write channel's half of AXI.
    bus_i, bus_o, commit
        Configuration, see `ConfigNode`.
    abort : In(1)
        Ends all transfers, see `Port`.
    busy : Out(1)
        A channel has samples to move.
    error : Out(1)
        Memory answered with an error since the last start.
    events : Out(4)
        `PORT_EVENTS`.
    """

    def __init__(self, target, *, weights, library=None):
        self.target = target
        self.has_weights = weights
        self.library = library or Inline()
        samples = stream.Signature(signed(16))
        members = {
            "o": Out(samples), "i": In(samples),
            "read_bus": Out(ReadMaster(target.data_width)),
            "write_bus": Out(WriteMaster(target.data_width)),
            "bus_i": In(ConfigBus()), "bus_o": Out(ConfigBus()),
            "commit": In(1), "abort": In(1), "busy": Out(1), "error": Out(1),
            "events": Out(len(PORT_EVENTS)),
        }
        if weights:
            members |= {"weights": Out(samples),
                        "weights_bus": Out(ReadMaster(target.data_width))}
        super().__init__(members)

    def elaborate(self, platform):
        m = Module()
        target, kind = self.target, node_kind(self.has_weights)
        units = tuple(dma_units(target, self.has_weights).values())
        node = m.submodules.config = self.library.get(f"{kind}_config", lambda: ConfigNode(units))
        port = m.submodules.port = self.library.get(
            f"{kind}_port", lambda: Port(target, weights=self.has_weights))
        wiring.connect(m, wiring.flipped(self.bus_i), node.bus_i)
        wiring.connect(m, node.bus_o, wiring.flipped(self.bus_o))
        wiring.connect(m, node.read_table, port.read_table)
        wiring.connect(m, node.write_table, port.write_table)
        m.d.comb += [
            node.commit.eq(self.commit),
            port.start.eq(node.start),
            port.abort.eq(self.abort),
            port.read_config.eq(node.read),
            port.write_config.eq(node.write),
            self.busy.eq(port.busy),
            self.error.eq(port.error),
            self.events.eq(Cat(getattr(port, event) for event in PORT_EVENTS)),
        ]
        wiring.connect(m, wiring.flipped(self.i), port.i)
        outputs = ["o", "read_bus", "write_bus"]
        if self.has_weights:
            m.d.comb += port.weights_config.eq(node.weights)
            outputs += ["weights", "weights_bus"]
        for name in outputs:
            wiring.connect(m, getattr(port, name), wiring.flipped(getattr(self, name)))
        return m
