"""From a board to a bitstream by Yosys, nextpnr and ecppack."""

import contextlib
import json
import re
import time
from dataclasses import dataclass

from hdl.boards import BoardError

from ..area.cells import DEVICES
from .seeds import Attempts, numbered
from .tools import find, run

__all__ = ["DESIGN", "Routed", "check_memory", "make", "options"]

#: Name of the design: of the module with the pins, and of the files.
DESIGN = "neuflow_board"

_TOOLS = ("yosys", "nextpnr-ecp5", "ecppack")
_STATISTICS, _REPORT = f"{DESIGN}.stat.json", f"{DESIGN}.report.json"

#: What nextpnr reads, and what it writes that is used.
_NETLIST = (f"{DESIGN}.json", f"{DESIGN}.lpf")
_ROUTED = (f"{DESIGN}.config", f"{DESIGN}.tim", _REPORT)

#: All boards of this flow have the same size of device.
_CHIP = DEVICES["ecp5-85k"][1]

#: Bytes of a block RAM that a memory of bytes can use; the others are parity.
_BLOCK = 2048

#: What Yosys' cells take of an ECP5, by nextpnr's names.
_CELLS = {"TRELLIS_COMB": {"LUT4": 1, "CCU2C": 2, "TRELLIS_DPR16X4": 6},
          "TRELLIS_FF": {"TRELLIS_FF": 1}, "DP16KD": {"DP16KD": 1}, "MULT18X18D": {"MULT18X18D": 1}}
_CAPACITY = {"TRELLIS_COMB": "LUT4", "TRELLIS_FF": "DFF", "DP16KD": "EBR", "MULT18X18D": "MULT18"}

#: Yosys' names of the flip-flops and latches that the device has, and their initial values.
_FLIP_FLOPS = " ".join(f"-cell {cell}" for cell in (
    "$_DFF_?_ 01", "$_DFF_?P?_ r", "$_SDFF_?P?_ r", "$_DFFE_??_ 01", "$_DFFE_?P??_ r",
    "$_SDFFE_?P??_ r", "$_DLATCH_?_ x"))

#: Flip-flops of a component that an enable, or a reset, must share to be wired to their pins;
#: others get it by logic before their inputs.
_LEAST_ENABLED, _NO_RESETS = 16, 1_000_000


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
    seed : int
        Start of nextpnr's random numbers that led to it.
    failed : dict of str to str
        Seeds that did not, and why.
    """

    fmax_hz: float
    utilisation: dict
    bitstream: str
    files: tuple
    seconds: dict
    path: tuple
    seed: int
    failed: dict


def options(seed, modules):
    """Return the overrides of Amaranth's platform for this flow.

    Parameters
    ----------
    seed : int
        Start of nextpnr's random numbers.
    modules : sequence of str
        What Yosys maps on its own, once for all instances, before it dissolves them: mapped as
        one piece, the whole machine makes Yosys 0.70 fail in abc9_ops -reintegrate.
    """
    return {
        "verbose": True, "emit_src": False,
        "script_after_read": _mapping(" ".join(modules)),
        "synth_opts": "-run check:",
        "script_after_synth": f"tee -q -o {_STATISTICS} stat -json -top {DESIGN}",
        # The default router takes hours on this design; timing is judged by `make`.
        "nextpnr_opts": ["--router router2", f"--seed {seed}", f"--report {_REPORT}",
                         "--timing-allow-fail"],
        "ecppack_opts": "--compress",
    }


def _mapping(modules):
    """Return Yosys' commands up to the flat netlist of the device's cells.

    The eight flip-flops of a tile of the device share two resets and their enables, and tables
    that are joined to wider ones must stand together: with all that the design offers of these,
    nextpnr must move cells so far that it finds no routes.
    """
    synth = f"synth_ecp5 -top {DESIGN} -nowidelut"
    return "\n".join((
        f"setattr -mod -set keep_hierarchy 1 {modules}",
        f"{synth} -run begin:map_ffs",
        "opt_clean",
        f"dfflegalize {_FLIP_FLOPS} -mince {_LEAST_ENABLED} -minsrst {_NO_RESETS}",
        f"{synth} -run map_ffs:check",
        f"setattr -mod -unset keep_hierarchy {modules}",
        "flatten",
        "opt_clean",
    ))


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


def make(plan, folder, clock_hz, target, say, seeds, jobs):
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
    seeds : sequence of int
        Starts of nextpnr's random numbers to try, in this order.
    jobs : int
        How many at a time.

    Returns
    -------
    Routed

    Raises
    ------
    BoardError
        If the device is too small, or no seed leads to a routing that reaches the clock.
    ToolchainError
        If a tool is missing or fails.
    """
    for tool in _TOOLS:
        find(tool)
    synthesis, place, pack = json.loads(plan.files[f"build_{DESIGN}.json"])["commands"]
    seconds = {}

    @contextlib.contextmanager
    def timed(command, what):
        say(what)
        started = time.monotonic()
        yield lambda step: step and say(f"{what}: {step}")
        seconds[command[0]] = time.monotonic() - started

    with timed(synthesis, "Synthesising") as tell:
        run(synthesis, folder, lambda line: tell(_yosys_step(line)))
    _check_device(folder, target)
    with timed(place, "Placing and routing") as tell:
        attempts = Attempts(place, folder, _NETLIST, lambda made: _judge(made, clock_hz), tell)
        seed, made, (report, fmax, path), failed = attempts.first(seeds, jobs)
    for name in _ROUTED:
        (made / name).replace(folder / name)
    for name in plan.files:
        if name.startswith("build_"):
            script = folder / name
            script.write_text(numbered(script.read_text(), seed))
    with timed(pack, "Packing the bitstream"):
        run(pack, folder, _ignore)
    utilisation = {_CAPACITY[name]: (use["used"], use["available"])
                   for name, use in report["utilization"].items() if name in _CAPACITY}
    kept = tuple(f"{DESIGN}.{end}" for end in ("bit", "svf", "rpt", "tim", "report.json"))
    return Routed(fmax, utilisation, f"{DESIGN}.bit", kept, seconds, path, seed, failed)


def _yosys_step(line):
    found = re.match(r"[\d.]+ Executing (\S+) pass", line)
    return found and f"pass {found[1]}"


def _ignore(_line):
    return None


def _check_device(folder, target):
    cells = json.loads((folder / _STATISTICS).read_text())["design"]["num_cells_by_type"]
    for resource, kinds in _CELLS.items():
        needed = sum(number * cells.get(kind, 0) for kind, number in kinds.items())
        name = _CAPACITY[resource]
        if needed > _CHIP.capacity[name]:
            raise BoardError(f"{target} needs {needed:,} {name}, {_CHIP.name} has "
                             f"{_CHIP.capacity[name]:,}")


def _judge(folder, clock_hz):
    """Return nextpnr's report, the machine's highest clock and the path that bounds it."""
    report = json.loads((folder / _REPORT).read_text())
    # The board's own clock only feeds the PLL: no path, no entry.
    name, clock = min(report["fmax"].items(),
                      key=lambda item: abs(1e6 * item[1]["constraint"] - clock_hz))
    path = next((part["path"] for part in report["critical_paths"]
                 if part["from"] == part["to"] == f"posedge {name}"), [])
    cells = tuple(dict.fromkeys(step["to"]["cell"] for step in path))
    achieved = 1e6 * clock["achieved"]
    if achieved < clock_hz:
        raise BoardError(f"routed at {achieved / 1e6:.1f} MHz, the machine's clock is "
                         f"{clock_hz / 1e6:g} MHz; the longest path ends at {cells[-1]}")
    return report, achieved, cells
