"""Runs cocotb benches on the generated Verilog, built by Verilator through the build cache."""

import os
import sys
from pathlib import Path
from xml.etree import ElementTree

import cocotb_tools.config
import pytest
from amaranth.back import verilog
from cocotb_tools.runner import get_runner

from .toolchain import Recipe, build

__all__ = ["run_cocotb"]

#: The repository: benches are imported by their full name from here.
_ROOT = Path(__file__).resolve().parents[2]


def run_cocotb(design, top, test_module, folder, *, verilog_parameters=None, environment=None,
               seed=1, testcase=None, inside=True):
    """Run the cocotb tests of a module on a design; fail the pytest test when they fail.

    Parameters
    ----------
    design : Component or dict of str to str
        An Amaranth component, converted here, or the texts of Verilog files by name.
    top : str
        Name of the top module; a component's Verilog gets this name. The clock is `clk`, the
        reset `rst`.
    test_module : str
        Module with the cocotb tests, as in ``"tests.rtl.router_bench"``.
    folder : path
        Where the run writes, for example pytest's `tmp_path`.
    verilog_parameters : dict, optional
        Values of the top module's Verilog parameters.
    environment : dict of str to str, optional
        Environment variables that the bench reads: how a bench gets its parameters.
    seed : int
        Seed of the bench's random numbers.
    testcase : str or list of str, optional
        Run only these tests of the module.
    inside : bool, optional
        Whether the bench sees more than the top module's signals. Without it large designs, as
        netlists are, build and run faster.

    Returns
    -------
    int
        Number of cocotb tests that ran and passed.

    Notes
    -----
    A bench that drives an input before the first clock edge should set all of them: inputs start
    at 0. Prints of the bench appear in pytest's captured output.
    """
    __tracebackhide__ = True
    if not isinstance(design, dict):
        design = {f"{top}.v": verilog.convert(design, name=top, emit_src=False)}
    executable = build(_recipe(design, top, verilog_parameters or {}, inside))

    folder = Path(folder)
    results = folder.absolute() / f"{test_module}.{top}.xml"
    paths = [str(_ROOT), *(path for path in sys.path if path)]
    try:
        get_runner("verilator").test(
            hdl_toplevel=top, hdl_toplevel_lang="verilog", test_module=test_module,
            build_dir=executable.parent, test_dir=folder, results_xml=str(results), seed=seed,
            testcase=testcase, extra_env=(environment or {}) | {
                "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths))})
    except SystemExit as status:
        pytest.fail(f"{test_module} on {top}: {_summary(results)} (exit code {status.code}); the "
                    "log above says why", pytrace=False)
    passed, failed = _count(results)
    if failed or not passed:
        pytest.fail(f"{test_module} on {top}: {_summary(results)}", pytrace=False)
    return passed


def _recipe(design, top, parameters, inside):
    libraries = cocotb_tools.config.libs_dir
    source = Path(cocotb_tools.config.share_dir) / "lib" / "verilator" / "verilator.cpp"
    return Recipe(
        top=top, verilog=design, cpp={"cocotb_main.cpp": source.read_text()}, product=top,
        verilator_flags=("--vpi", *(("--public-flat-rw",) if inside else ("--public-depth", "1")),
                         "--timescale", "1ns/1ps",
                         *(f"-G{name}={value}" for name, value in parameters.items())),
        linker_flags=(f"-Wl,-rpath,{libraries}", f"-L{libraries}", "-lcocotbvpi_verilator"),
        optimise="-O1")


def _count(results):
    """Return how many tests passed and how many failed, from cocotb's result file."""
    try:
        cases = list(ElementTree.parse(results).iter("testcase"))
    except (OSError, ElementTree.ParseError):
        return 0, 0
    failed = sum(1 for case in cases
                 if case.find("failure") is not None or case.find("error") is not None)
    skipped = sum(1 for case in cases if case.find("skipped") is not None)
    return len(cases) - failed - skipped, failed


def _summary(results):
    passed, failed = _count(results)
    if passed + failed == 0:
        return "no cocotb test ran"
    return f"{failed} of {passed + failed} cocotb tests failed"
