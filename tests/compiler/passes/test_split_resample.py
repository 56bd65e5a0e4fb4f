"""Interpolation of any kind and ratio, as convolutions."""

import numpy as np
import pytest

from compiler.graph import Conv, Resample
from compiler.passes.split_resample import split_resample
from compiler.pipeline import simplify
from hdl.target import TARGETS
from tests.compiler.flat_graphs import FlatGraph
from tests.compiler.lower.test_moves import check
from tests.compiler.passes.test_passes import kinds, same


def linear(outputs, inputs, places=None):
    """Return the matrix of linear interpolation; half-pixel centres unless places are given."""
    if places is None:
        places = (np.arange(outputs) + 0.5) * inputs / outputs - 0.5
    places = np.clip(places, 0, inputs - 1)
    return np.maximum(0, 1 - np.abs(places[:, None] - np.arange(inputs)))


def cubic(outputs, inputs):
    """Return the matrix of cubic interpolation with repeated edges."""
    places = (np.arange(outputs) + 0.5) * inputs / outputs - 0.5
    matrix, a = np.zeros((outputs, inputs)), -0.75
    for row, place in enumerate(places):
        for tap in range(int(np.floor(place)) - 1, int(np.floor(place)) + 3):
            d = abs(place - tap)
            weight = ((a + 2) * d - (a + 3)) * d * d + 1 if d <= 1 else \
                ((d - 5) * d + 8) * d * a - 4 * a
            matrix[row, min(max(tap, 0), inputs - 1)] += weight
    return matrix


def antialiased(outputs, inputs):
    """Return the matrix of a triangle as wide as the ratio, rows of which sum to 1."""
    places = (np.arange(outputs) + 0.5) * inputs / outputs - 0.5
    matrix = np.maximum(0, 1 - np.abs(places[:, None] - np.arange(inputs)) * outputs / inputs)
    return matrix / matrix.sum(1, keepdims=True)


def corners(outputs, inputs):
    return linear(outputs, inputs, np.arange(outputs) * (inputs - 1) / max(outputs - 1, 1))


def resampled(shape, rows, columns):
    flat = FlatGraph({"x": shape})
    made = Resample("y", ("x",), "y", "y", rows, columns)
    flat.nodes.append(made)
    flat.shapes["y"] = made.shape(shape)
    return flat.graph("y")


CASES = [
    ((3, 6, 7), linear(12, 6), linear(14, 7), "Move Conv Move"),
    ((3, 6, 7), linear(24, 6), None, "Move Conv Move"),
    ((2, 6, 8), linear(9, 6), linear(4, 8), "Move Conv Move"),
    ((2, 8, 8), linear(4, 8), linear(4, 8), "Conv"),
    ((2, 5, 6), cubic(10, 5), cubic(18, 6), "Move Conv Move"),
    ((2, 12, 16), antialiased(6, 12), None, "Move Conv Move"),
    ((2, 5, 9), corners(9, 5), corners(25, 9), "Move Conv Move"),
    ((2, 7, 6), linear(11, 7), linear(13, 6), "Move Conv Move Move Conv Move"),
    ((2, 7, 6), None, linear(13, 6), "Move Conv Move"),
    ((2, 6, 4), linear(12, 6), linear(11, 4), "Move Conv Move Move Conv Move"),
    ((1, 1, 4), linear(3, 1), None, "Move"),
    ((2, 4, 4), None, None, "Reshape"),
    ((2, 4, 4), np.eye(4)[1:3], np.eye(4)[::-1], "Move"),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]}-{case[3]}")
def test_every_matrix_is_kept(case):
    *fields, made = case
    assert " ".join(kinds(same(resampled(*fields), split_resample))) == made


def test_a_whole_ratio_is_one_depthwise_convolution_between_two_moves():
    after = same(resampled((3, 6, 7), linear(12, 6), linear(14, 7)), split_resample)
    assert kinds(after) == ["Move", "Conv", "Move"]
    conv, = (node for node in after.nodes if isinstance(node, Conv))
    assert conv.weights.shape == (12, 1, 3, 3) and conv.groups == 3


def test_an_odd_ratio_is_a_product_with_the_matrix():
    after = same(resampled((2, 7, 6), linear(11, 7), None), split_resample)
    assert kinds(after) == ["Move", "Conv", "Move"]
    assert after.nodes[1].weights.shape == (11, 7, 1, 1)


@pytest.mark.parametrize("target", ["tiny", "virtex6-lx240t"])
@pytest.mark.parametrize("case", CASES[:4] + CASES[7:9], ids=lambda case: f"{case[0]}-{case[3]}")
def test_the_machine_runs_them(case, target):
    check(simplify(resampled(*case[:3])), TARGETS[target])
