"""Compares outputs bit by bit."""

from dataclasses import dataclass

import numpy as np

__all__ = ["Difference", "first_difference"]


@dataclass(frozen=True)
class Difference:
    """Where two sets of outputs differ first, and in how many places.

    Parameters
    ----------
    output : str
        Name of the first output that differs.
    position : tuple of int
        First place in it that differs.
    expected, actual : number
        What stands there.
    count, total : int
        Values that differ, and values compared, over all outputs.
    """

    output: str
    position: tuple[int, ...]
    expected: object
    actual: object
    count: int
    total: int

    def __str__(self):
        return (f"output {self.output!r} at {list(self.position)}: expected {self.expected}, got "
                f"{self.actual}; {self.count} of {self.total} values differ")


def first_difference(expected, actual):
    """Return the first `Difference` between two dicts of arrays, or None if all bits agree.

    Raises
    ------
    ValueError
        If names, shapes or types of the arrays differ: these cannot be compared.
    """
    if expected.keys() != actual.keys():
        raise ValueError(f"outputs {', '.join(expected)} cannot be compared with "
                         f"{', '.join(actual) or 'none'}")
    first, count, total = None, 0, 0
    for name in expected:
        one, other = np.asarray(expected[name]), np.asarray(actual[name])
        if one.shape != other.shape or one.dtype != other.dtype:
            raise ValueError(f"output {name!r}: {one.dtype} of shape {one.shape} cannot be "
                             f"compared with {other.dtype} of shape {other.shape}")
        differ = _bits(one) != _bits(other)
        count += int(np.count_nonzero(differ))
        total += one.size
        if first is None and differ.any():
            position = tuple(int(index) for index in np.argwhere(differ)[0])
            first = (name, position, one[position].item(), other[position].item())
    return Difference(*first, count, total) if first else None


def _bits(array):
    """Return the array's bits as integers, so that -0.0 is not 0.0 and a NaN equals itself."""
    if array.dtype.kind != "f":
        return array
    return np.ascontiguousarray(array).view(f"u{array.dtype.itemsize}").reshape(array.shape)
