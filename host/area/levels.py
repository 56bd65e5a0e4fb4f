"""Levels of logic between registers, within a component and across those it contains.

A level is a look-up table, a read of a LUT memory, or a carry chain of any length. Paths run from
a register (or a block RAM, a DSP block) or an input to a register or an output. What a component
does between its ports is summed up in a `Timing`, which stands for it where it is contained.
"""

import functools
import re
from dataclasses import dataclass, field

from .cells import arcs, timed_as

__all__ = ["MOST_LEVELS", "Path", "Timing", "levels"]

#: Levels that no path should exceed without a reason.
MOST_LEVELS = 5


@dataclass(frozen=True)
class Path:
    """A path: its levels, and the names of the signals along it, first to last."""

    levels: int
    signals: tuple[str, ...] = ()

    @property
    def ends(self):
        """Names of the first and the last signal, without the places of bits."""
        ends = (self.signals[0], self.signals[-1]) if self.signals else ("", "")
        return tuple(re.sub(r"\[\d+\]$", "", name) for name in ends)


@dataclass
class Timing:
    """Longest paths of a component.

    Parameters
    ----------
    inside : Path
        Between registers.
    long : tuple of Path
        Paths of more than `MOST_LEVELS` between registers that do not lie within one contained
        component, the longest for each pair of `ends`.
    into : dict of (str, int) to int
        From an input's bit to a register.
    out : dict of (str, int) to int
        From a register to an output's bit.
    through : dict of (str, int) to dict of (str, int) to int
        From an output's bit back to the inputs' bits that reach it.
    """

    inside: Path = Path(0)
    long: tuple = ()
    into: dict = field(default_factory=dict)
    out: dict = field(default_factory=dict)
    through: dict = field(default_factory=dict)


@functools.cache
def _arc(kind, pin_in, pin_out):
    return arcs(kind, pin_in, pin_out)


#: Pins of clocks: no logic runs through them.
_CLOCKS = {"C", "CLK", "CLK0", "WCLK", "clk"}


class _Graph:
    """The component as arcs from bit to bit, with the bits where paths begin and end."""

    def __init__(self, netlist, timings):
        self.inputs = {}  # bit: (port, index)
        self.outputs = {}  # (port, index): bit
        self.sources = {}  # bit: arcs into it, [(bit, levels)]
        self.begin = {}  # bit: levels from a register, within a contained component
        self.end = {}  # bit: levels to a register, within a contained component
        self.endings = {}  # bit: a bit that the cell drives at which paths end
        self.hidden = Path(0)
        for name, (direction, bits) in netlist["ports"].items():
            for index, bit in enumerate(bits):
                if direction == "input":
                    self.inputs[bit] = name, index
                else:
                    self.outputs[name, index] = bit
        for kind, parameters, directions, connections in netlist["cells"]:
            pins = {pin: bits for pin, bits in connections.items() if pin not in _CLOCKS}
            ins = {pin: bits for pin, bits in pins.items() if directions[pin] == "input"}
            outs = {pin: bits for pin, bits in pins.items() if directions[pin] == "output"}
            if kind in timings:
                self._component(timings[kind], ins, outs)
            else:
                self._cell(timed_as(kind, parameters), ins, outs)

    def _cell(self, kind, ins, outs):
        for pin_out, bits_out in outs.items():
            through = False
            for pin_in, bits_in in ins.items():
                cost = _arc(kind, pin_in, pin_out)
                if cost is None:
                    continue
                through = True
                for bit in bits_out:
                    self.sources.setdefault(bit, []).extend(
                        (source, cost) for source in bits_in if isinstance(source, int))
            if not through and kind != "BUFG":
                for bit in bits_out:
                    self.begin[bit] = 0
        passed = {pin for pin in ins for other in outs if _arc(kind, pin, other) is not None}
        driven = next((bits[0] for bits in outs.values() if bits), None)
        for pin in ins.keys() - passed:
            for bit in ins[pin]:
                if isinstance(bit, int):
                    self.end.setdefault(bit, 0)
                    self.endings.setdefault(bit, driven)

    def _component(self, timing, ins, outs):
        self.hidden = max(self.hidden, timing.inside, key=lambda path: path.levels)
        for pin, bits in ins.items():
            for index, bit in enumerate(bits):
                cost = timing.into.get((pin, index))
                if cost is not None and isinstance(bit, int):
                    self.end[bit] = max(self.end.get(bit, 0), cost)
        for pin, bits in outs.items():
            for index, bit in enumerate(bits):
                cost = timing.out.get((pin, index))
                if cost is not None:
                    self.begin[bit] = max(self.begin.get(bit, 0), cost)
                for (name, place), cost in timing.through.get((pin, index), {}).items():
                    source = ins[name][place]
                    if isinstance(source, int):
                        self.sources.setdefault(bit, []).append((source, cost))

    def order(self):
        """Return all bits with arcs, sources first.

        Raises
        ------
        ValueError
            If there is a loop.
        """
        order, state = [], {}
        for start in self.sources:
            stack = [(start, iter(self.sources[start]))] if start not in state else []
            state.setdefault(start, 1)
            while stack:
                bit, rest = stack[-1]
                for source, _ in rest:
                    if state.get(source) == 1:
                        raise ValueError("a loop of logic without a register")
                    if source not in state and source in self.sources:
                        state[source] = 1
                        stack.append((source, iter(self.sources[source])))
                        break
                else:
                    state[bit] = 2
                    order.append(bit)
                    stack.pop()
        return order


def levels(netlist, timings):
    """Return the `Timing` of a component.

    Parameters
    ----------
    netlist : dict
        See `host.area.netlist.synthesise`.
    timings : dict of str to Timing
        Of the components it contains, by module name.
    """
    graph = _Graph(netlist, timings)
    order = graph.order()
    longest, before = dict(graph.begin), {}
    reach = {bit: {bit: 0} for bit in graph.inputs}
    for bit in order:
        ways = {}
        for source, cost in graph.sources[bit]:
            if source in longest and longest[source] + cost > longest.get(bit, -1):
                longest[bit], before[bit] = longest[source] + cost, source
            for start, far in reach.get(source, {}).items():
                ways[start] = max(ways.get(start, 0), far + cost)
        if ways:
            reach[bit] = ways

    timing = Timing(graph.hidden)
    worst = max((bit for bit in graph.end if bit in longest),
                key=lambda bit: longest[bit] + graph.end[bit], default=None)
    if worst is not None and longest[worst] + graph.end[worst] > timing.inside.levels:
        timing.inside = Path(
            longest[worst] + graph.end[worst],
            _signals(worst, before, graph.endings.get(worst), netlist["names"]))
    timing.long = _long(graph, longest, before, netlist["names"])
    for bit, cost in graph.end.items():
        for start, far in reach.get(bit, {}).items():
            port = graph.inputs[start]
            timing.into[port] = max(timing.into.get(port, 0), far + cost)
    for port, bit in graph.outputs.items():
        if bit in longest:
            timing.out[port] = longest[bit]
        ways = {graph.inputs[start]: far for start, far in reach.get(bit, {}).items()}
        if ways:
            timing.through[port] = ways
    return timing


def _long(graph, longest, before, names):
    found = {}
    for bit, cost in graph.end.items():
        if bit in longest and longest[bit] + cost > MOST_LEVELS:
            path = Path(longest[bit] + cost,
                        _signals(bit, before, graph.endings.get(bit), names))
            found[path.ends] = max(path, found.get(path.ends, path),
                                   key=lambda path: path.levels)
    return tuple(sorted(found.values(), key=lambda path: -path.levels))


def _signals(bit, before, ending, names):
    bits = [ending]
    while bit is not None:
        bits.append(bit)
        bit = before.get(bit)
    found = (names.get(str(bit), "$") for bit in reversed(bits))
    return tuple(name for name in found if not name.startswith("$"))
