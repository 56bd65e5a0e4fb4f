"""The whole machine: grid, DMA ports, interconnect and control, behind plain AXI ports."""

from amaranth.hdl import Cat, Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from .axi import AxiSignature, LiteSignature
from .control.control import Control
from .control.host_registers import HOST_ADDRESS_WIDTH
from .dma.interconnect import Interconnect
from .dma_node import DmaNode, node_kind
from .grid import Grid
from .hierarchy import Inline
from .link.serial import SerialLink
from .lite_arbiter import LiteArbiter

__all__ = ["Top", "top_members"]


def _flat(prefix, signature):
    """Return the members of a signature under standard names, such as ``m_axi_araddr``."""
    return {f"{prefix}_{name}": member for name, member in signature.members.items()}


def _masters(target, link):
    """Return how many read and how many write masters share the memory."""
    # The ports, the convolvers' weights, the configuration loader, the CPU; and the link.
    linked = link is not None
    return target.ports + len(target.convolvers) + 2 + linked, target.ports + 1 + linked


def _signatures(target, link):
    """Return the signatures of memory and host."""
    return (AxiSignature(target.data_width, bits_for(_masters(target, link)[0] - 1)),
            LiteSignature(HOST_ADDRESS_WIDTH).flip())


def top_members(target, link=None):
    """Return the ports of a target's `Top` but clock and reset, a `Member` by name."""
    memory, host = _signatures(target, link)
    members = _flat("m_axi", memory)
    if link is None or link.bus:
        members |= _flat("s_axil", host)
    if link is not None:
        members |= {"rx": In(1, init=1), "tx": Out(1, init=1)}
    return members


class Top(wiring.Component):
    """A NeuFlow machine.

    Parameters
    ----------
    target : Target
        The machine.
    library : Library
        Where its parts come from.
    link : Link, optional
        Gives it a serial link, too.

    Members
    -------
    m_axi_* : AXI4 master
        External memory; ``target.data_width`` bits, 32-bit byte addresses.
    s_axil_* : AXI4-Lite slave
        Host registers, see `hdl.control.host_registers`; 32 bits, 12-bit byte addresses. Absent
        with a ``link`` without ``bus``.
    rx, tx : In(1), Out(1)
        With a ``link``: the serial line, high at rest; ``rx`` may be asynchronous.
    """

    def __init__(self, target, *, library=None, link=None):
        self.target = target
        self.link = link
        self.library = library or Inline()
        self.readers, self.writers = _masters(target, link)
        self.memory, self.host = _signatures(target, link)
        super().__init__(top_members(target, link))

    def elaborate(self, platform):
        m = Module()
        control = m.submodules.control = self.library.get("control", lambda: Control(self.target))
        grid = m.submodules.grid = self.library.get(
            "grid", lambda: Grid(self.target, library=self.library))
        nodes = [self._dma_node(m, port) for port in range(self.target.ports)]
        interconnect = m.submodules.interconnect = self.library.get(
            "interconnect", lambda: Interconnect(self.target, self.readers, self.writers))

        self._configure(m, control, grid, nodes)
        self._stream(m, grid, nodes)
        weights = [node.weights_bus for node in self._weight_nodes(nodes)]
        readers = [*(node.read_bus for node in nodes), *weights, control.loader_read,
                   control.cpu_read]
        writers = [*(node.write_bus for node in nodes), control.cpu_write]
        host = control.host
        if self.link is not None:
            serial, host = self._serial_link(m, control)
            readers.append(serial.bus_read)
            writers.append(serial.bus_write)
        for bus, slave in zip(readers, interconnect.readers, strict=True):
            wiring.connect(m, bus, slave)
        for bus, slave in zip(writers, interconnect.writers, strict=True):
            wiring.connect(m, bus, slave)
        self._expose(m, "m_axi", self.memory, interconnect.m_axi)
        if host is not None:
            self._expose(m, "s_axil", self.host, host)
        return m

    def _serial_link(self, m, control):
        """Give the registers to the link; return it, and what is left for the AXI4-Lite port."""
        link = self.link
        serial = m.submodules.link = self.library.get("link", lambda: SerialLink(
            self.target.data_width, link.divisor, patience=link.patience))
        m.d.comb += [serial.rx.eq(self.rx), self.tx.eq(serial.tx)]
        if not link.bus:
            wiring.connect(m, serial.host, control.host)
            return serial, None
        arbiter = m.submodules.arbiter = self.library.get(
            "lite_arbiter", lambda: LiteArbiter(HOST_ADDRESS_WIDTH))
        wiring.connect(m, serial.host, arbiter.masters[0])
        wiring.connect(m, arbiter.slave, control.host)
        return serial, arbiter.masters[1]

    def _dma_node(self, m, port):
        weights = self.target.dma_tiles[port] in self.target.convolvers
        node = self.library.get(
            node_kind(weights),
            lambda: DmaNode(self.target, weights=weights, library=self.library))
        m.submodules[f"port{port}"] = node
        return node

    def _weight_nodes(self, nodes):
        return [nodes[self.target.port_of_tile(tile)] for tile in self.target.convolvers]

    def _configure(self, m, control, grid, nodes):
        """Run the configuration bus through all nodes; gather what they report."""
        tiles = self.target.tiles
        bus = control.bus
        for part in (grid, *nodes):
            wiring.connect(m, bus, part.bus_i)
            bus = part.bus_o
        m.d.comb += [
            grid.commit.eq(control.commit[:tiles]),
            *(node.commit.eq(control.commit[tiles + port]) for port, node in enumerate(nodes)),
            *(node.abort.eq(control.abort) for node in nodes),
            control.busy.eq(Cat(grid.busy, *(node.busy for node in nodes))),
            control.saturated.eq(grid.saturated),
            control.bus_error.eq(Cat(node.error for node in nodes)),
            control.events.eq(Cat(grid.events, *(node.events for node in nodes))),
        ]

    def _stream(self, m, grid, nodes):
        """Join ports and tiles."""
        for port, node in enumerate(nodes):
            wiring.connect(m, node.o, grid.i_dma[port])
            wiring.connect(m, grid.o_dma[port], node.i)
        for index, node in enumerate(self._weight_nodes(nodes)):
            wiring.connect(m, node.weights, grid.weights[index])

    def _expose(self, m, prefix, signature, inner):
        """Join the top's flat ports to the interface of a part."""
        for name, member in signature.members.items():
            outer, port = getattr(self, f"{prefix}_{name}"), getattr(inner, name)
            m.d.comb += outer.eq(port) if member.flow is Out else port.eq(outer)
