"""The routed circuits of a step: no cycle, nothing that waits for ever, no FIFO beyond its bound.

A step is a directed graph of units. It ends when no unit waits for one that waits for it, when
every operator's streams and every channel's loops are equally long, and when paths that part and
meet again hold back no more than the FIFOs beside them can take.
"""

import networkx as nx
import numpy as np

from hdl.registers import FIFO_MODES, OPERATIONS, SINKS, SOURCES
from hdl.routes import missing_routes

__all__ = ["circuit_faults", "step_circuit"]

_OPPOSITE = {"n": "s", "e": "w", "s": "n", "w": "e"}

#: Sinks whose samples a unit takes, by the unit's name.
_OPERANDS = {"mapper": ("mapper",), "op0": ("op0_a", "op0_b"), "op1": ("op1_a", "op1_b"),
             "convolver": ("conv_a", "conv_b"), "write": ("dma",),
             **{f"fifo{index}": (f"fifo{index}",) for index in range(4)}}


def _unit_of(source):
    """Return the unit that a router source comes from."""
    return {"dma": "read", "conv0": "convolver", "conv1": "convolver"}.get(source, source)


def step_circuit(target, active, mask):
    """Return the circuit of a step: a networkx.MultiDiGraph of (tile, unit) nodes.

    Hops between tiles are nodes of their own, (tile, "hop", direction). An edge holds ``sink``,
    and ``source``, the router source that it leaves.
    """
    graph = nx.MultiDiGraph()
    pending = []
    for port, tile in enumerate(target.dma_tiles):
        node = target.tiles + port
        if mask >> node & 1 and active[node]["write"]["enable"]:
            pending.append((tile, "write"))
    pending += [(tile, "convolver") for tile in target.convolvers
                if mask >> tile & 1 and active[tile]["convolver"]["enable"]]
    seen = set()
    while pending:
        place = pending.pop()
        if place in seen:
            continue
        seen.add(place)
        graph.add_node(place)
        tile, unit = place[:2]
        sinks = (place[2],) if unit == "hop" else _used(active[tile], unit)
        for sink in sinks:
            origin = _origin(target, active, tile, sink)
            if origin is not None:
                graph.add_edge(origin[0], place, sink=sink, source=origin[1])
                pending.append(origin[0])
    return graph


def _used(units, unit):
    """Return the sinks that a unit waits for."""
    sinks = _OPERANDS.get(unit, ())
    if unit.startswith("op"):
        registers = units[unit]
        one = registers["constant_enable"] \
            or OPERATIONS[registers["operation"]].startswith("reduce")
        return sinks[:1] if one else sinks
    if unit == "convolver":
        return sinks if units["convolver"]["two_streams"] else sinks[:1]
    return sinks


def _origin(target, active, tile, sink):
    """Return ((tile, unit), source) that a sink of a tile's router listens to, or None."""
    chosen = int(active[tile]["router"]["source"][SINKS.index(sink)]) if active[tile] else 0
    if not chosen:
        return None
    source = SOURCES[chosen - 1]
    if source in _OPPOSITE:
        other = target.neighbour(tile, source)
        return None if other is None else ((other, "hop", _OPPOSITE[source]), source)
    return (tile, _unit_of(source)), source


def circuit_faults(target, active, mask):
    """Yield what is wrong with the circuit of a step, one line each."""
    graph = step_circuit(target, active, mask)
    yield from _route_faults(target, active, graph)
    yield from _fifo_faults(target, active, graph)
    if not nx.is_directed_acyclic_graph(graph):
        cycle = " -> ".join(_name(place) for place, *_ in nx.find_cycle(graph))
        yield f"circuit comes back to itself and can deadlock: {cycle}"
        return
    lengths = _Lengths(target, active, mask, graph)
    for place in nx.topological_sort(graph):
        yield from lengths.faults(place)
    yield from _meeting_faults(active, graph)


def _name(place):
    return f"{'-'.join(map(str, place[1:]))} of tile {place[0]}"


def _route_faults(target, active, graph):
    for tile in sorted({tile for tile, *_ in graph.nodes if active[tile]}):
        codes = [int(code) for code in active[tile]["router"]["source"]]
        for sink, source in missing_routes(target, tile, codes):
            yield f"router of tile {tile} cannot connect {sink} to {source}"


def _fifo_faults(target, active, graph):
    for tile, unit, *_ in sorted(graph.nodes):
        if not unit.startswith("fifo"):
            continue
        index, registers = int(unit[-1]), active[tile]["fifo"]
        mode, held = FIFO_MODES[registers[f"mode{index}"]], registers[f"last{index}"] + 1
        blocks = target.own_fifo_blocks
        if registers.get("spare") == index:
            blocks += target.spare_fifo_blocks
        where = f"FIFO {index} of tile {tile}"
        if mode == "off":
            yield f"{where} is off, but samples come"
        if held > blocks * target.fifo_block_depth:
            yield f"{where} holds {held} samples in {blocks * target.fifo_block_depth}"


class _Lengths:
    """Samples that leave each unit in a step; None for a loop without end."""

    def __init__(self, target, active, mask, graph):
        self.target, self.active, self.mask, self.graph = target, active, mask, graph
        self.made = {}

    def _channel(self, tile, name):
        node = self.target.tiles + self.target.port_of_tile(tile)
        registers = self.active[node][name] if self.mask >> node & 1 else {"enable": 0}
        if not registers["enable"]:
            return None
        return max(1, registers["entries"]) * registers.get("repeat", 1) \
            * int(np.prod(registers["count"], dtype=np.int64))

    def _come(self, place):
        """Return the samples that come to each sink of a unit."""
        come = {}
        for origin, _, edge in self.graph.in_edges(place, data=True):
            made = self.made.get(origin)
            come[edge["sink"]] = made[edge["source"]] if isinstance(made, dict) else made
        return come

    def faults(self, place):
        """Yield what is wrong at a unit, and note how many samples leave it."""
        tile, unit = place[:2]
        come = self._come(place)
        wanted = () if unit in ("read", "hop") else _used(self.active[tile], unit)
        missing = [sink for sink in wanted if come.get(sink, 0) == 0]
        if missing:
            yield f"{_name(place)} waits for {', '.join(missing)}, which nothing feeds"
        counts = {sink: come[sink] for sink in wanted if come.get(sink) is not None}
        if unit == "read":
            self.made[place] = self._channel(tile, "read") or 0
        elif unit == "hop":
            self.made[place] = come.get(place[2], 0)
        elif unit == "convolver":
            yield from self._convolver(place, counts)
        elif unit == "write":
            length = self._channel(tile, "write")
            if counts.get("dma", length) != length or come.get("dma", 0) is None:
                yield f"{_name(place)} waits for {length} samples, {come['dma']} come"
        else:
            yield from self._made(place, unit, come, counts)

    def _convolver(self, place, counts):
        registers = self.active[place[0]]["convolver"]
        length = (registers["passes"] * registers["entries"] * registers["interleave"]
                  * registers["data_width"] * registers["data_height"])
        for sink, count in counts.items():
            if count != length:
                yield f"{_name(place)} waits for {length} samples on {sink}, {count} come"
        words = int(registers["drain_count"].prod()) * registers["interleave"]
        lanes = (registers["passes"] - 1) * registers["drain_lanes"] \
            + registers["drain_last_lanes"]
        self.made[place] = {f"conv{stream}": words * int(lanes[stream]) for stream in (0, 1)}

    def _made(self, place, unit, come, counts):
        tile, length = place[0], min(counts.values(), default=0)
        if len(set(counts.values())) > 1:
            yield f"{_name(place)} waits for ever: its operands have {come} samples"
        if unit.startswith("fifo"):
            registers, index = self.active[tile]["fifo"], unit[-1]
            mode, size = FIFO_MODES[registers[f"mode{index}"]], registers[f"last{index}"] + 1
            count = registers[f"count{index}"]
            if mode == "loop" and length != size:
                yield f"{_name(place)} loops over {size} samples, {length} come"
            self.made[place] = {"delay": length + count,
                                "loop": count * size or None}.get(mode, length)
            return
        if unit.startswith("op"):
            registers = self.active[tile][unit]
            if OPERATIONS[registers["operation"]].startswith("reduce"):
                if registers["count"] < 1 or length % registers["count"]:
                    yield f"{_name(place)} reduces {registers['count']} of {length} samples"
                length //= max(1, registers["count"])
            length = _decimated(registers, length)
        self.made[place] = length


def _decimated(registers, length):
    if not registers["width"]:
        return length
    index = np.arange(length)
    column = index % registers["width"]
    row = index // registers["width"] % max(1, registers["height"])
    return int(np.count_nonzero((column % max(1, registers["step_x"]) == 0)
                                & (row % max(1, registers["step_y"]) == 0)))


def _meeting_faults(active, graph):
    """Yield paths that part, meet again, and hold back more than the FIFOs beside them take."""
    simple = nx.DiGraph(graph)
    for place in graph.nodes:
        operands = list(graph.in_edges(place, data=True))
        if len(operands) < 2 or place[1] == "convolver":
            continue
        first, second = operands[0][0], operands[1][0]
        shared = ({first} | nx.ancestors(simple, first)) & ({second} | nx.ancestors(simple, second))
        for fork in shared:
            held = [_held(active, simple, fork, end) for end in (first, second)]
            for (back, _), (_, room) in (held, held[::-1]):
                if back > room:
                    yield (f"{_name(place)}: one path from {_name(fork)} holds back {back} "
                           f"samples, FIFOs on the other take {room}: it can deadlock")


def _held(active, graph, fork, end):
    """Return the most samples that a path holds back, and the fewest that its FIFOs take."""
    back, room = 0, None
    for path in nx.all_simple_paths(graph, fork, end) if fork != end else ([end],):
        held = taken = 0
        for tile, unit, *_ in path[1:]:
            if unit.startswith("op") and OPERATIONS[
                    active[tile][unit]["operation"]].startswith("reduce"):
                held += active[tile][unit]["count"] - 1
            if unit.startswith("fifo"):
                taken += active[tile]["fifo"][f"last{unit[-1]}"] + 1
        back, room = max(back, held), taken if room is None else min(room, taken)
    return back, room or 0
