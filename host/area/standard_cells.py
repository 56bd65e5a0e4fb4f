"""Synthesis of one component to the cells of a Liberty file; memories stay what they are."""

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path

from sim.rtl.toolchain import ToolchainError

from ..files import FileError
from . import yosys
from .netlist import contained

__all__ = ["Cells", "Memory", "check_library", "map_cells"]

_LIBRARY = "cells.lib"

#: Products by Booth's recoding, adders by parallel prefix; flip-flops that start anyhow, since
#: every register that must be defined has a reset.
_SCRIPT = (
    "read_verilog top.v; read_verilog -lib stubs.v; "
    "synth -top {top} -flatten -booth -noabc -run begin:fine; opt -fast -full; techmap; opt -fast; "
    "setattr -unset init */w:*; dfflegalize -cell $_DFF_P_ x; dfflibmap -liberty {library}; "
    "abc -liberty {library}; opt_clean -purge; tee -q -o memories.il dump t:$mem_v2; "
    "tee -q -o stat.json stat -json -liberty {library}")

#: What every library must be able to make.
_PROBE = """module probe(input clk, a, b, output reg q);
  always @(posedge clk) q <= a ^ b;
endmodule
"""

_PARAMETER = re.compile(r"^\s*parameter (?:signed )?\\(\w+) (?:\d+')?([01x]+|\d+)$", re.MULTILINE)


@dataclass(frozen=True, order=True)
class Memory:
    """A memory of a component.

    Parameters
    ----------
    synchronous : bool
        Whether a word comes a cycle after its address, as from a static RAM; else it comes at
        once, as from a register file or latches.
    depth, width : int
        Words, and bits of each.
    reads, writes : int
        Ports.
    """

    synchronous: bool
    depth: int
    width: int
    reads: int
    writes: int

    @property
    def bits(self):
        """Bits in all."""
        return self.depth * self.width


@dataclass(frozen=True)
class Cells:
    """What one component takes, without the components it contains.

    Parameters
    ----------
    number : int
        Cells of the library.
    area, sequential : float
        Area of all of them, and of those that hold state, in the library's unit.
    memories : tuple of Memory
        One for each memory.
    contains : dict of str to int
        How many of each other component it contains.
    """

    number: int
    area: float
    sequential: float
    memories: tuple
    contains: dict


def check_library(path):
    """Return the text of a Liberty file that Yosys can read.

    Raises
    ------
    FileError
        If the file cannot be read, Yosys does not take it for a Liberty file, or it lacks cells
        that every design needs; the message names the file.
    ToolchainError
        If Yosys is missing.
    """
    try:
        text = Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise FileError(f"{path}: cannot be read: {error.strerror}") from None
    if not re.search(r"\blibrary\s*\(", text):
        raise FileError(f"{path}: no Liberty file: it has no library(...) group")
    yosys.key()
    try:
        made = yosys.run(str(path), {_LIBRARY: text},
                         f"read_liberty -lib {_LIBRARY}; tee -q -o found.txt ls =*", ["found.txt"])
    except ToolchainError as error:
        raise FileError(f"{path}: Yosys cannot read this Liberty file: "
                         f"{str(error).splitlines()[-1]}") from None
    if not re.search(r"modules:", made["found.txt"]):
        raise FileError(f"{path}: the library has no cells")
    try:
        map_cells("probe", {"probe": _PROBE}, text)
    except ToolchainError as error:
        raise FileError(
            f"{path}: the library lacks cells: it needs a D flip-flop that the rising edge clocks, "
            "and gates from which every function can be made, such as an inverter and a NAND; "
            f"{str(error).splitlines()[-1]}") from None
    return text


def map_cells(top, found, library):
    """Map one component to a library's cells.

    Parameters
    ----------
    top : str
        The component's module name.
    found : dict of str to str
        All components, see `host.area.netlist.components`.
    library : str
        Text of a Liberty file.

    Returns
    -------
    Cells

    Raises
    ------
    ToolchainError
        If Yosys is missing, or the library lacks a cell that the component needs.
    """
    files = contained(top, found) | {_LIBRARY: library}
    script = _SCRIPT.format(top=top, library=_LIBRARY)
    digest = yosys.key(script, *files.values())
    data = yosys.cached(f"{digest}.cells.json.gz",
                        lambda: asdict(_run(top, files, script, set(found))))
    return Cells(**data | {"memories": tuple(Memory(**one) for one in data["memories"])})


def _run(top, files, script, components):
    made = yosys.run(top, files, script, ["memories.il", "stat.json"])
    module = json.loads(made["stat.json"])["modules"][f"\\{top}"]
    kinds = {kind.removeprefix("\\"): number
             for kind, number in module.get("num_cells_by_type", {}).items()}
    left = sorted(kind for kind in kinds if kind.startswith("$") and kind != "$mem_v2")
    if left:
        raise ToolchainError(f"the library has no cells for {', '.join(left)} of {top}")
    contains = {kind: many for kind, many in kinds.items() if kind in components}
    number = sum(kinds.values()) - sum(contains.values()) - kinds.get("$mem_v2", 0)
    return Cells(number, float(module.get("area", 0)), float(module.get("sequential_area", 0)),
                 tuple(_memories(made["memories.il"])), contains)


def _memories(text):
    """Return the memories in a dump of Yosys' ``$mem_v2`` cells."""
    for cell in text.split("cell $mem_v2")[1:]:
        found = dict(_PARAMETER.findall(cell))
        yield Memory("0" not in found["RD_CLK_ENABLE"], int(found["SIZE"]), int(found["WIDTH"]),
                     int(found["RD_PORTS"]), int(found["WR_PORTS"]))
