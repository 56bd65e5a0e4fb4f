import pytest

from hdl.link.parameters import Link
from hdl.target import TARGETS
from sim.rtl.design import target_verilog
from sim.rtl.lint import _WAIVERS, lint, lint_verilog

pytestmark = pytest.mark.rtl

CLEAN = """
module neuflow(input clk, input rst, input [3:0] a, output reg [3:0] q);
  always @(posedge clk) if (rst) q <= 4'h0; else q <= a;
endmodule
"""


#: The two large machines take a minute each.
LARGE = ("virtex6-lx240t", "asic-45nm")


@pytest.mark.parametrize("name", [
    pytest.param(name, marks=[pytest.mark.slow] if name in LARGE else []) for name in TARGETS])
def test_targets_are_clean(name):
    assert lint(TARGETS[name]) == []


@pytest.mark.parametrize("bus", [True, False])
def test_a_machine_with_a_link_is_clean(bus):
    assert lint_verilog(target_verilog(TARGETS["tiny"], link=Link(8, bus=bus))) == []


@pytest.mark.parametrize("old, new, rule", [
    ("q <= a;", "q <= a & undriven;", "UNDRIVEN"),
    ("q <= a;", "q = a;", "BLKSEQ"),
    ("endmodule", "assign q = a; endmodule", "BLKANDNBLK"),
    ("endmodule", "reg l; always @* if (a[0]) l = a[1]; endmodule", "LATCH"),
    ("endmodule", "inner i(.a(a)); endmodule\nmodule inner(input a, output b); endmodule",
     "PINMISSING"),
    ("endmodule", "absent i(.a(a)); endmodule", "MODMISSING"),
    ("q <= a;", "q <= ;", "syntax error"),
])
def test_real_faults_are_found(old, new, rule):
    text = CLEAN.replace(old, new)
    if "undriven" in text:
        text = text.replace(";\n", "; wire [3:0] undriven;\n", 1)
    assert lint_verilog({"neuflow.v": CLEAN}) == []
    messages = lint_verilog({"neuflow.v": text})
    assert any(rule in message for message in messages), messages


def test_each_waiver_has_a_reason():
    lines = _WAIVERS.read_text().splitlines()
    for before, line in zip(lines, lines[1:], strict=False):
        if line.startswith("lint_off"):
            assert before.startswith(("//", "lint_off")), line
