"""Loops dealt over DMA channels: every iteration once, in what the registers hold."""

import math
import random

import numpy as np
import pytest

from compiler.lower.nests import MOST_COUNT, Channel, Nest, deal

DEPTH = 16


def walk(loops, table):
    """Return the addresses of a channel in the order in which it goes through them."""
    offsets = np.zeros(1, np.int64)
    for count, stride in loops:
        offsets = (np.arange(count)[:, None] * stride + offsets).ravel()
    return (np.array(table)[:, None] + offsets).ravel()


def expected(nest, index):
    """Return the addresses of a channel of a nest in its order, inner loops last."""
    channel = nest.channels[index]
    loops = (*channel.inner, *zip(nest.counts[::-1], channel.strides[::-1], strict=True))
    return walk(loops, [channel.base])


def random_nest(rng, most, rank):
    counts = tuple(rng.randint(1, most) for _ in range(rng.randint(0, rank)))
    channels = [Channel(rng.randrange(1000), tuple(
        rng.choice((0, 1, -3, 7, 100)) for _ in counts)) for _ in range(2)]
    inner = tuple((rng.randint(1, 3), rng.randint(-5, 5)) for _ in range(rng.randint(0, 2)))
    channels[0] = Channel(channels[0].base, channels[0].strides, inner)
    return Nest(counts, tuple(channels))


@pytest.mark.parametrize("seed", range(60))
def test_all_is_done_once_and_channels_stay_in_step(seed):
    rng = random.Random(seed)
    nests = [random_nest(rng, *rng.choice(((3, 7), (30, 3)))) for _ in range(rng.randint(1, 6))]
    slots = rng.randint(1, 5)
    wanted, made = [], []
    for nest in nests:
        each = math.prod(count for count, _ in nest.channels[0].inner)
        wanted += zip(map(tuple, expected(nest, 0).reshape(-1, each)), expected(nest, 1),
                      strict=True)
    for step in deal(nests, slots, DEPTH):
        assert len({slot for slot, _ in step}) == len(step) <= slots
        for _, job in step:
            assert all(len(loops) <= 4 for loops in job.loops)
            assert all(1 <= len(table) <= DEPTH for table in job.tables)
            first, second = (walk(*pair) for pair in zip(job.loops, job.tables, strict=True))
            assert job.size == len(first)
            made += zip(map(tuple, first.reshape(len(second), -1)), second, strict=True)
    assert sorted(made) == sorted(wanted)


def test_large_work_is_shared_evenly_in_one_step():
    nest = Nest((7, 1000), (Channel(0, (1000, 1)), Channel(5, (1, 7))))
    step, = deal([nest], 4, DEPTH)
    assert len(step) == 4
    assert max(job.size for _, job in step) <= 1.01 * 7000 / 4 + 7


def test_pieces_of_one_kind_share_a_table():
    nests = [Nest((100,), (Channel(1000 * index, (1,)), Channel(100 * index, (1,))))
             for index in range(6)]
    step, = deal(nests, 2, DEPTH)
    assert sorted(len(job.tables[0]) for _, job in step) == [3, 3]


@pytest.mark.parametrize(("rows", "used"), [(10, [6]), (1000, [6, 3])])
def test_small_pieces_run_beside_each_other_and_not_one_by_one(rows, used):
    nests = [Nest((count, size), (Channel(0, (100, 1)), Channel(0, (200, 1))))
             for count, size in ((rows, 60), (10, 5), (10, 7), (10, 9))]
    assert [len(step) for step in deal(nests, 6, DEPTH)] == used


def test_a_loop_longer_than_its_register_is_cut():
    size = 3 * MOST_COUNT + 5
    for step in deal([Nest((size,), (Channel(0, (2,)), Channel(0, (3,))))], 2, DEPTH):
        for _, job in step:
            assert max(count for loops in job.loops for count, _ in loops) <= MOST_COUNT
