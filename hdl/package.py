"""A target's Verilog as others take it in: standard ports, file list, FuseSoC core, interface page.

Source of the core's format: FuseSoC's "CAPI2" reference.
"""

from importlib import metadata

import yaml
from amaranth.hdl import Shape
from amaranth.lib.wiring import In

from .document import interface_page
from .top import top_members
from .verilog import TOP, generate, models

__all__ = ["WRAPPER", "package", "wrapper_ports", "wrapper_verilog"]

#: Name of the module with standard ports and, with ``.v``, of its file.
WRAPPER = f"{TOP}_axi"

#: Prefixes of the top's ports, and what they are called outside.
_PREFIXES = {"m_axi_": "m_axi_", "s_axil_": "s_axi_", "": ""}


def wrapper_ports(target, link=None):
    """Return the ports of the wrapper, clock and reset first.

    Parameters
    ----------
    target : Target
        The machine.
    link : Link, optional
        Its serial link.

    Returns
    -------
    list of (str, str, int, str)
        Name, "input" or "output", bits, and the port of the top it is joined to.
    """
    ports = [("aclk", "input", 1, "clk"), ("aresetn", "input", 1, "rst")]
    for name, member in top_members(target, link).items():
        prefix = next(prefix for prefix in _PREFIXES if name.startswith(prefix))
        ports.append((_PREFIXES[prefix] + name.removeprefix(prefix),
                      "input" if member.flow is In else "output",
                      Shape.cast(member.shape).width, name))
    return ports


def wrapper_verilog(ports):
    """Return the Verilog of the wrapper with the ports of `wrapper_ports`."""
    heads = [f"    {kind:<6} wire {f'[{width - 1}:0]' if width > 1 else '':<8} {name}"
             for name, kind, width, _ in ports]
    pins = [f"        .{inner}({'~aresetn' if inner == 'rst' else name})"
            for name, _, _, inner in ports]
    return "\n".join([
        "// The machine under the names of AMBA: AXI4 to memory, AXI4-Lite from the host, and a",
        "// reset that is low when active and synchronous to aclk.",
        f"module {WRAPPER} (", ",\n".join(heads), ");",
        f"    {TOP} machine (", ",\n".join(pins), "    );", "endmodule", ""])


def _core(target, files, models):
    """Return the text of the FuseSoC core."""
    core = {
        "name": f"neuflow:neuflow:{target.name}:{metadata.version('neuflow')}",
        "description": f"NeuFlow, a dataflow processor for convolutional networks ({target.name})",
        "filesets": {name: {"files": sorted(found), "file_type": "verilogSource-2005"}
                     for name, found in (("rtl", files), ("models", models)) if found},
        "targets": {
            "default": {"filesets": ["rtl"], "toplevel": WRAPPER},
            "lint": {
                "description": "Read the sources with Verilator",
                "filesets": ["rtl", *(["models"] if models else [])],
                "toplevel": WRAPPER, "flow": "lint",
                "flow_options": {"tool": "verilator",
                                 "verilator_options": ["-Wno-lint", "-Wno-style"]}},
        },
    }
    return "CAPI=2:\n" + yaml.safe_dump(core, sort_keys=False, width=96)


def package(target, progress=None, link=None):
    """Return a target's Verilog with all that is needed to use it in another design.

    Parameters
    ----------
    target : Target
        The machine.
    progress : callable, optional
        Called with the name of each module when it is done.
    link : Link, optional
        Gives the machine a serial link.

    Returns
    -------
    dict of str to str
        Text by file name: the files of `hdl.verilog.generate`, the wrapper, models of cells,
        ``neuflow.f`` (a file list as Verilator and Icarus Verilog read it), ``neuflow.core``
        (FuseSoC, which gives the models to linters only) and ``INTERFACE.md``.
    """
    files = generate(target, progress, link)
    ports = wrapper_ports(target, link)
    files[f"{WRAPPER}.v"] = wrapper_verilog(ports)
    sources, cells = sorted(files), models(target)
    return files | cells | {
        f"{TOP}.f": "".join(f"{name}\n" for name in sorted(files | cells)),
        f"{TOP}.core": _core(target, sources, sorted(cells)),
        "INTERFACE.md": interface_page(target, WRAPPER, [port[:3] for port in ports], link),
    }
