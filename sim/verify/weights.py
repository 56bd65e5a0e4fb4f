"""Weights in the image: every lane holds bias, shift and kernels of a map of its layer."""

from collections import Counter
from itertools import product

import numpy as np

__all__ = ["Kernels", "multisets"]

#: A random number of 64 bits for each weight; zeros do not count.
_NUMBERS = np.random.default_rng(1).integers(0, 1 << 64, 1 << 16, np.uint64)
_NUMBERS[0] = 0

#: Weights that are looked up at a time.
_AT_ONCE = 1 << 22


def multisets(kernels):
    """Return for each row of weights a number that another choice of weights does not have.

    It is the sum, modulo 2**64, of a random number for each weight: order and zeros do not matter,
    and rows that differ in anything else have the same number with a chance of 2**-64.

    Parameters
    ----------
    kernels : array of int16
        (maps, weights of one).
    """
    rows = max(1, _AT_ONCE // max(1, kernels.shape[1]))
    parts = [_NUMBERS[kernels[first:first + rows].astype(np.uint16)].sum(1)
             for first in range(0, len(kernels), rows)]
    return np.concatenate(parts) if parts else np.zeros(0, np.uint64)


class Kernels:
    """What lanes that work for a convolution may hold.

    A lane makes a rectangle of outputs. Weights that meet nothing but padding there may be left
    out.

    Parameters
    ----------
    node : compiler.fixed.Convolution
        The convolution.
    graph : compiler.fixed.FixedGraph
        Its network.

    Attributes
    ----------
    layer : str
        The user's layer.
    """

    def __init__(self, node, graph):
        self.layer = node.layer
        self._weights = np.asarray(node.weights).astype(np.int16)
        sizes = zip(self._weights.shape[2:], graph.tensors[node.inputs[0]].shape[1:],
                    graph.tensors[node.output].shape[1:], node.stride, node.padding[:2],
                    strict=True)
        self._taps = [_taps_that_meet(*one) for one in sizes]
        slots = list(zip(np.asarray(node.bias).tolist(), np.asarray(node.shift).tolist(),
                         strict=True))
        numbers = multisets(self._weights.reshape(len(slots), -1)).tolist()
        self._whole = {(*slot, number) for slot, number in zip(slots, numbers, strict=True)}
        self._maps = {}
        for index, slot in enumerate(slots):
            self._maps.setdefault(slot, []).append(index)

    def holds(self, bias, shift, number, weights):
        """Return whether a map of the layer has this bias, this shift and these weights.

        Parameters
        ----------
        bias, shift : int
            As the lane takes them.
        number : int
            What `multisets` gives for the weights.
        weights : array of int16
            They themselves.
        """
        return (bias, shift, number) in self._whole or any(
            self._holds(self._weights[index], weights)
            for index in self._maps.get((bias, shift), ()))

    def _holds(self, kernels, weights):
        """Return whether weights are those of a map, but for some that meet nothing."""
        held = _count(weights)
        return held <= _count(kernels) and any(
            _count(kernels * np.outer(rows, columns)) <= held
            for rows, columns in product(*self._taps))


def _count(weights):
    return Counter(weights[weights != 0].tolist())


def _taps_that_meet(taps, size, made, step, before):
    """Return, along one dimension, the taps that meet samples in some range of outputs.

    One array of truth values for each choice of taps that a range can make.
    """
    places = np.arange(made)[:, None] * step + np.arange(taps) - before
    meets = (places >= 0) & (places < size)
    some = meets.any(0)
    first, last = meets.argmax(0), made - 1 - meets[::-1].argmax(0)
    # Between these no tap begins or ceases to meet samples.
    starts, stops = {0, *(last[some] + 1).tolist()}, {made, *first[some].tolist()}
    return np.unique([meets[start:stop].any(0) for start in starts for stop in stops
                      if start < stop], axis=0)
