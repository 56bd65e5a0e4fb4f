import pytest

from hdl.hierarchy import Modules
from hdl.target import TARGETS
from hdl.tile import Tile, tile_kind
from hdl.verilog import modules
from sim.rtl.cocotb_runner import run_cocotb


@pytest.fixture(scope="module")
def tile():
    library = Modules()
    name = tile_kind(convolver=True, dma=True)
    return name, modules(name, Tile(TARGETS["tiny"], convolver=True, dma=True, library=library),
                         library)


@pytest.mark.rtl
@pytest.mark.parametrize("seed, stall", [(1, 0), (2, 0.3), (3, 0.6)])
def test_tile_runs_two_steps(tile, tmp_path, seed, stall):
    name, design = tile
    run_cocotb(design, name, "tests.rtl.tile_bench", tmp_path,
               environment={"TILE_SEED": str(seed), "TILE_STALL": str(stall)})
