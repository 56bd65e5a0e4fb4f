"""Generate the Verilog of a target: one file a distinct component."""

import os
from pathlib import Path

from amaranth.back import verilog

from .control.cpu import cpu_verilog
from .hierarchy import Modules
from .target import LATTICE, XILINX
from .top import Top

__all__ = ["MODELS", "TOP", "generate", "models", "modules"]

#: Name of the top module and, with ``.v``, of its file.
TOP = "neuflow"

#: Files with models of the cells, by ``Target.primitives``.
MODELS = {family: Path(__file__).parent / "models" / f"{cell}.v"
          for family, cell in ((XILINX, "DSP48E1"), (LATTICE, "MULT18X18D"))}


def _convert(component, name, platform):
    # The pinned Yosys, so that equal sources give equal text on every machine.
    os.environ.setdefault("AMARANTH_USE_YOSYS", "builtin")
    return verilog.convert(component, name=name, platform=platform, emit_src=False,
                           strip_internal_attrs=True)


def modules(name, component, library, progress=None, platform=None):
    """Return the Verilog of a component and of all modules it is made from.

    Parameters
    ----------
    name : str
        Module name of the component.
    component : wiring.Component
        Not elaborated yet; it takes its parts from ``library``.
    library : Modules
        The component's library.
    progress : callable, optional
        Called with the name of each module when it is done.
    platform : str, optional
        Device family whose cells the modules may use, see ``Target.primitives``.

    Returns
    -------
    dict of str to str
        Text by file name; one module a file.
    """
    files, waiting = {}, {name: component}
    while waiting:
        module, made = waiting.popitem()
        files[f"{module}.v"] = _convert(made, module, platform)
        if progress:
            progress(module)
        waiting = {other: found for other, found in library.components.items()
                   if f"{other}.v" not in files}
    return files


def generate(target, progress=None, link=None):
    """Return the Verilog-2001 of a target, as a dict of file name to text.

    Every distinct component is one module in a file of its own; the control processor's file is
    the one its package brings. Cells of ``target.primitives`` are not defined; see `models`.

    Parameters
    ----------
    target : Target
        The machine.
    progress : callable, optional
        Called with the name of each module when it is done.
    link : Link, optional
        Gives the machine a serial link.
    """
    library = Modules()
    files = modules(TOP, Top(target, library=library, link=link), library, progress,
                    target.primitives or None)
    for path in map(Path, cpu_verilog()):
        files[path.name] = path.read_text(encoding="utf-8")
    return files


def models(target):
    """Return models of the cells that a target's Verilog uses, as a dict of file name to text.

    For simulators and linters; synthesis tools bring the cells of their devices.
    """
    paths = [MODELS[target.primitives]] if target.primitives else []
    return {path.name: path.read_text(encoding="utf-8") for path in paths}
