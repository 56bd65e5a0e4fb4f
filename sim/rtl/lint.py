"""Checks generated Verilog with Verilator's warnings, all on but those of `waivers.vlt`."""

import re
import tempfile
from pathlib import Path

from hdl.verilog import models

from .design import target_verilog
from .toolchain import run_verilator

__all__ = ["lint", "lint_verilog"]

_WAIVERS = Path(__file__).parent / "waivers.vlt"

#: The first line of a message; "Exiting due to ..." only counts the others.
_MESSAGE = re.compile(r"%(?:Warning|Error)(?:-\w+)?: (?!Exiting )")


def lint(target):
    """Return the warnings that are left about a target's Verilog, one text each."""
    return lint_verilog(target_verilog(target) | models(target))


def lint_verilog(verilog, top="neuflow"):
    """Return the warnings and errors that are left about a set of Verilog files.

    Parameters
    ----------
    verilog : dict of str to str
        Texts of the files, by name.
    top : str
        The top module.
    """
    with tempfile.TemporaryDirectory() as folder:
        for name, text in verilog.items():
            (Path(folder) / name).write_text(text)
        answer = run_verilator(
            ["--lint-only", "-Wall", "-Wno-fatal", "--quiet-stats", "--top-module", top,
             str(_WAIVERS), *(name for name in verilog if name.endswith((".v", ".sv")))], folder)
    messages = [line for line in answer.stdout.splitlines() if _MESSAGE.match(line)]
    if answer.returncode and not messages:
        messages = [answer.stdout.strip()]
    return messages
