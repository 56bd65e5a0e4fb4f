"""From a board to a bitstream by Yosys, nextpnr and ecppack."""

import json
import re
import time
from dataclasses import dataclass

from hdl.boards import BoardError

from ..area.cells import DEVICES
from .tools import find, run

__all__ = ["DESIGN", "Routed", "check_memory", "make", "options"]

#: Name of the design: of the module with the pins, and of the files.
DESIGN = "neuflow_board"

_TOOLS = ("yosys", "nextpnr-ecp5", "ecppack")
_STATISTICS, _REPORT = f"{DESIGN}.stat.json", f"{DESIGN}.report.json"

#: All boards of this flow have the same size of device.
_CHIP = DEVICES["ecp5-85k"][1]

#: Wires wanted twice, against the fewest before, from which on the router is said to be lost.
_APART, _SLACK = 2, 200

#: Bytes of a block RAM that a memory of bytes can use; the others are parity.
_BLOCK = 2048

#: What Yosys' cells take of an ECP5, by nextpnr's names.
_CELLS = {"TRELLIS_COMB": {"LUT4": 1, "CCU2C": 2, "TRELLIS_DPR16X4": 6},
          "TRELLIS_FF": {"TRELLIS_FF": 1}, "DP16KD": {"DP16KD": 1}, "MULT18X18D": {"MULT18X18D": 1}}
_CAPACITY = {"TRELLIS_COMB": "LUT4", "TRELLIS_FF": "DFF", "DP16KD": "EBR", "MULT18X18D": "MULT18"}


@dataclass(frozen=True)
class Routed:
    """What place and route made.

    Parameters
    ----------
    fmax_hz : float
        Highest frequency of the machine's clock.
    utilisation : dict of str to (int, int)
        Used and available, by the names of `host.area.cells.RESOURCES`.
    bitstream : str
        Name of the file for the device.
    files : tuple of str
        Names of what is kept, that among them.
    seconds : dict of str to float
        Time of each tool.
    path : tuple of str
        Cells of the longest path.
    """

    fmax_hz: float
    utilisation: dict
    bitstream: str
    files: tuple
    seconds: dict
    path: tuple


def options(seed):
    """Return the overrides of Amaranth's platform for this flow."""
    return {
        "verbose": True, "emit_src": False,
        "script_after_synth": f"tee -q -o {_STATISTICS} stat -json -top {DESIGN}",
        # The default router takes hours on this design; timing is judged by `make`.
        "nextpnr_opts": ["--router router2", f"--seed {seed}", f"--report {_REPORT}",
                         "--timing-allow-fail"],
        "ecppack_opts": "--compress",
    }


def check_memory(target):
    """Refuse a machine whose memory alone is too large for the device.

    Raises
    ------
    BoardError
        If it is.
    """
    blocks = -(-target.memory.size // _BLOCK)
    if blocks > _CHIP.capacity["EBR"]:
        raise BoardError(f"{target.name}: {target.memory.size:,} bytes of memory on the chip need "
                         f"{blocks:,} EBR, {_CHIP.name} has {_CHIP.capacity['EBR']}")


def make(plan, folder, clock_hz, target, say):
    """Carry out a platform's plan whose files lie in ``folder``.

    Parameters
    ----------
    plan : amaranth.build.run.BuildPlan
        Made with `options`.
    folder : pathlib.Path
        Where its files are.
    clock_hz : int
        What the clock has to reach.
    target : str
        Name of the machine, for messages.
    say : callable
        Called with a text now and then.

    Returns
    -------
    Routed

    Raises
    ------
    BoardError
        If the device is too small, the router finds no way or the clock is not reached.
    ToolchainError
        If a tool is missing or fails.
    """
    for tool in _TOOLS:
        find(tool)
    synthesis, place, pack = json.loads(plan.files[f"build_{DESIGN}.json"])["commands"]
    seconds = {}
    for command, what, hear in ((synthesis, "Synthesising", _yosys_step),
                                (place, "Placing and routing", _Router().step),
                                (pack, "Packing the bitstream", _no_step)):
        say(what)
        started = time.monotonic()
        run(command, folder, lambda line, what=what, hear=hear: _tell(say, what, hear(line)))
        seconds[command[0]] = time.monotonic() - started
        if command is synthesis:
            _check_device(folder, target)
        elif command is place:
            report = json.loads((folder / _REPORT).read_text())
            fmax, path = _check_clock(report, clock_hz)
    utilisation = {_CAPACITY[name]: (use["used"], use["available"])
                   for name, use in report["utilization"].items() if name in _CAPACITY}
    kept = tuple(f"{DESIGN}.{end}" for end in ("bit", "svf", "rpt", "tim", "report.json"))
    return Routed(fmax, utilisation, f"{DESIGN}.bit", kept, seconds, path)


def _tell(say, what, step):
    if step:
        say(f"{what}: {step}")


def _yosys_step(line):
    found = re.match(r"[\d.]+ Executing (\S+) pass", line)
    return found and f"pass {found[1]}"


class _Router:
    """Follows nextpnr, whose router would go on for ever where it gets no nearer to its end."""

    def __init__(self):
        self._best = None  # fewest wires that several nets want

    def step(self, line):
        """Return what nextpnr is doing, from a line of its log."""
        found = re.match(r"Info:\s+(at (?:initial placer iter|iteration).*|iter=\d+ .*|"
                         r"Routing globals.*|Running .*|Packing .*)", line)
        wanted = re.search(r" overused=(\d+) ", line)
        if wanted:
            self._follow(int(wanted[1]))
        return found and found[1].strip().rstrip(".")

    def _follow(self, wanted):
        best = self._best = wanted if self._best is None else min(self._best, wanted)
        if wanted > _APART * best + _SLACK:
            raise BoardError(f"the router gets no further: {best:,} wires were wanted by several "
                             f"nets, now {wanted:,} are; another --seed may do better")


def _no_step(_line):
    return None


def _check_device(folder, target):
    cells = json.loads((folder / _STATISTICS).read_text())["design"]["num_cells_by_type"]
    for resource, kinds in _CELLS.items():
        needed = sum(number * cells.get(kind, 0) for kind, number in kinds.items())
        name = _CAPACITY[resource]
        if needed > _CHIP.capacity[name]:
            raise BoardError(f"{target} needs {needed:,} {name}, {_CHIP.name} has "
                             f"{_CHIP.capacity[name]:,}")


def _check_clock(report, clock_hz):
    """Return the highest frequency of the machine's clock and the path that bounds it."""
    # The board's own clock only feeds the PLL: no path, no entry.
    name, clock = min(report["fmax"].items(),
                      key=lambda item: abs(1e6 * item[1]["constraint"] - clock_hz))
    path = next((part["path"] for part in report["critical_paths"]
                 if part["from"] == part["to"] == f"posedge {name}"), [])
    cells = tuple(dict.fromkeys(step["to"]["cell"] for step in path))
    achieved = 1e6 * clock["achieved"]
    if achieved < clock_hz:
        raise BoardError(f"routed at {achieved / 1e6:.1f} MHz, the machine's clock is "
                         f"{clock_hz / 1e6:g} MHz; the longest path ends at {cells[-1]}; another "
                         "--seed may do better")
    return achieved, cells
