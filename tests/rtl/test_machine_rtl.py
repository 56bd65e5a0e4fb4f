import pytest

from hdl.package import WRAPPER, wrapper_ports, wrapper_verilog
from hdl.target import get_target
from sim.rtl.cocotb_runner import run_cocotb
from sim.rtl.design import target_verilog


@pytest.mark.rtl
@pytest.mark.parametrize("seed, pause", [
    (1, 0), (2, 0.4),
    *(pytest.param(seed, pause, marks=pytest.mark.slow)
      for seed, pause in [(3, 0), (4, 0.1), (5, 0.3), (6, 0.7), (7, 0)])])
def test_machine_between_foreign_bus_models(tmp_path, seed, pause):
    target = get_target("tiny")
    verilog = target_verilog(target) | {f"{WRAPPER}.v": wrapper_verilog(wrapper_ports(target))}
    run_cocotb(verilog, WRAPPER, "tests.rtl.machine_bench", tmp_path,
               environment={"MACHINE_SEED": str(seed), "MACHINE_PAUSE": str(pause)})
