"""What place and route made of a machine, kept in the cache for other reports."""

import json
import os
import tempfile

from sim.rtl.design import design_key
from sim.rtl.toolchain import cache_root

__all__ = ["recall", "remember"]


def _path(target):
    """Return the file for a machine, as all that decides its Verilog names it."""
    return cache_root() / f"{design_key(target)}.routed.json"


def remember(board, target, routed):
    """Keep that a machine was routed on a board; a cache that cannot be written is none.

    Parameters
    ----------
    board : Board
        The board.
    target : Target
        The machine.
    routed : Routed
        What was made.
    """
    path = _path(target)
    value = recall(target) | {board.name: routed.fmax_hz}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".partial")
        with os.fdopen(handle, "w") as file:
            json.dump(value, file)
        os.replace(temporary, path)
    except OSError:
        return


def recall(target):
    """Return on which boards this very machine was routed: hertz by the board's name."""
    try:
        return json.loads(_path(target).read_text())
    except (OSError, ValueError):
        return {}
