import math

import numpy as np
import pytest

from compiler.fixed import ArgMax, FixedGraph, Reshape, Tensor
from host.samples import InputError, dequantise, join_outputs, quantise, split_inputs


def graph(shape=(1, 1, 2, 3), names=("x",)):
    tensors = {name: Tensor(name, (1, 2, 3), 8) for name in names}
    tensors["y"] = Tensor("y", (6, 1, 1), 4)
    return FixedGraph((Reshape("r", ("x",), "y", "r"),), tensors, names, ("y",),
                      dict.fromkeys(names, shape), {"y": (1, 6)})


def test_quantise_rounds_half_up_and_saturates():
    values = [0, 0.5, -0.5, 1.5, -1.5, 0.49999999, 32767.4, 32767.5, 1e30, -32768.5, -32768.6,
              -1e30]
    assert quantise(values, 0).tolist() == [
        0, 1, 0, 2, -1, 0, 32767, 32767, 32767, -32768, -32768, -32768]
    rng = np.random.default_rng(1)
    for fraction in (-3, 0, 8, 15, 20):
        values = rng.normal(0, 2.0 ** (14 - fraction), 1000)
        expected = [min(max(math.floor(x * 2.0**fraction + 0.5), -32768), 32767) for x in values]
        assert quantise(values, fraction).tolist() == expected


def test_dequantise_is_exact_and_undone_by_quantise():
    samples = np.arange(-32768, 32768).astype(np.int16)
    for fraction in (-3, 0, 8, 15, 20):
        values = dequantise(samples, fraction)
        assert values.dtype == np.float32
        assert values.astype(float).tolist() == [x * 2.0**-fraction for x in range(-32768, 32768)]
        assert np.array_equal(quantise(values, fraction), samples)


def test_single_input():
    for given in (np.ones((1, 1, 2, 3)), {"x": np.ones((1, 1, 2, 3), np.float32)},
                  {"x": np.ones((1, 1, 2, 3), np.uint8)}, {"x": [[[[1] * 3] * 2]]}):
        runs, batched = split_inputs(graph(), given)
        assert not batched
        assert len(runs) == 1
        assert runs[0]["x"].shape == (1, 2, 3) and (runs[0]["x"] == 256).all()


@pytest.mark.parametrize("shape, batch", [((1, 1, 2, 3), (5, 1, 2, 3)), ((1, 6), (5, 6)),
                                          ((2, 3), (5, 2, 3))])
def test_batch(shape, batch):
    values = np.arange(30.0).reshape(batch)
    runs, batched = split_inputs(graph(shape), values)
    assert batched
    assert [run["x"].ravel().tolist() for run in runs] == [
        [256 * value for value in range(6 * n, 6 * n + 6)] for n in range(5)]


def test_outputs():
    runs = [{"y": np.arange(6).reshape(6, 1, 1).astype(np.int16) + n} for n in range(2)]
    single = join_outputs(graph(), runs[:1], False, False)["y"]
    assert single.dtype == np.float32
    assert single.tolist() == [[0, 1 / 16, 2 / 16, 3 / 16, 4 / 16, 5 / 16]]
    stacked = join_outputs(graph(), runs, True, True)["y"]
    assert stacked.dtype == np.int16
    assert stacked.tolist() == [[0, 1, 2, 3, 4, 5], [1, 2, 3, 4, 5, 6]]


def test_numbers_of_maps_are_integers():
    tensors = {"x": Tensor("x", (3, 1, 2), 8), "y": Tensor("y", (1, 1, 2), 0)}
    chooser = FixedGraph((ArgMax("a", ("x",), "y", "a"),), tensors, ("x",), ("y", "x"),
                         {"x": (1, 3, 1, 2)}, {"y": (1, 1, 2), "x": (1, 3, 1, 2)})
    run = {"y": np.array([[[2, 0]]], np.int16), "x": np.zeros((3, 1, 2), np.int16)}
    outputs = join_outputs(chooser, [run], False, False)
    assert outputs["y"].dtype == np.int64 and outputs["y"].tolist() == [[[2, 0]]]
    assert outputs["x"].dtype == np.float32
    assert join_outputs(chooser, [run, run], True, False)["y"].tolist() == [[[2, 0]]] * 2
    assert join_outputs(chooser, [run], False, True)["y"].dtype == np.int16


def array(*place, value=np.nan):
    values = np.zeros((1, 1, 2, 3))
    values[place] = value
    return values


@pytest.mark.parametrize("inputs, words", [
    ({}, "input 'x' is missing"),
    ({"x": array(), "z": array()}, "unknown input 'z'; inputs are x"),
    ({"x": array(0, 0, 1, 2)}, r"'x' must be finite, not nan at \[0, 0, 1, 2\]"),
    ({"x": array(0, 0, 0, 0, value=np.inf)}, r"not inf at \[0, 0, 0, 0\]"),
    ({"x": np.zeros((1, 1, 3, 2))},
     r"must have shape \[1, 1, 2, 3\], or \[N, 1, 2, 3\] for N runs, not \[1, 1, 3, 2\]"),
    ({"x": np.zeros((0, 1, 2, 3))}, r"not \[0, 1, 2, 3\]"),
    ({"x": np.zeros((1, 1, 2, 3), complex)}, "must hold real numbers, not complex128"),
    ({"x": np.zeros((1, 1, 2, 3), bool)}, "not bool"),
    ({"x": "image"}, "must hold real numbers, not <U5"),
    ({"x": [[1, 2], [3]]}, "its rows differ in length"),
    ({"x": None}, "must hold real numbers, not object"),
])
def test_bad_inputs(inputs, words):
    with pytest.raises(InputError, match=words):
        split_inputs(graph(), inputs)


def test_several_inputs():
    two = graph(names=("x", "z"))
    with pytest.raises(InputError, match="has the inputs x, z; give a dict"):
        split_inputs(two, array(value=0))
    with pytest.raises(InputError, match="same number of samples each, not 'x': 2, 'z': 3"):
        split_inputs(two, {"x": np.zeros((2, 1, 2, 3)), "z": np.zeros((3, 1, 2, 3))})
    with pytest.raises(InputError, match="'x': one, 'z': 3"):
        split_inputs(two, {"x": np.zeros((1, 1, 2, 3)), "z": np.zeros((3, 1, 2, 3))})
    runs, _ = split_inputs(two, {"x": np.zeros((2, 1, 2, 3)), "z": np.ones((2, 1, 2, 3))})
    assert len(runs) == 2 and set(runs[0]) == {"x", "z"}
