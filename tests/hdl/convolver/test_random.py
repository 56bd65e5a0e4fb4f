"""Random steps under Verilator, against plain correlation."""

from random import Random

import numpy as np
import pytest

from hdl.target import get_target

from .golden import Kind, Step, random_step
from .harness import Bench

pytestmark = pytest.mark.rtl
TARGET = get_target("tiny")


def random_stalls(rng):
    return [rng.choice([0, 0, 60, 150, 220]) for _ in range(5)]


@pytest.mark.parametrize("first", range(0, 400, 50))
def test_random_geometries_back_to_back(first):
    with Bench(TARGET) as bench:
        for seed in range(first, first + 50):
            print("seed", seed)
            rng = Random(seed)
            step = random_step(TARGET, seed)
            if rng.random() < 0.3:  # an aborted step before it leaves nothing behind
                bench.run(random_step(TARGET, seed + 1000), limit=rng.randrange(1, 800),
                          stalls=random_stalls(rng), seed=seed)
            bench.run(step, stalls=random_stalls(rng), shy=rng.random() < 0.5,
                      seed=seed, limit=200_000).check(step)


@pytest.mark.parametrize("rows", range(1, 6))
@pytest.mark.parametrize("columns", range(1, 6))
def test_every_kernel_shape_and_padding(rows, columns):
    rng = np.random.default_rng([rows, columns])
    lanes = max(lanes for lanes in range(1, TARGET.banks + 1) if rows <= TARGET.lane_rows(lanes)
                and columns <= TARGET.row_length(lanes, rows))
    with Bench(TARGET) as bench:
        for top in range(rows):
            for left in range(columns):
                # As narrow as the kernel, and wider.
                for data in ((columns, rows), (9, 6)):
                    frame = data
                    while frame[0] * frame[1] < TARGET.lane_length(lanes) + 12:
                        frame = (frame[0], frame[1] + 1)
                    step = Step(TARGET, rng, rows, columns, top, left, frame, data, data,
                                lanes=lanes, entries=2)
                    bench.run(step, seed=1, limit=50_000).check(step)


@pytest.mark.parametrize("columns", [7, 12, 25])
def test_long_one_dimensional_kernels(columns):
    with Bench(TARGET) as bench:
        for left in (0, columns // 2, columns - 1):
            for width in (columns, 60):
                step = Step(TARGET, np.random.default_rng(columns), 1, columns, 0, left,
                            (width, 2), (width, 2), (width, 2),
                            lanes=TARGET.macs // columns, passes=2)
                bench.run(step, stalls=(40, 40, 40, 40, 40)).check(step)


def test_all_sixteen_kinds_and_groups():
    kinds = [Kind(k % 4, k // 4, 1 + k % 5, 1 + k % 3) for k in range(16)]
    step = Step(TARGET, np.random.default_rng(1), 3, 3, 2, 1, (9, 7), (5, 3), (8, 4),
                passes=2, entries=32, groups=16, kinds=kinds, limit=4000)
    with Bench(TARGET) as bench:
        bench.run(step, stalls=(20, 0, 20, 20, 0)).check(step)


def test_one_context_can_outlast_the_ring():
    # 4 passes of 1 entry and 16 groups: the loader runs to the end of the ring and waits.
    step = Step(TARGET, np.random.default_rng(2), 2, 2, 0, 0, (40, 10), (40, 10), (12, 5),
                passes=4, groups=16)
    with Bench(TARGET) as bench:
        bench.run(step).check(step)


@pytest.mark.parametrize("shy", [False, True])
def test_a_hundred_thousand_samples_under_stalls(shy):
    step = Step(TARGET, np.random.default_rng(5), 3, 3, 1, 1, (32, 16), (32, 16), (32, 16),
                lanes=2, lane_streams=[0, 1], passes=26, entries=8, drain_first=(0, 1),
                drain_lanes=(1, 1), limit=1 << 14,
                drain=[(2, 1), (2, 32), (16, 2), (8, 64)])
    with Bench(TARGET) as bench:
        result = bench.run(step, stalls=(80, 60, 40, 90, 70), shy=shy, seed=9)
    result.check(step)
    assert result.sources[0].taken >= 100_000
