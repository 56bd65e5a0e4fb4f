"""Area of a target in the cells of a Liberty file, and the memories beside them."""

from collections import Counter
from dataclasses import asdict, dataclass

from sim.rtl.design import target_verilog

from .. import render
from .netlist import components, counted
from .standard_cells import Cells, check_library, map_cells

__all__ = ["CellArea", "Component", "measure_cells"]


@dataclass(frozen=True)
class Component:
    """One distinct component: its name, how often it stands in the target, what one takes."""

    name: str
    instances: int
    cells: Cells

    @property
    def area(self):
        """Area of all instances."""
        return self.instances * self.cells.area


@dataclass(frozen=True)
class CellArea:
    """Components of a target, the one with most area in all first.

    Parameters
    ----------
    target : str
        Name of the target.
    components : tuple of Component
    """

    target: str
    components: tuple

    @property
    def memories(self):
        """Number of each distinct memory, a Counter of `Memory`, largest first."""
        found = Counter()
        for part in self.components:
            for memory in part.cells.memories:
                found[memory] += part.instances
        return Counter(dict(sorted(found.items(), key=lambda item: -item[0].bits * item[1])))

    @property
    def total(self):
        """Sums over the target: cells, areas in the library's unit, and bits of memory."""
        parts, memories = self.components, self.memories.items()
        return {
            "cells": sum(part.instances * part.cells.number for part in parts),
            "area": round(sum(part.area for part in parts), 3),
            "sequential_area": round(
                sum(part.instances * part.cells.sequential for part in parts), 3),
            "synchronous_bits": sum(one.bits * many for one, many in memories if one.synchronous),
            "asynchronous_bits": sum(
                one.bits * many for one, many in memories if not one.synchronous),
        }

    @property
    def data(self):
        """The same as a JSON value."""
        return {
            "target": self.target, "total": self.total,
            "memories": [asdict(one) | {"number": many} for one, many in self.memories.items()],
            "components": [
                {"name": part.name, "instances": part.instances, "cells": part.cells.number,
                 "area": part.cells.area, "sequential_area": part.cells.sequential,
                 "memory_bits": sum(one.bits for one in part.cells.memories)}
                for part in self.components],
        }

    @property
    def parts(self):
        """Texts and tables for people."""
        total = self.total
        headers = ("component", "of", "cells", "area", "registers", "memory bits", "all of them")
        rows = [(part.name, str(part.instances), f"{part.cells.number:,}",
                 f"{part.cells.area:,.0f}", f"{part.cells.sequential:,.0f}",
                 f"{sum(one.bits for one in part.cells.memories):,}", f"{part.area:,.0f}")
                for part in self.components]
        bits = total["synchronous_bits"] + total["asynchronous_bits"]
        rows.append(("total", "", f"{total['cells']:,}", "", f"{total['sequential_area']:,.0f}",
                     f"{bits:,}", f"{total['area']:,.0f}"))
        columns = ("memories", "words", "bits", "reads", "writes", "a word comes", "bits in all")
        memories = [(str(many), f"{one.depth:,}", str(one.width), str(one.reads), str(one.writes),
                     "a cycle later" if one.synchronous else "at once", f"{one.bits * many:,}")
                    for one, many in self.memories.items()]
        return (
            render.table(headers, rows, numbers=headers[1:],
                         title=f"{self.target}, areas in the library's unit, without memories"),
            render.table(columns, memories, title="Memories, as macros or register files",
                         numbers=("memories", "words", "bits", "reads", "writes", "bits in all")))


def measure_cells(target, library, progress=None):
    """Return the `CellArea` of a target.

    Parameters
    ----------
    target : Target
        The machine.
    library : str or Path
        A Liberty file.
    progress : callable or None
        Called with a text for each component, and with how many of how many are done.

    Raises
    ------
    FileError
        If the file is not a Liberty file that can be read.
    ToolchainError
        If Yosys is missing, or the library lacks cells.
    """
    say = progress or (lambda *_: None)
    text = check_library(library)
    found = components(target_verilog(target, progress))
    mapped = {}
    for name in found:
        say(f"Mapping {target.name}: {name}", len(mapped), len(found))
        mapped[name] = map_cells(name, found, text)
    instances = counted({name: cells.contains for name, cells in mapped.items()})
    made = [Component(name, number, mapped[name]) for name, number in instances.items()]
    made.sort(key=lambda part: -part.area)
    return CellArea(target.name, tuple(made))
