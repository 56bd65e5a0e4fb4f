import numpy as np
import pytest

from host.compare import first_difference


def test_equal_outputs_have_no_difference():
    outputs = {"a": np.arange(6, dtype=np.int16).reshape(2, 3), "b": np.array([np.nan, -0.0])}
    assert first_difference(outputs, {name: value.copy() for name, value in outputs.items()}) \
        is None


def test_first_difference_is_named():
    expected = {"a": np.zeros((2, 3), np.int16), "b": np.zeros(4, np.int16)}
    actual = {name: value.copy() for name, value in expected.items()}
    actual["b"][1:3] = 7, 8
    actual["a"][1, 2] = -5
    assert str(first_difference(expected, actual)) == \
        "output 'a' at [1, 2]: expected 0, got -5; 3 of 10 values differ"


def test_every_bit_counts():
    difference = first_difference({"a": np.array([0.0])}, {"a": np.array([-0.0])})
    assert difference.count == 1
    for bit in range(16):
        value = np.zeros(1, np.int16)
        value.view(np.uint16)[0] = 1 << bit
        assert first_difference({"a": np.zeros(1, np.int16)}, {"a": value}).count == 1


@pytest.mark.parametrize("actual, words", [
    ({}, "outputs a cannot be compared with none"),
    ({"b": np.zeros(2)}, "with b"),
    ({"a": np.zeros(3)}, r"float64 of shape \(2,\) cannot be compared with float64 of shape"),
    ({"a": np.zeros(2, np.float32)}, "float32"),
])
def test_what_cannot_be_compared_is_an_error(actual, words):
    with pytest.raises(ValueError, match=words):
        first_difference({"a": np.zeros(2)}, actual)
