"""The circuit of one step: streams followed from memory through routers and units to memory."""

from hdl.registers import SINKS, SOURCES
from hdl.routes import missing_routes

from .convolver import convolve
from .dma import read_samples, weight_samples, write_samples
from .errors import FunctionalError
from .units import Endless, fifo, mapper, operate

__all__ = ["run_circuit"]

_OPPOSITE = {"n": "s", "e": "w", "s": "n", "w": "e"}


class _Circuit:
    """Evaluates sources on demand, each once.

    Parameters
    ----------
    target : Target
        The machine.
    active : list
        Active registers of every node, None before its first commit.
    mask : int
        Nodes committed for this step; only their channels and convolvers start.
    memory : array of int16
        Memory of each image, by sample address.
    """

    def __init__(self, target, active, mask, memory):
        self.target, self.active, self.mask, self.memory = target, active, mask, memory
        self.made, self.open, self.taken = {}, set(), set()

    def started(self, node, unit):
        """Return the registers of a unit that this step starts, or None."""
        if not self.mask >> node & 1:
            return None
        registers = self.active[node].get(unit)
        return registers if registers and registers["enable"] else None

    def sink(self, tile, name):
        """Return the stream that arrives at a sink, or None."""
        if self.active[tile] is None:
            return None
        codes = [int(code) for code in self.active[tile]["router"]["source"]]
        code = codes[SINKS.index(name)]
        self.taken.add((tile, name))
        if not code or (name, SOURCES[code - 1]) in missing_routes(self.target, tile, codes):
            return None
        return self.source(tile, SOURCES[code - 1])

    def source(self, tile, name):
        """Return the stream that a source of a tile's router brings, or None."""
        key = (tile, name)
        if key not in self.made:
            if key in self.open:
                raise FunctionalError(f"tile {tile}: the circuit comes back to {name}")
            self.open.add(key)
            self.made[key] = self._make(tile, name)
        return self.made[key]

    def _make(self, tile, name):
        if name in _OPPOSITE:
            other = self.target.neighbour(tile, name)
            return None if other is None else self.sink(other, _OPPOSITE[name])
        if name == "dma":
            port = self.target.port_of_tile(tile)
            return None if port is None else self._read(self.target.tiles + port)
        if name.startswith("conv"):
            return self._convolver(tile)[int(name[-1])]
        if name == "mapper":
            return self._unit(tile, "mapper", lambda registers, a: mapper(
                registers, self.active[tile]["mapper_table"], a))
        if name.startswith("fifo"):
            return self._unit(tile, name, lambda registers, a: fifo(registers, int(name[-1]), a))
        return self._operator(tile, name)

    def _read(self, node):
        registers = self.started(node, "read")
        return None if registers is None else read_samples(
            self.memory, registers, self.active[node]["read_table"])

    def _unit(self, tile, name, function):
        samples = self.sink(tile, name)
        if isinstance(samples, Endless):
            raise FunctionalError(f"tile {tile}: an endless stream enters {name}")
        registers = self.active[tile]["fifo" if name.startswith("fifo") else name]
        return None if samples is None else function(registers, samples)

    def _operator(self, tile, name):
        a, b = self.sink(tile, f"{name}_a"), self.sink(tile, f"{name}_b")
        if a is None:
            return None
        return operate(self.active[tile][name], a, b)

    def _convolver(self, tile):
        key = (tile, "convolver")
        if key not in self.made:
            self.made[key] = self._convolve(tile)
        return self.made[key]

    def _convolve(self, tile):
        registers = self.started(tile, "convolver") if tile in self.target.convolvers else None
        if registers is None:
            return None, None
        streams = [self.sink(tile, "conv_a"), None]
        if registers["two_streams"]:
            streams[1] = self.sink(tile, "conv_b")
        node = self.target.tiles + self.target.port_of_tile(tile)
        channel = self.started(node, "weights")
        weights = None if channel is None else weight_samples(self.memory, channel)
        self.made[(node, "weights")] = weights
        return convolve(registers, self.active[tile]["mac"], self.target, streams, weights)

    def writes(self):
        """Return (port, registers, table, samples) of every write channel."""
        writes = []
        for port, tile in enumerate(self.target.dma_tiles):
            node = self.target.tiles + port
            registers = self.started(node, "write")
            if registers is not None:
                samples = self.sink(tile, "dma")
                if samples is None or isinstance(samples, Endless):
                    raise FunctionalError(f"port {port}: the write channel has no stream to wait "
                                          f"for")
                table = self.active[node]["write_table"]
                writes.append((port, registers, table, samples))
        return writes

    def check_consumed(self):
        """Check that nothing that was started is left waiting for ever."""
        for port, tile in enumerate(self.target.dma_tiles):
            node = self.target.tiles + port
            if self.started(node, "read") and (tile, "dma") not in self.made:
                raise FunctionalError(f"port {port}: nothing takes what the read channel brings")
            if self.started(node, "weights") and (node, "weights") not in self.made:
                raise FunctionalError(f"port {port}: nothing takes the weights")
        for tile in self.target.convolvers:
            if self.started(tile, "convolver"):
                for index, drain in enumerate(self._convolver(tile)):
                    if drain is not None and (tile, f"conv{index}") not in self.made:
                        raise FunctionalError(f"tile {tile}: nothing takes drain stream {index}")
        self._check_forks()

    def _check_forks(self):
        for (tile, name), stream in self.made.items():
            if name not in SOURCES or stream is None:
                continue
            chosen = self.active[tile]["router"]["source"]
            for index, sink in enumerate(SINKS):
                if chosen[index] == SOURCES.index(name) + 1 and (tile, sink) not in self.taken:
                    raise FunctionalError(f"tile {tile}: {name} also feeds {sink}, which takes "
                                          f"nothing")


def run_circuit(target, active, mask, memory, protected=()):
    """Run one step: everything is read, then everything is written.

    Parameters
    ----------
    target, active, mask
        As `_Circuit` takes them.
    memory : array of int16
        Memory of each image, by sample address, one row an image.
    protected : sequence of tuple
        Sample addresses, first and beyond the last, that no step may write.

    Raises
    ------
    FunctionalError
        If the step would hang, or breaks a rule of the contract.
    """
    circuit = _Circuit(target, active, mask, memory)
    writes = circuit.writes()
    circuit.check_consumed()
    for port, registers, table, samples in writes:
        try:
            write_samples(memory, registers, table, samples, protected)
        except FunctionalError as reason:
            raise FunctionalError(f"port {port}: {reason}") from reason
