import re
from collections import Counter

import pytest

from hdl.control.cpu import cpu_verilog
from hdl.dma_node import node_kind
from hdl.hierarchy import PREFIX
from hdl.link.parameters import Link
from hdl.target import TARGETS, get_target
from hdl.tile import tile_kind
from hdl.top import top_members
from hdl.verilog import TOP, generate, models
from sim.rtl.design import target_verilog

pytestmark = pytest.mark.rtl

_NAME = r"(\\\S+|[A-Za-z_]\w*)"
_MODULE = re.compile(rf"^module {_NAME}\s*(?:#\s*)?\(", re.MULTILINE)
#: Module, perhaps parameters, the instance's name, and the first of its ports.
_INSTANCE = re.compile(rf"^ *{_NAME}\s+(?:#\([^;]*?\)\s*)?{_NAME}\s*\(\s*\.[\\\w]", re.MULTILINE)
_COMMENT = re.compile(r"/\*.*?\*/|\(\*[^)].*?\*\)|//[^\n]*", re.DOTALL)


def modules(text):
    """Return the modules of a file, each with how often it has which others in it."""
    starts = [*_MODULE.finditer(text)]
    ends = [*(match.start() for match in starts[1:]), len(text)]
    return [(match[1].lstrip("\\"),
             Counter(module.lstrip("\\") for module, _ in
                     _INSTANCE.findall(text, match.end(), end)))
            for match, end in zip(starts, ends, strict=True)]


def test_the_reader_of_modules_sees_all_forms():
    text = """
// absent0 a (.x(x));
module one(input clk /* absent1 b ( .x(x) ) */);
  (* keep = 1 *)
  two #(.WIDTH(3)) first (.clk(clk));
  \\one.three  \\second$1 (
    .\\clk$0 (clk)
  );
  assign x = y ? (a) : (b);
endmodule
module \\one.three (clk);
  two first ( .clk(clk));
endmodule
"""
    assert modules(_COMMENT.sub("", text)) == [
        ("one", {"two": 1, "one.three": 1}), ("one.three", {"two": 1})]


@pytest.mark.parametrize("name", TARGETS)
def test_every_target_converts(name):
    target, told = TARGETS[name], []
    files = generate(target, told.append) | models(target)
    cpu = {path.name for path in cpu_verilog()}
    given = cpu | models(target).keys()
    assert [f"{module}.v" for module in told] == [file for file in files if file not in given]
    assert cpu < files.keys()

    found = {file: modules(_COMMENT.sub("", text)) for file, text in files.items()
             if file.endswith(".v")}
    parts = dict(part for made in found.values() for part in made)
    assert len(parts) == sum(map(len, found.values())), "a module is defined twice"
    # Whatever is used is there, and whatever is there is used.
    used, waiting = set(), {TOP}
    while waiting:
        used |= waiting
        waiting = {other for module in waiting for other in parts[module]} - used
    assert sorted(used) == sorted(parts)

    bodies = set()
    for module in told:
        assert module == TOP or module.startswith(PREFIX)
        first, *inner = [made for made, _ in found[f"{module}.v"]]
        assert first == module and all(made.startswith(f"{module}.") for made in inner)
        bodies.add(files[f"{module}.v"].replace(module, "module"))
    assert len(bodies) == len(told), "one component is written twice"

    assert parts[f"{PREFIX}grid"] == Counter(
        PREFIX + tile_kind(tile in target.convolvers, tile in target.dma_tiles)
        for tile in range(target.tiles))
    assert parts[TOP] == Counter(
        PREFIX + node_kind(tile in target.convolvers) for tile in target.dma_tiles) + Counter(
        PREFIX + part for part in ("control", "grid", "interconnect"))


@pytest.mark.parametrize("bus", [True, False])
def test_a_link_adds_its_parts_and_changes_no_other(bus):
    target = get_target("tiny")
    files, plain = target_verilog(target, link=Link(8, bus=bus)), target_verilog(target)
    added = {f"{PREFIX}link.v"} | ({f"{PREFIX}lite_arbiter.v"} if bus else set())
    assert files.keys() - plain.keys() == added and plain.keys() <= files.keys()
    changed = {f"{TOP}.v", f"{PREFIX}interconnect.v"}
    assert {name for name in plain if files[name] != plain[name]} == changed
    ports = set(re.findall(r"^  (?:input|output) (?:\[\d+:0\] )?(\w+);", files[f"{TOP}.v"], re.M))
    assert ports == {"clk", "rst", *top_members(target, Link(8, bus=bus))}
    assert {"rx", "tx"} <= ports and ("s_axil_araddr" in ports) == bus


def test_equal_targets_give_equal_text():
    target = get_target("ecp5-85k")
    assert generate(target) == target_verilog(target)
