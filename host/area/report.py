"""Area of a target: every distinct component synthesised once, counted as often as it stands."""

import json
import re
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

from hdl.target import LATTICE, XILINX
from sim.rtl.design import target_verilog

from .. import render
from ..bitstream.routed import recall
from .cells import DEVICES, RESOURCES, resources
from .levels import MOST_LEVELS, levels
from .levels import Path as LogicPath
from .netlist import components, counted, synthesise

__all__ = ["Area", "Component", "component", "measure"]

#: What each component may take, by target; a count left out is not bounded. ``exceptions`` lists
#: the paths of more than `MOST_LEVELS`: patterns of the signals at both ends, levels, the reason.
_BUDGETS = Path(__file__).with_name("budgets.json")

#: Whose cells the Verilog has, by family of device.
_PRIMITIVES = {"xc6v": XILINX, "ecp5": LATTICE}


@dataclass(frozen=True)
class Component:
    """One distinct component.

    Parameters
    ----------
    name : str
        Module name.
    instances : int
        How often it stands in the target.
    resources : dict of str to int
        What one takes, without the components it contains.
    path : LogicPath
        Longest path between registers, those of contained components included.
    budget : dict of str to int
        What it may take, by resource, and ``levels``.
    long : tuple of (LogicPath, str)
        Its paths of more than `MOST_LEVELS`, each with the reason, or "" for none.
    """

    name: str
    instances: int
    resources: dict
    path: LogicPath
    budget: dict
    long: tuple = ()

    @property
    def excess(self):
        """What is above the budget, as a dict of name to (value, budget)."""
        values = self.resources | {"levels": self.path.levels}
        over = {name: (values.get(name, 0), most) for name, most in self.budget.items()
                if values.get(name, 0) > most}
        return over | {f"levels from {' to '.join(path.ends)}": (path.levels, MOST_LEVELS)
                       for path, reason in self.long if not reason}


@dataclass(frozen=True)
class Area:
    """Components of a target, and the device they are for.

    Parameters
    ----------
    target : str
        Name of the target.
    family : str
        Cells that it is mapped to, a name in `host.area.netlist.FAMILIES`.
    device : Device or None
        The device, if the target is made for one.
    components : tuple of Component
        The component that takes most LUTs first.
    routed : dict of str to float
        Hertz at which `neuflow build` has routed this very machine, by board; empty if it has not.
    """

    target: str
    family: str
    device: object
    components: tuple
    routed: dict

    @property
    def total(self):
        """What the whole target takes, as a Counter of resource to number."""
        total = Counter()
        for component in self.components:
            for name, number in component.resources.items():
                total[name] += component.instances * number
        return total

    @property
    def data(self):
        """The same as a JSON value."""
        capacity = self.device.capacity if self.device else {}
        return {
            "target": self.target, "family": self.family,
            "device": self.device and {"name": self.device.name, "capacity": capacity},
            "total": dict(sorted(self.total.items())),
            "share": {name: round(self.total[name] / most, 4) for name, most in capacity.items()},
            "levels": max(part.path.levels for part in self.components),
            "routed_hz": {board: round(hertz) for board, hertz in self.routed.items()},
            "components": [{
                "name": part.name, "instances": part.instances, "resources": part.resources,
                "levels": part.path.levels, "path": list(part.path.signals),
                "budget": part.budget,
                "long_paths": [{"from": path.ends[0], "to": path.ends[1], "levels": path.levels,
                                "reason": reason} for path, reason in part.long],
            } for part in self.components],
        }

    @property
    def parts(self):
        """Texts and tables for people."""
        names = RESOURCES[self.family]
        headers = ("component", "of", *names, "levels", "longest path from")
        rows = [(part.name, str(part.instances),
                 *(f"{part.resources.get(name, 0):,}" for name in names),
                 str(part.path.levels), " ".join(part.path.signals[:1]))
                for part in self.components]
        total = ["total", "", *(f"{self.total[name]:,}" for name in names),
                 str(max(part.path.levels for part in self.components)), ""]
        rows.append(total)
        if self.device:
            rows.append((f"of {self.device.name}", "",
                         *(f"{self.total[name] / self.device.capacity[name]:.1%}"
                           for name in names), "", ""))
        routed = [f"routed on {board}: {hertz / 1e6:.1f} MHz"
                  for board, hertz in self.routed.items()]
        over = [f"{part.name}: {name} {value:,}, budget {most:,}"
                for part in self.components for name, (value, most) in part.excess.items()]
        return (render.table(headers, rows, title=f"{self.target}, each component once",
                             numbers=headers[1:-1]), *routed, *over)


def measure(target, progress=None):
    """Return the `Area` of a target.

    Parameters
    ----------
    target : Target
        The machine.
    progress : callable or None
        Called with a text for each component.

    Raises
    ------
    ToolchainError
        If Yosys is missing or fails.
    """
    say = progress or (lambda *_: None)
    family, device = DEVICES.get(target.name, ("xc6v", None))
    primitives = _PRIMITIVES[family]
    found = components(target_verilog(replace(target, primitives=primitives), progress))
    budgets = json.loads(_BUDGETS.read_text()).get(target.name, {})
    netlists, contained = {}, {}
    for name in found:
        say(f"Synthesising {target.name}: {name}", len(netlists), len(found))
        netlists[name] = synthesise(name, found, family)
        contained[name] = Counter(cell[0] for cell in netlists[name]["cells"] if cell[0] in found)

    instances = counted(contained)
    timings = {}
    for name in reversed(instances):
        timings[name] = levels(netlists[name], timings)

    made = [component(name, instances[name], _count(netlists[name], family), timings[name],
                      budgets.get(name, {})) for name in instances]
    first = RESOURCES[family][0]
    made.sort(key=lambda part: -part.instances * part.resources.get(first, 0))
    return Area(target.name, family, device, tuple(made), recall(target))


def component(name, instances, count, timing, budget):
    """Return a `Component` from its `Timing` and its entry in the budgets."""
    exceptions = budget.get("exceptions", ())
    long = tuple((path, next((one["reason"] for one in exceptions if _excepts(one, path)), ""))
                 for path in timing.long)
    bounds = {key: most for key, most in budget.items() if key != "exceptions"}
    return Component(name, instances, count, timing.inside, bounds, long)


def _excepts(exception, path):
    return path.levels <= exception["levels"] and all(
        re.fullmatch(exception[key], end)
        for key, end in zip(("from", "to"), path.ends, strict=True))


def _count(netlist, family):
    count = Counter()
    for kind, *_ in netlist["cells"]:
        count.update(resources(kind, family))
    return dict(sorted(count.items()))
