"""Makes Verilator write small and fast code for a grid of many equal tiles.

Left alone, Verilator inlines every module into the top and writes code for each of its instances:
more than a processor's caches hold. Here a module that the design has more than once stays a
module of its own, whose instances run the same code; that needs its inputs to be variables of its
own, too, not names for signals elsewhere. And the reset goes through a register, so that the
logic behind it depends on registers alone and is not evaluated again whenever an input changes.
"""

import re
from collections import Counter

__all__ = ["shared_code", "with_reset_register"]

_PORT = re.compile(r"^  (input|output) (\[\d+:\d+\] )?\\?(\S+?) ?;$", re.M)
_INSTANCE = re.compile(r"^  \\?(\S+) +\\?\S+ +\($", re.M)

#: Inputs that are the same signal for all instances.
_COMMON = ("clk", "rst")


def _bodies(verilog):
    """Return the text of each module, by name."""
    bodies = {}
    for text in verilog.values():
        for part in f"\n{text}".split("\nmodule ")[1:]:
            name = part.split("(", 1)[0].strip().removeprefix("\\")
            bodies[name] = part.split("\nendmodule", 1)[0]
    return bodies


def _instances(parts, top):
    """Return how many instances of each module there are below a top module."""
    counts, waiting = Counter(), [(top, 1)]
    while waiting:
        name, times = waiting.pop()
        counts[name] += times
        waiting += [(part, times * count) for part, count in parts[name].items()]
    return counts


def shared_code(verilog, top):
    """Return a Verilator configuration by which equal components share their code.

    Parameters
    ----------
    verilog : dict of str to str
        Verilog files by name, as Yosys writes them; a component is a module that has a file of
        its name.
    top : str
        The top module.
    """
    bodies = _bodies(verilog)
    parts = {name: Counter(found for found in _INSTANCE.findall(body) if found in bodies)
             for name, body in bodies.items()}
    lines = ["`verilator_config"]
    for name, count in sorted(_instances(parts, top).items()):
        # What is named after the module around it shares code as a part of that.
        inner = any(name in found and name.startswith(f"{outer}_")
                    for outer, found in parts.items() if outer != top)
        if count < 2 or inner or f"{name}.v" not in verilog:
            continue
        lines.append(f'no_inline -module "{name}"')
        lines += [f'public_flat_rd -module "{name}" -var "{port}"'
                  for kind, _, port in _PORT.findall(bodies[name])
                  if kind == "input" and port not in _COMMON]
    return "\n".join(lines) + "\n"


def with_reset_register(verilog, top, name):
    """Return the Verilog of a module that has the ports of ``top``, and delays its reset.

    Parameters
    ----------
    verilog : dict of str to str
        Verilog files by name.
    top : str
        The module, with inputs ``clk`` and ``rst``.
    name : str
        What to call the new module.
    """
    ports = _PORT.findall(_bodies(verilog)[top])
    names = [port for _, _, port in ports]
    wires = ", ".join(f".{port}({'reset' if port == 'rst' else port})" for port in names)
    return "\n".join([
        f"module {name}({', '.join(names)});",
        *(f"  {kind} {width}{port};" for kind, width, port in ports),
        "  reg reset = 1'h1;",
        "  always @(posedge clk) reset <= rst;",
        f"  {top} {top} ({wires});",
        "endmodule", ""])
