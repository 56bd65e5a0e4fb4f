import pytest

from hdl.on_chip_memory import OnChipMemory
from sim.rtl.cocotb_runner import run_cocotb

pytestmark = pytest.mark.rtl


@pytest.mark.parametrize(("size", "data_width"), [(4096, 32), (8192, 64)])
def test_memory_against_a_foreign_master(tmp_path, size, data_width):
    assert run_cocotb(
        OnChipMemory(size, data_width, 4), "memory", "tests.rtl.on_chip_memory_bench", tmp_path,
        environment={"MEMORY_SIZE": str(size), "MEMORY_WIDTH": str(data_width)}) == 4
