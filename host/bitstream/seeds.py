"""Place and route from one seed after the other, or from several at once, until one succeeds."""

import os
import re
import shlex
import threading

from joblib import Parallel, cpu_count, delayed

from hdl.boards import BoardError
from sim.rtl.toolchain import ToolchainError

from .tools import Halt, run

__all__ = ["MOST_JOBS", "Attempts", "default_jobs", "numbered"]

#: Placements at a time unless told otherwise: each takes 2 to 3 GiB of memory.
MOST_JOBS = 2

#: Wires wanted twice, against the fewest before, from which on the router is said to be lost.
_APART, _SLACK = 2, 200

_SEED = re.compile(r"(--seed\W+)\d+")


def default_jobs():
    """Return how many placements run at a time: one a core, at most `MOST_JOBS`."""
    return min(MOST_JOBS, cpu_count())


def numbered(text, seed):
    """Return a command or a script of nextpnr with another seed."""
    return _SEED.sub(rf"\g<1>{seed}", text)


class Attempts:
    """Runs of nextpnr on one netlist that differ in their seed; the first good one ends the rest.

    Parameters
    ----------
    command : list of str
        nextpnr's; its seed is replaced.
    folder : pathlib.Path
        Where the netlist and the pins are; each run has a folder inside it.
    inputs : sequence of str
        Names of the files that a run reads.
    judge : callable
        ``judge(folder)`` returns what a run made, or raises a `BoardError` if it is not good
        enough.
    say : callable
        Called with what the runs are doing.
    """

    def __init__(self, command, folder, inputs, judge, say):
        self.command, self.folder, self.inputs = command, folder, inputs
        self.judge, self.say = judge, say
        self._halt = Halt()
        self._lock = threading.Lock()
        self._steps = {}  # what each seed that is under way does

    def first(self, seeds, jobs):
        """Return what the first good run made.

        Parameters
        ----------
        seeds : sequence of int
            To begin with, in this order.
        jobs : int
            Runs at a time.

        Returns
        -------
        tuple of (int, pathlib.Path, object, dict)
            The seed, its folder, what the judge made of it; and other seeds, why they failed.

        Raises
        ------
        BoardError
            If no seed leads to an end; the message gives each one's.
        ToolchainError
            If nextpnr itself failed with each seed.
        """
        try:
            # Threads: all that one does is to wait for its nextpnr.
            outcomes = Parallel(n_jobs=jobs, backend="threading", pre_dispatch="n_jobs")(
                delayed(self._attempt)(seed) for seed in seeds)
        finally:
            self._halt.end()
        outcomes = dict(zip(seeds, outcomes, strict=True))
        failed = {seed: end for seed, end in outcomes.items() if isinstance(end, Exception)}
        for seed, end in outcomes.items():
            if end is not None and seed not in failed:
                reasons = {str(other): str(why) for other, why in failed.items()}
                return seed, self._place(seed), end, reasons
        if len(failed) == 1 or all(isinstance(why, ToolchainError) for why in failed.values()):
            raise next(iter(failed.values()))
        reasons = "".join(f"\n  seed {seed}: {why}" for seed, why in failed.items())
        raise BoardError(f"none of the seeds {', '.join(map(str, seeds))} leads to a bitstream:"
                         f"{reasons}\nanother --seed, or more --tries, may do better")

    def _place(self, seed):
        return self.folder / f"seed{seed}"

    def _attempt(self, seed):
        """Return what a run made, why it failed, or None if another one was good before."""
        if self._halt.over:
            return None
        place = self._place(seed)
        place.mkdir()
        for name in self.inputs:
            os.link(self.folder / name, place / name)
        router = _Router()
        try:
            run(shlex.split(numbered(shlex.join(self.command), seed)), place,
                lambda line: self._tell(seed, router.step(line)), self._halt)
            made = self.judge(place)
        except (BoardError, ToolchainError) as error:
            if self._halt.over:
                return None
            return error
        finally:
            with self._lock:
                self._steps.pop(seed, None)
        with self._lock:
            if self._halt.over:
                return None
            self._halt.end()
        return made

    def _tell(self, seed, step):
        if not step:
            return
        with self._lock:
            self._steps[seed] = step
            self.say("; ".join(f"seed {seed} {step}" for seed, step in sorted(self._steps.items())))


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
                             f"nets, now {wanted:,} are")
