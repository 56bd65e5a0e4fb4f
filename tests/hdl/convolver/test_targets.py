"""Random steps on convolvers of other sizes, the full one among them."""

from dataclasses import replace

import numpy as np
import pytest

from hdl.target import get_target

from .golden import Step, random_step
from .harness import Bench

pytestmark = [pytest.mark.rtl, pytest.mark.slow]


@pytest.mark.parametrize(("macs", "kernel_rows", "banks", "contexts"),
                         [(9, 3, 1, 8), (3, 1, 3, 16), (20, 8, 7, 8)])
def test_small_convolvers(macs, kernel_rows, banks, contexts):
    target = replace(get_target("tiny"), macs=macs, kernel_rows=kernel_rows, banks=banks,
                     contexts=contexts)
    with Bench(target) as bench:
        for seed in range(100):
            print("seed", seed)
            step = random_step(target, seed)
            if step.frame[0] * step.frame[1] * (contexts - 4) >= target.lane_length(step.lanes):
                bench.run(step, stalls=[30] * 5, seed=seed, limit=200_000).check(step)


def test_full_convolver():
    target = get_target("virtex6-lx240t")
    with Bench(target) as bench:
        for seed in range(60):
            print("seed", seed)
            step = random_step(target, seed)
            bench.run(step, stalls=[seed % 3 * 30] * 5, seed=seed, limit=200_000).check(step)


@pytest.mark.parametrize(("size", "lanes"), [(10, 1), (7, 2), (5, 4), (4, 6), (3, 11)])
def test_full_convolver_takes_one_cycle_a_sample(size, lanes):
    target = get_target("virtex6-lx240t")
    step = Step(target, np.random.default_rng(size), size, size, (size - 1) // 2, (size - 1) // 2,
                (32, 30), (32, 30), (32, 30), lanes=lanes, entries=5, limit=1 << 13)
    with Bench(target) as bench:
        result = bench.run(step)
    result.check(step)
    assert result.counts.last_active - result.counts.first_active + 1 == 5 * 960
    assert result.counts.active == 5 * 960
