import pytest

from hdl.target import get_target
from sim.rtl.design import target_verilog
from sim.rtl.sharing import shared_code, with_reset_register

LEAF = """module leaf(clk, rst, a, \\config , b);
  input clk;
  wire clk;
  input rst;
  wire rst;
  input [3:0] a;
  wire [3:0] a;
  input [7:0] \\config ;
  output b;
endmodule
"""
PAIR = """module pair(clk, rst, a);
  input clk;
  input rst;
  input a;
  leaf one (
    .a(a)
  );
  \\pair.inner inner (
    .a(a)
  );
  pair_part part (
    .a(a)
  );
endmodule

module \\pair.inner (clk, a);
  input clk;
  input a;
endmodule
"""
PART = "module pair_part(a);\n  input a;\nendmodule\n"
TOP = """/* Generated */

module top(clk, rst, x, y);
  input clk;
  input rst;
  input [1:0] x;
  output [4:0] y;
  pair left (
    .a(x)
  );
  pair right (
    .a(x)
  );
  alone only (
    .a(x)
  );
endmodule
"""
ALONE = "module alone(a);\n  input a;\nendmodule\n"
FILES = {"top.v": TOP, "pair.v": PAIR, "leaf.v": LEAF, "alone.v": ALONE, "pair_part.v": PART}


def test_components_that_occur_more_than_once_share_code():
    assert shared_code(FILES, "top").splitlines() == [
        "`verilator_config",
        'no_inline -module "leaf"',
        'public_flat_rd -module "leaf" -var "a"',
        'public_flat_rd -module "leaf" -var "config"',
        'no_inline -module "pair"',
        'public_flat_rd -module "pair" -var "a"']


def test_the_reset_is_delayed_and_nothing_else():
    text = with_reset_register(FILES, "top", "outer")
    assert text.splitlines() == [
        "module outer(clk, rst, x, y);",
        "  input clk;", "  input rst;", "  input [1:0] x;", "  output [4:0] y;",
        "  reg reset = 1'h1;",
        "  always @(posedge clk) reset <= rst;",
        "  top top (.clk(clk), .rst(reset), .x(x), .y(y));",
        "endmodule"]


@pytest.mark.rtl
def test_all_units_of_a_grid_share_code():
    text = shared_code(target_verilog(get_target("tiny")), "neuflow")
    for module in ("operator", "mapper", "fifo_bank"):
        assert f'no_inline -module "neuflow_{module}"' in text
    assert "control" not in text
    assert text.count("public_flat_rd") > 30
