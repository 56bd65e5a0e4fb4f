import random

import numpy as np
import pytest

from compiler.lower.axis import plan_axis, split_evenly


def _expected(samples, weights, stride, before, first, count):
    padded = {index - before: 0 for index in range(-64, 256)}
    padded.update(dict(enumerate(samples)))
    return [sum(weights[tap] * padded.get((first + output) * stride + tap - before, 0)
                for tap in range(len(weights))) for output in range(count)]


def _framed(axis, memory, weights, frame):
    """Sum the pieces as the chain does: zeros around each frame, masked samples within."""
    total = np.zeros(axis.count, int)
    for piece in axis.pieces:
        values = [0] * frame
        for index in range(axis.data):
            sample = memory[piece.start + index * axis.stride]
            values[piece.lead + index] = sample if index < piece.extent else 0
        for output in range(axis.count):
            for tap in range(piece.taps):
                place = output + tap - axis.pad
                if 0 <= place < frame:
                    weight = weights[piece.first + tap * axis.stride]
                    total[output] += weight * values[place]
    return total.tolist()


@pytest.mark.parametrize("seed", range(300))
def test_pieces_add_up_to_the_convolution(seed):
    rng = random.Random(seed)
    size, stride = rng.randint(1, 20), rng.randint(1, 4)
    before, after = rng.randint(0, 5), rng.randint(0, 5)
    kernel = rng.randint(1, min(9, size + before + after))
    outputs = (size + before + after - kernel) // stride + 1
    first = rng.randrange(outputs)
    count = rng.randint(1, outputs - first)
    taps = rng.randint(1, kernel)
    axis = plan_axis(size, kernel, stride, before, first, count, taps)
    samples = [rng.randint(-99, 99) for _ in range(size)]
    weights = [rng.randint(-99, 99) for _ in range(kernel)]
    # What lies behind the map is noise that must not count; any larger frame is as good.
    memory = samples + [10**6] * 500
    frame = axis.frame + rng.choice((0, 0, 1, 5))
    assert all(piece.start < size for piece in axis.pieces)
    assert _framed(axis, memory, weights, frame) == _expected(
        samples, weights, stride, before, first, count), seed


def test_same_padding_costs_no_position():
    axis = plan_axis(28, 5, 1, 2, 0, 28, 5)
    assert (axis.pad, axis.frame, axis.data) == (2, 28, 28)


def test_strides_become_phases():
    axis = plan_axis(9, 3, 2, 1, 0, 5, 2)
    assert [(piece.first, piece.taps) for piece in axis.pieces] == [(0, 2), (1, 1)]
    assert axis.stride == 2


def test_split_evenly_covers_all():
    assert split_evenly(10, 4) == [(0, 2), (2, 3), (5, 2), (7, 3)]
