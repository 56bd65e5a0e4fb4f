# amaranth: UnusedElaboratable=no
"""MACs of cells; tests/hdl/convolver/test_mac.py has those of logic."""

from dataclasses import replace

import pytest

from hdl.convolver.multiply_add import MultiplyAdd
from hdl.target import LATTICE, XILINX, get_target

from .golden import random_step
from .harness import Bench


def test_the_head_of_a_lane_cannot_be_the_first_of_a_column():
    with pytest.raises(ValueError, match="^the head of a lane cannot be the first cell of a "):
        MultiplyAdd(36, head=True, linked=False)


@pytest.mark.rtl
@pytest.mark.parametrize(("name", "primitives", "seeds"), [
    ("tiny", XILINX, 20), ("tiny", LATTICE, 20),
    pytest.param("virtex6-lx240t", XILINX, 20, marks=pytest.mark.slow),
    pytest.param("ecp5-85k", LATTICE, 20, marks=pytest.mark.slow)])
def test_a_convolver_of_cells_convolves(name, primitives, seeds):
    target = replace(get_target(name), primitives=primitives)
    with Bench(target) as bench:
        for seed in range(seeds):
            print("seed", seed)
            step = random_step(target, seed)
            bench.run(step, stalls=[seed % 3 * 30] * 5, seed=seed, limit=200_000).check(step)
