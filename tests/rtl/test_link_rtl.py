import pytest

from hdl.link.serial import SerialLink
from sim.rtl.cocotb_runner import run_cocotb


@pytest.mark.rtl
@pytest.mark.parametrize("divisor", [8, 25])
def test_link_on_a_foreign_line(tmp_path, divisor):
    assert run_cocotb(SerialLink(64, divisor), "link", "tests.rtl.link_bench", tmp_path,
                      environment={"LINK_DIVISOR": str(divisor)}) == 1
