"""The command `neuflow verify`: a program's certificates, proved anew from its file."""

import math
import time
from dataclasses import dataclass

from compiler.program import Program
from sim.verify import verify_program
from sim.verify.accumulators import LIMIT

from . import render

__all__ = ["ProofError", "Verification", "prove", "verify_file"]

#: Faults that an error shows.
_SHOWN = 5

_HEADERS = ("layer", "map", "largest sum", "of the limit", "bits spare", "samples")
_TABLES = ("layer", "function", "from", "to", "steps off")


class ProofError(Exception):
    """A compiled program that the verifier does not prove; the message lists what is wrong."""


@dataclass(frozen=True)
class Verification:
    """What the verifier says of a program file.

    Parameters
    ----------
    path : str
        The file.
    program : compiler.program.Program
        Its content.
    verdict : sim.verify.Verdict
        What was proved, or what is wrong.
    """

    path: str
    program: Program
    verdict: object

    @property
    def agrees(self):
        """Whether everything is proved."""
        return self.verdict.proved

    @property
    def data(self):
        """Everything as a dict."""
        return {
            "program": self.path, "target": self.program.target, "proved": self.agrees,
            "faults": list(self.verdict.faults), "steps": self.verdict.steps,
            "tensors": self.verdict.tensors, "accumulator_limit": LIMIT,
            "sums": [{**vars(one), "range": list(one.range)} for one in self.verdict.sums],
            "tables": [{**vars(one), "fractions": list(one.fractions)}
                       for one in self.verdict.tables],
            "quantisation": self.program.manifest.get("quantisation")}

    def show(self):
        """Print it for people."""
        rows = [(one.layer, one.map, f"{one.sum:,}", f"{abs(one.sum) / LIMIT:.1%}",
                 f"{math.log2(LIMIT / max(1, one.partial)):.2f}",
                 f"{one.range[0]} to {one.range[1]}") for one in self.verdict.sums]
        if rows:
            render.show(render.table(_HEADERS, rows, title="The sums that come nearest to an "
                                     "accumulator's limit", numbers=_HEADERS[1:]))
        rows = [(one.layer, one.function, f"Q{15 - one.fractions[0]}.{one.fractions[0]}",
                 f"Q{15 - one.fractions[1]}.{one.fractions[1]}",
                 "unknown" if one.error is None else one.error) for one in self.verdict.tables]
        if rows:
            render.show(render.table(_TABLES, rows, title="Tables next to the rounded functions, "
                                     "over all samples", numbers=_TABLES[-1:]))
        if not self.agrees:
            render.show(f"{self.path}: NOT proved, {len(self.verdict.faults)} faults:",
                        *(f"  {fault}" for fault in self.verdict.faults))
            return
        render.show(
            f"{self.path}: proved for {self.program.target}. No sum can leave an accumulator; of "
            f"{self.verdict.tensors} tensors none is overwritten while it is needed; in "
            f"{self.verdict.steps} steps no circuit can deadlock and every FIFO's bound holds. "
            "The image holds the graph's weights and tables.")


def verify_file(path, progress=None):
    """Verify a program file.

    Parameters
    ----------
    path : path-like
        The program.
    progress : callable or None
        Called with a text as each part begins.

    Returns
    -------
    Verification

    Raises
    ------
    ProgramError
        If it is no program.
    """
    program = Program.load(path)
    return Verification(str(path), program, verify_program(program, progress))


def prove(program, progress=None):
    """Verify a program that was just compiled.

    Parameters
    ----------
    program : compiler.program.Program
        The program.
    progress : callable or None
        Called with a text as each part begins.

    Returns
    -------
    float
        Seconds that it took.

    Raises
    ------
    ProofError
        If something is not proved.
    """
    begin = time.perf_counter()
    faults = verify_program(program, progress).faults
    if faults:
        more = len(faults) - _SHOWN
        raise ProofError("the compiler's program is not proved, and not written (--no-verify "
                         "writes it): " + "; ".join(faults[:_SHOWN])
                         + (f"; and {more} more" if more > 0 else ""))
    return time.perf_counter() - begin
