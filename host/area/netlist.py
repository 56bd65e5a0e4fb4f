"""Synthesis of one component by Yosys, with the components it contains as black boxes."""

import json
import re
from collections import Counter
from pathlib import Path

from sim.rtl.toolchain import ToolchainError

from . import yosys

__all__ = ["FAMILIES", "components", "contained", "counted", "synthesise"]

_XILINX = "synth_xilinx -family xc6v -top {top} -flatten -noiopad"

#: Mapping for depth, then for area, twice: the second time from the look-up tables of the first.
_ABC = ("+&scorr;&sweep;&dc2;&dch,-f,-r;&ps;&if,-W,300;&mfs;"
        "&st;&syn2;&dch,-f;&if,-W,300;&mfs")

#: Yosys' script for each family.
FAMILIES = {
    # Yosys builds wide multiplexers from look-up tables alone, or (-widemux) from one for every
    # two inputs; a slice's own multiplexers make it one for every four. Its own costs make two
    # small tables cheaper than a large one, since a place may hold both; here each one counts.
    "xc6v": (f"{_XILINX} -run begin:fine; simplemap t:$mux; "
             "muxcover -nodecode -mux4=100 -mux8=170 -mux16=340; techmap -map mux_map.v; "
             f"simplemap t:$mux; opt -full; {_XILINX} -run fine:map_luts; "
             f"opt_expr -mux_undef -noclkinv; abc9 -lut tables.lut -W 300 -script {_ABC}; clean; "
             "xilinx_srl -fixed -minlen 3; techmap -map +/xilinx/lut_map.v "
             "-map +/xilinx/cells_map.v -D LUT_WIDTH=6; xilinx_dffopt; opt_lut_ins -tech xilinx; "
             f"{_XILINX} -run finalize:"),
    "ecp5": "synth_ecp5 -top {top}",
}

#: Files that the scripts name.
_FILES = ("mux_map.v", "tables.lut")

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


def counted(contained):
    """Return how often each component stands in the whole.

    Parameters
    ----------
    contained : dict of str to dict of str to int
        How many of each other component a component contains; one is contained in none.

    Returns
    -------
    Counter
        Number by component; each before all that it contains.
    """
    order = []

    def visit(name):
        for part in contained[name]:
            visit(part)
        if name not in order:
            order.append(name)

    inside = {part for parts in contained.values() for part in parts}
    for name in contained.keys() - inside:
        visit(name)
    number = Counter({order[-1]: 1})
    for name in reversed(order):
        for part, many in contained[name].items():
            number[part] += many * number[name]
    return Counter({name: number[name] for name in reversed(order)})


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
    files = contained(top, found)
    files |= {name: Path(__file__).with_name(name).read_text() for name in _FILES}
    command = FAMILIES[family].format(top=top)
    digest = yosys.key(command, *files.values())
    return yosys.cached(f"{digest}.netlist.json.gz", lambda: _run(top, files, command))


def contained(top, found):
    """Return the text of one component and those of what it contains, ``top.v`` and ``stubs.v``."""
    text = found[top]
    stubs = "".join(_stub(found[name], name) for name in sorted(found)
                    if name != top and _instances(text, name))
    return {"top.v": text, "stubs.v": stubs}


def _run(top, files, command):
    script = (f"read_verilog top.v; read_verilog -lib stubs.v; {command}; "
              f"write_json -noscopeinfo netlist.json")
    made = yosys.run(top, files, script, ["netlist.json"])
    module = json.loads(made["netlist.json"])["modules"][top]
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
                                  if "REG" in key},
                   cell["port_directions"], cell["connections"]]
                  for cell in module["cells"].values()],
        "names": {str(bit): name for bit, name in names.items()},
    }
