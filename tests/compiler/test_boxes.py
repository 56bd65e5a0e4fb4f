"""Loops over flat tensors against NumPy on the tensors' own shapes."""

import random

import numpy as np
import pytest

from compiler.boxes import (
    Walk,
    broadcast_walks,
    concat_boxes,
    extent,
    gather_boxes,
    merge,
    places,
    reduce_walk,
    transpose_box,
)


def apply(boxes, size, *sources):
    """Return what boxes make of flat sources; every sample must be made once."""
    made, times = np.full(size, -1), np.zeros(size, int)
    for box in boxes:
        into = places(box.counts, box.write)
        made[into] = sources[box.source].ravel()[places(box.counts, box.read)]
        times += np.bincount(into.ravel(), minlength=size)
    assert (times == 1).all()
    return made


def random_shape(rng, most=4):
    return tuple(rng.choice((1, 2, 3, 4, 5)) for _ in range(rng.randint(1, most)))


def numbered(shape, start=0):
    return np.arange(start, start + np.prod(shape)).reshape(shape)


@pytest.mark.parametrize("seed", range(30))
def test_transposes_of_any_rank(seed):
    rng = random.Random(seed)
    shape = random_shape(rng, 6)
    order = rng.sample(range(len(shape)), len(shape))
    x = numbered(shape)
    np.testing.assert_array_equal(apply([transpose_box(shape, order)], x.size, x),
                                  x.transpose(order).ravel())


@pytest.mark.parametrize("seed", range(30))
def test_joins_along_any_dimension(seed):
    rng = random.Random(seed)
    shape = random_shape(rng)
    axis = rng.randrange(len(shape))
    shapes = [(*shape[:axis], rng.randint(1, 4), *shape[axis + 1:])
              for _ in range(rng.randint(1, 4))]
    sources = [numbered(one, 1000 * index) for index, one in enumerate(shapes)]
    wanted = np.concatenate(sources, axis)
    np.testing.assert_array_equal(apply(concat_boxes(shapes, axis), wanted.size, *sources),
                                  wanted.ravel())


@pytest.mark.parametrize("seed", range(60))
def test_gathers_with_constants(seed):
    rng = random.Random(seed)
    shape = random_shape(rng)
    indices = [rng.choice((None, [rng.randrange(-1, size) for _ in range(rng.randint(1, 9))],
                           [index // 2 for index in range(2 * size)], list(range(size)) * 3,
                           list(range(size))[::-1], [-1, *range(size), -1, -1]))
               for size in shape]
    maps = [np.arange(size) if index is None else np.array(index)
            for size, index in zip(shape, indices, strict=True)]
    grid = np.meshgrid(*maps, indexing="ij")
    outside = np.any([axis < 0 for axis in grid], axis=0)
    x = numbered(shape)
    wanted = np.where(outside, 777, x[tuple(grid)])
    made = apply(gather_boxes(shape, indices), wanted.size, x, np.array([777]))
    np.testing.assert_array_equal(made, wanted.ravel())


@pytest.mark.parametrize(("index", "boxes"), [
    ([0, 0, 1, 1, 2, 2, 3, 3], 1),
    (list(range(50)) * 3, 1),
    ([0, 0, 1, 2, 2, 3, 4, 4, 5], 2),
    (list(range(9, -1, -1)), 1),
    ([3, 2, 1, *range(8), 6, 5], 3),
    ([0, 1, 2, 3, 4] * 3 + [0, 1], 2),
])
def test_regular_indices_make_few_boxes(index, boxes):
    assert len(gather_boxes((50,), [index])) == boxes


@pytest.mark.parametrize("seed", range(30))
def test_broadcasting_is_that_of_numpy(seed):
    rng = random.Random(seed)
    target = random_shape(rng, 5)
    operands = []
    for _ in range(2):
        shape = [size if rng.random() < 0.6 else 1 for size in target]
        operands.append(numbered(tuple(shape[rng.randrange(len(shape)):])))
    counts, walks = broadcast_walks(target, *(x.shape for x in operands))
    for x, walk in zip(operands, walks, strict=True):
        np.testing.assert_array_equal(x.ravel()[places(counts, walk)].ravel(),
                                      np.broadcast_to(x, target).ravel())


def test_operands_of_one_shape_are_one_loop():
    assert broadcast_walks((2, 3, 4), (2, 3, 4), (2, 3, 4)) == (
        (24,), (Walk(0, (1,)), Walk(0, (1,))))


@pytest.mark.parametrize("seed", range(30))
def test_reductions_over_any_dimensions(seed):
    rng = random.Random(seed)
    shape = random_shape(rng, 5)
    axes = rng.sample(range(len(shape)), rng.randint(1, len(shape)))
    x = numbered(shape)
    kept, reduced, walk = reduce_walk(shape, axes)
    taken = x.ravel()[places((*kept, *reduced), walk)]
    made = taken.reshape(int(np.prod(kept)), -1).sum(1)
    np.testing.assert_array_equal(made, x.sum(tuple(axes)).ravel())


def test_loops_merge_only_where_all_walks_do():
    assert merge((2, 3, 4), (12, 4, 1)) == ((24,), (1,))
    assert merge((2, 3, 4), (12, 4, 1), (0, 4, 1)) == ((2, 12), (12, 1), (0, 1))
    assert merge((1, 1), (5, 7)) == ((), ())


def test_extent_goes_both_ways():
    assert extent((3, 4), Walk(10, (-2, 5))) == (6, 25)
    assert extent((), Walk(10, ())) == (10, 10)
