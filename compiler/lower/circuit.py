"""Circuits: the register values of the nodes that work together in one step."""

from dataclasses import dataclass, field

from hdl.registers import LOOPS, SINKS, SOURCES

__all__ = ["Circuit", "StepPlan", "loops", "route"]


@dataclass
class Circuit:
    """Register values by node and unit; units of a node that are left out stay off.

    Parameters
    ----------
    units : dict
        ``units[node][unit]`` is a dict of register values; a memory unit's is a list of words.
    """

    units: dict = field(default_factory=dict)

    def set(self, node, unit, values):
        """Give a unit its values.

        Raises
        ------
        ValueError
            If the unit has values already: two circuits must not share it.
        """
        units = self.units.setdefault(node, {})
        if unit in units:
            raise ValueError(f"unit {unit} of node {node} is used twice in a step")
        units[unit] = values

    def join(self, other):
        """Add another circuit that runs at the same time; both may use sinks of the same tiles."""
        for node, units in other.units.items():
            for unit, values in units.items():
                if unit == "router":
                    route(self, node, {SINKS[sink]: SOURCES[source - 1] for sink, source
                                       in enumerate(values["source"]) if source})
                else:
                    self.set(node, unit, values)


@dataclass
class StepPlan:
    """One step before it is encoded.

    Parameters
    ----------
    name, layer : str
        Of the stage it belongs to.
    circuit : Circuit
        All registers.
    reads, writes : tuple of str
        Tensors read and written.
    cycles : int
        Predicted cycles.
    macs : int
        Useful multiply-accumulates.
    convolvers : list of dict
        What each convolver in use does.
    """

    name: str
    layer: str
    circuit: Circuit
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    cycles: int
    macs: int = 0
    convolvers: list = field(default_factory=list)


def route(circuit, tile, pairs):
    """Add to a tile's router: ``pairs`` maps sinks to sources, both by name.

    Raises
    ------
    ValueError
        If a sink has a source already.
    """
    units = circuit.units.setdefault(tile, {})
    source = units.setdefault("router", {"source": [0] * len(SINKS)})["source"]
    for sink, name in pairs.items():
        place = SINKS.index(sink)
        if source[place]:
            raise ValueError(f"sink {sink} of tile {tile} is used twice in a step")
        source[place] = SOURCES.index(name) + 1


def loops(*pairs):
    """Return the registers of an address generator for (count, stride) pairs, innermost first."""
    pairs = (*pairs, *((1, 0),) * (LOOPS - len(pairs)))
    return {"count": [count for count, _ in pairs], "stride": [stride for _, stride in pairs]}
