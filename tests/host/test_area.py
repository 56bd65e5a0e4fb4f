"""What targets take of their devices."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hdl.convolver.chain import COLUMN
from hdl.convolver.convolver import Convolver
from hdl.hierarchy import Modules
from hdl.target import XILINX, get_target
from hdl.verilog import modules
from host import cli
from host.area import cells, levels, netlist, report, standard_cells
from host.files import FileError
from tests.host.test_cli import neuflow

#: Six inputs to one output and a register behind: three levels of what is not one look-up table.
ADDER = """
module part(input [7:0] a, input [7:0] b, output [7:0] o);
  assign o = a + b;
endmodule
"""
WHOLE = """
module whole(input clk, input [7:0] a, output reg [7:0] q);
  wire [7:0] sum;
  reg [7:0] held;
  part first(.a(held), .b(q), .o(sum));
  always @(posedge clk) begin
    held <= a;
    q <= sum ^ {8{&sum}};
  end
endmodule
"""

STORE = """
module store(input clk, input [7:0] to, from, input [11:0] i, output reg [11:0] o);
  reg [11:0] words [255:0];
  always @(posedge clk) begin
    words[to] <= i;
    o <= words[from];
  end
endmodule
"""
PAIR = """
module pair(input clk, input [7:0] a, b, input [11:0] i, output reg [7:0] q, output [23:0] o);
  store first(.clk(clk), .to(a), .from(b), .i(i), .o(o[11:0]));
  store second(.clk(clk), .to(b), .from(a), .i(i), .o(o[23:12]));
  always @(posedge clk) q <= a ^ b;
endmodule
"""
CELLS45 = Path(__file__).parents[2] / "examples" / "asic" / "cells45.lib"


@pytest.mark.parametrize("family, lut", [("xc6v", "LUT"), ("ecp5", "LUT4")])
def test_counts_and_levels_cross_components(family, lut, tmp_path, monkeypatch):
    monkeypatch.setenv("NEUFLOW_CACHE", str(tmp_path))
    found = netlist.components({"part.v": ADDER, "whole.v": WHOLE})
    part = netlist.synthesise("part", found, family)
    whole = netlist.synthesise("whole", found, family)
    timings = {"part": levels.levels(part, {})}
    timing = levels.levels(whole, timings)

    assert set(found) == {"part", "whole"}
    assert timings["part"].inside.levels == 0
    # On Xilinx devices a table and the carry chain, however long; a CCU2C holds both.
    adder = {"xc6v": 2, "ecp5": 1}[family]
    assert max(timings["part"].through["o", 7].values()) == adder
    # All bits of the sum and the exclusive or: two tables, or one of many inputs.
    assert timing.inside.levels in (adder + 1, adder + 2)
    assert timing.inside.signals[-1].startswith("q")
    assert sum(cells.resources(cell[0], family).get(lut, 0) for cell in part["cells"]) >= 8
    assert list(tmp_path.glob("*.netlist.json.gz"))
    assert netlist.synthesise("part", found, family) == part


def test_a_wide_multiplexer_takes_a_table_for_four_inputs(tmp_path, monkeypatch):
    monkeypatch.setenv("NEUFLOW_CACHE", str(tmp_path))
    text = """module mux(input [7:0] a, input [2:0] s, output o);
  assign o = s[2] ? (s[1] ? (s[0] ? a[7] : a[6]) : (s[0] ? a[5] : a[4]))
                  : (s[1] ? (s[0] ? a[3] : a[2]) : (s[0] ? a[1] : a[0]));
endmodule"""
    mapped = netlist.synthesise("mux", {"mux": text}, "xc6v")
    kinds = sorted(cell[0] for cell in mapped["cells"])
    assert kinds == ["LUT6", "LUT6", "MUXF7"]
    four = ("module mux(input [3:0] a, input [1:0] s, output o); "
            "assign o = s[1] ? (s[0] ? a[3] : a[2]) : (s[0] ? a[1] : a[0]); endmodule")
    mapped = netlist.synthesise("mux", {"mux": four}, "xc6v")
    assert [cell[0] for cell in mapped["cells"]] == ["LUT6"]


@pytest.mark.parametrize("registered", [False, True])
def test_no_path_leads_through_a_multiplier_with_registers(registered, tmp_path, monkeypatch):
    monkeypatch.setenv("NEUFLOW_CACHE", str(tmp_path))
    clock = ', .REG_OUTPUT_CLK("CLK0")' if registered else ""
    text = f"""module product(input clk, input [1:0] a, output reg q);
  reg [1:0] held;
  wire p;
  MULT18X18D #(.GSR("DISABLED"){clock}) cell_(
    .CLK0(clk), .CE0(1'b1), .RST0(1'b0), .A0(held[0]), .B0(held[1]), .P0(p));
  always @(posedge clk) begin
    held <= a;
    q <= p;
  end
endmodule"""
    timing = levels.levels(netlist.synthesise("product", {"product": text}, "ecp5"), {})
    assert timing.inside.levels == (0 if registered else 2)


def test_a_loop_of_logic_is_refused():
    loop = {"ports": {}, "names": {}, "cells": [
        ["LUT1", {}, {"I0": "input", "O": "output"}, {"I0": [2], "O": [3]}],
        ["LUT1", {}, {"I0": "input", "O": "output"}, {"I0": [3], "O": [2]}]]}
    with pytest.raises(ValueError, match="^a loop of logic without a register$"):
        levels.levels(loop, {})


@pytest.mark.parametrize("name", [
    "tiny", pytest.param("virtex6-lx240t", marks=pytest.mark.slow)])
def test_each_mac_is_one_cell_and_sums_go_from_cell_to_cell(name):
    target = get_target(name)
    files = modules("neuflow_convolver", Convolver(target), Modules(), platform=XILINX)
    mapped = netlist.synthesise("neuflow_convolver", netlist.components(files), "xc6v")
    macs = [cell for cell in mapped["cells"] if cell[0] == "DSP48E1"]
    assert len(macs) == target.macs
    followers = {}  # by the link that drives them
    firsts = []
    for _, parameters, _, pins in macs:
        registers = {key: int(value, 2) for key, value in parameters.items()}
        # Yosys may add the register before the cell as a second one.
        assert registers["AREG"] in (1, 2) and registers["OPMODEREG"] == 1
        assert all(registers[key] == 1 for key in ("BREG", "MREG", "PREG"))
        link = tuple(pins["PCIN"])
        if set(link) == {"0"}:
            firsts.append(pins)
        else:
            assert link not in followers
            followers[link] = pins
    # Columns of linked cells; between them the sum takes the port of the carry.
    lengths = []
    for last in firsts:
        length = 1
        while (following := followers.get(tuple(last["PCOUT"]))) is not None:
            last, length = following, length + 1
        lengths.append(length)
    assert sum(lengths) == target.macs and max(lengths) <= COLUMN
    assert len(firsts) == -(-target.macs // COLUMN)


def _chain(tables):
    """Return a netlist of a register, so many look-up tables one behind the other, a register."""
    register = {"C": "input", "D": "input", "Q": "output"}
    cells = [["FDRE", {}, register, {"C": [2], "D": [3], "Q": [4]}]]
    cells += [["LUT1", {}, {"I0": "input", "O": "output"}, {"I0": [bit], "O": [bit + 1]}]
              for bit in range(4, 4 + tables)]
    cells.append(["FDRE", {}, register, {"C": [2], "D": [4 + tables], "Q": [99]}])
    return {"ports": {"clk": ["input", [2]]}, "cells": cells,
            "names": {"4": "first[0]", "99": "last[7]"}}


def test_a_long_path_needs_a_reason():
    assert levels.levels(_chain(5), {}).long == ()
    path, = levels.levels(_chain(6), {}).long
    assert (path.levels, path.ends) == (6, ("first", "last"))

    # A path that begins at a port is its container's.
    part = levels.Timing(into={("i", 0): 6})
    whole = {"ports": {"i": ["input", [5]]}, "names": {}, "cells": [
        ["part", {}, {"i": "input"}, {"i": [5]}]]}
    timing = levels.levels(whole, {"part": part})
    assert timing.long == () and timing.into == {("i", 0): 6}

    budget = {"levels": 6, "exceptions": [
        {"from": "first", "to": "l.*", "levels": 6, "reason": "it is a test"}]}
    timing = levels.levels(_chain(6), {})
    assert not report.component("part", 1, {}, timing, budget).excess
    for change in ({"from": "other"}, {"levels": 5}):
        exceptions = [budget["exceptions"][0] | change]
        part = report.component("part", 1, {}, timing, budget | {"exceptions": exceptions})
        assert part.excess == {"levels from first to last": (6, 5)}


@pytest.mark.slow
def test_virtex6_keeps_its_budgets():
    area = report.measure(get_target("virtex6-lx240t"))
    excess = {part.name: part.excess for part in area.components if part.excess}
    assert not excess
    assert all(part.budget for part in area.components if part.resources)


@pytest.mark.slow
def test_command_prints_what_it_measures():
    data = json.loads(neuflow("area", "--target", "tiny", "--json").stdout)
    assert data["total"]["DSP48E1"] == get_target("tiny").multipliers
    assert data["device"] is None
    text = neuflow("area", "--target", "tiny").stdout
    assert "neuflow_convolver" in text


def test_liberty_areas_count_cells_registers_and_memories(tmp_path, monkeypatch):
    monkeypatch.setenv("NEUFLOW_CACHE", str(tmp_path))
    found = netlist.components({"pair.v": PAIR, "store.v": STORE})
    library = standard_cells.check_library(CELLS45)
    store = standard_cells.map_cells("store", found, library)
    pair = standard_cells.map_cells("pair", found, library)
    assert store.memories == (standard_cells.Memory(True, 256, 12, 1, 1),)
    assert (store.number, store.area) == (0, 0)
    # Eight registers and an exclusive or for each; what the two memories take is not in it.
    assert pair.contains == {"store": 2}
    assert pair.sequential == pytest.approx(8 * 4.522)
    assert pair.area == pytest.approx(8 * (4.522 + 1.596))
    assert standard_cells.map_cells("pair", found, library) == pair


@pytest.mark.parametrize("text, message", [
    (None, "No such file or directory"),
    ("a text", "it has no library"),
    ("library (empty) { }", "the library has no cells"),
    ("library (broken) { cell (INV) { area : ", "Yosys cannot read this Liberty file"),
])
def test_a_liberty_file_that_cannot_be_used_is_named(tmp_path, text, message):
    path = tmp_path / "cells.lib"
    if text is not None:
        path.write_text(text)
    done = CliRunner().invoke(cli.app, ["area", "--target", "tiny", "--liberty", str(path)])
    assert done.exit_code == 2 and done.stdout == ""
    assert f"neuflow: error: {path}: " in done.stderr and message in done.stderr


@pytest.mark.parametrize("cell", ["DFF", "all but DFF"])
def test_a_library_without_flip_flops_or_gates_says_what_it_needs(tmp_path, cell):
    whole = CELLS45.read_text()
    start = whole.index("  cell (DFF)")
    gates, flip_flop = whole[:start], whole[start:]
    path = tmp_path / "cells.lib"
    path.write_text(gates + "}" if cell == "DFF" else
                    whole[:whole.index("  cell (")] + flip_flop)
    with pytest.raises(FileError, match="cells.lib: the library lacks cells: it needs a D flip-f"):
        standard_cells.check_library(path)


@pytest.mark.slow
def test_command_prints_areas_of_cells():
    data = json.loads(neuflow("area", "--target", "tiny", "--liberty", CELLS45, "--json").stdout)
    parts = {part["name"]: part for part in data["components"]}
    assert parts["neuflow"]["instances"] == 1
    assert parts["neuflow_operator"]["instances"] == 2 * get_target("tiny").tiles
    assert data["total"]["area"] == pytest.approx(
        sum(part["instances"] * part["area"] for part in parts.values()), abs=0.01)
    assert data["total"]["synchronous_bits"] > 0 and data["total"]["asynchronous_bits"] > 0
    assert "Memories" in neuflow("area", "--target", "tiny", "--liberty", CELLS45).stdout
