"""`neuflow build`: a machine for a board, to a bitstream or to a project for the vendor's tools."""

import contextlib
import json
import os
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from hdl.boards import get_board
from hdl.target import get_target
from hdl.verilog import TOP
from sim.rtl.design import target_verilog

from .. import render
from ..outcome import UsageError
from . import trellis
from .ise import project_files
from .routed import remember
from .seeds import default_jobs

__all__ = ["TRIES", "Built", "build_board"]

#: Seeds tried unless told otherwise.
TRIES = 6


@dataclass(frozen=True)
class Built:
    """What a build made: `data` for programs, `show` for people.

    Parameters
    ----------
    board : Board
        The board.
    target : Target
        The machine on it.
    folder : pathlib.Path
        Where the files are.
    files : tuple of str
        Their names.
    seconds : float
        Time the build took.
    link : Link
        The machine's serial link.
    routed : Routed or None
        What place and route made, where that is done here.
    """

    board: object
    target: object
    folder: Path
    files: tuple
    seconds: float
    link: object
    routed: object = None

    @property
    def data(self):
        """All of it as a JSON value."""
        value = {
            "board": self.board.name, "title": self.board.title, "target": self.target.name,
            "fingerprint": f"{self.target.fingerprint:016x}", "clock_hz": self.target.clock_hz,
            "baud": round(self.target.clock_hz / self.link.divisor),
            "folder": str(self.folder), "files": list(self.files),
            "seconds": round(self.seconds, 1)}
        if self.routed:
            bitstream = self.folder / self.routed.bitstream
            value |= {
                "fmax_hz": round(self.routed.fmax_hz), "seed": self.routed.seed,
                "failed_seeds": self.routed.failed,
                "utilisation": {name: {"used": used, "available": available}
                                for name, (used, available) in self.routed.utilisation.items()},
                "bitstream": {"file": str(bitstream), "bytes": bitstream.stat().st_size},
                "tool_seconds": {tool: round(took, 1)
                                 for tool, took in self.routed.seconds.items()},
                "longest_path": list(self.routed.path)}
        return value

    def show(self):
        """Print it."""
        name = f"{self.target.name} on {self.board.title}"
        if self.routed is None:
            render.show(f"{name}: {len(self.files)} files in {self.folder}; README.md there says "
                        "what is left to do")
            return
        rows = [(resource, f"{used:,}", f"{available:,}", f"{used / available:.1%}")
                for resource, (used, available) in self.routed.utilisation.items()]
        bitstream = self.folder / self.routed.bitstream
        render.show(
            render.table(("resource", "used", "available", "share"), rows, title=name,
                         numbers=("used", "available", "share")),
            f"routed at {self.routed.fmax_hz / 1e6:.1f} MHz with seed {self.routed.seed}, runs at "
            f"{self.target.clock_hz / 1e6:g} MHz; serial line at "
            f"{self.target.clock_hz / self.link.divisor:,.0f} baud",
            f"{bitstream}: {bitstream.stat().st_size:,} bytes, made in {self.seconds / 60:.0f} "
            "minutes")


def build_board(name, output, *, target=None, seed=1, tries=TRIES, jobs=None, progress=None):
    """Build a machine for a board.

    Parameters
    ----------
    name : str
        The board.
    output : path-like
        Folder to write to; nothing is left there if the build fails.
    target : str or None
        The machine (default: the board's own).
    seed, tries : int
        The first of the starts of nextpnr's random numbers to try, and how many.
    jobs : int or None
        How many to try at a time (default: one a core, at most two).
    progress : callable or None
        Called with a text now and then.

    Returns
    -------
    Built

    Raises
    ------
    UsageError
        If there is no such board or machine, or a number is out of range.
    BoardError
        If the machine does not fit the board.
    ToolchainError
        If a tool is missing or fails.
    OSError
        If the folder cannot be written.
    """
    try:
        board = get_board(name)
        machine = get_target(target or board.target)
    except ValueError as error:
        raise UsageError(str(error)) from None
    jobs = default_jobs() if jobs is None else jobs
    if seed < 0 or tries < 1 or jobs < 1:
        raise UsageError(f"a seed must not be negative, tries and jobs must be positive, not "
                         f"{seed}, {tries} and {jobs}")
    return build(board, machine, Path(output), range(seed, seed + tries), jobs,
                 progress or (lambda *_: None))


def build(board, target, folder, seeds, jobs, say):
    """Do what `build_board` does, for a `Board`, a `Target` and the seeds to try."""
    started = time.monotonic()
    board.check(target)
    with _staging(folder) as staging:
        if board.toolchain == "ise":
            files, routed = _project(board, target, staging, say), None
        else:
            files, routed = _bitstream(board, target, staging, seeds, jobs, say)
        built = Built(board, target, folder, files, time.monotonic() - started,
                      board.link(target), routed)
        for name in files:
            (staging / name).replace(folder / name)
    (folder / "build.json").write_text(json.dumps(built.data, indent=2) + "\n")
    return built


@contextlib.contextmanager
def _staging(folder):
    """Give a folder inside ``folder`` that is gone afterwards; so is ``folder`` if left empty."""
    folder.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(dir=folder, prefix=".building-"))
    try:
        yield staging
    finally:
        shutil.rmtree(staging)
        with contextlib.suppress(OSError):
            folder.rmdir()


def _plan(board, target, verilog, overrides):
    """Return the plan of Amaranth's platform for the machine, its Verilog among the files."""
    platform = board.platform()
    for file, text in verilog.items():
        platform.add_file(file, text)
    return platform.prepare(board.top(board, target), trellis.DESIGN, **overrides)


def _project(board, target, staging, say):
    # Amaranth's Verilog writer takes any Yosys without this.
    os.environ.setdefault("AMARANTH_USE_YOSYS", "builtin")
    verilog = target_verilog(target, say, board.link(target))
    files = project_files(board, target, _plan(board, target, verilog, {"emit_src": False}))
    for name, text in files.items():
        (staging / name).write_text(text)
    return tuple(files)


def _bitstream(board, target, staging, seeds, jobs, say):
    trellis.check_memory(target)
    verilog = target_verilog(target, say, board.link(target))
    modules = [Path(file).stem for file in verilog if file.startswith(f"{TOP}_")]
    plan = _plan(board, target, verilog, trellis.options(seeds[0], modules))
    plan.extract(staging)
    routed = trellis.make(plan, staging, target.clock_hz, target.name, say, seeds, jobs)
    remember(board, target, routed)
    return (*plan.files, *routed.files), routed
