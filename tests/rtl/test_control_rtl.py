import pytest
from amaranth.back import verilog

from hdl.control.control import Control
from hdl.control.cpu import cpu_verilog
from hdl.target import get_target
from sim.rtl.cocotb_runner import run_cocotb

pytestmark = pytest.mark.rtl


@pytest.mark.parametrize("name", ["tiny", "ecp5-85k"])
def test_control_runs_programs(name, tmp_path):
    design = {path.name: path.read_text() for path in cpu_verilog()}
    design["control.v"] = verilog.convert(Control(get_target(name), patience=2000),
                                          name="control", emit_src=False)
    run_cocotb(design, "control", "tests.rtl.control_bench", tmp_path,
               environment={"NEUFLOW_TARGET": name})
