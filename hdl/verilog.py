"""Generate the Verilog of a target: one file a distinct component."""

import os
from pathlib import Path

from amaranth.back import verilog

from .control.cpu import cpu_verilog
from .hierarchy import Modules
from .top import Top

__all__ = ["TOP", "generate"]

#: Name of the top module and, with ``.v``, of its file.
TOP = "neuflow"


def _convert(component, name):
    # The pinned Yosys, so that equal sources give equal text on every machine.
    os.environ.setdefault("AMARANTH_USE_YOSYS", "builtin")
    return verilog.convert(component, name=name, emit_src=False, strip_internal_attrs=True)


def generate(target, progress=None):
    """Return the Verilog-2001 of a target, as a dict of file name to text.

    Every distinct component is one module in a file of its own; the control processor's file is
    the one its package brings. ``progress`` is called with the name of each module when done.

    Parameters
    ----------
    target : Target
        The machine.
    progress : callable, optional
        Takes a module's name.
    """
    library = Modules()
    waiting = {TOP: Top(target, library=library)}
    files = {}
    while waiting:
        name, component = waiting.popitem()
        files[f"{name}.v"] = _convert(component, name)
        if progress:
            progress(name)
        waiting = {other: found for other, found in library.components.items()
                   if f"{other}.v" not in files}
    for path in cpu_verilog():
        files[Path(path).name] = Path(path).read_text(encoding="utf-8")
    return files
