"""Where the binary point of each tensor and of each kernel stands.

Each tensor takes as many bits behind the point as its range allows; nodes that only choose or
average samples keep the point; then points move left where an operator's shifts could not align
them.
"""

import math

import numpy as np

from .errors import QuantisationError
from .graph import Activation, Add, Conv, Pool, Reshape

__all__ = ["ACCUMULATOR_LIMIT", "HIGHEST", "LOWEST", "MAX_CONV_SHIFT", "choose_fractions",
           "weight_fraction"]

LOWEST, HIGHEST = -32768, 32767

#: Accumulators have 36 bits: every partial sum must stay below this in magnitude.
ACCUMULATOR_LIMIT = 1 << 35

#: Largest right shift behind a convolution.
MAX_CONV_SHIFT = 35

#: What a tensor may exceed its calibrated range by before it saturates.
HEADROOM = 1.125

#: Left shifts of an elementwise operator, and the right shift of its requantisation.
MAX_ALIGN, MAX_SHIFT = 15, 31

#: How much finer than its input the output of a curved function may be: the mapper's slopes.
FINER = 6

_SMALLEST, _LARGEST, _DEFAULT = -16, 30, 8

#: Functions whose output keeps the input's point, which makes them exact.
_KEEP = ("abs", "clip", "identity", "leaky_relu", "relu")


def choose_fractions(graph, ranges, useful):
    """Return the bits behind the point of every tensor.

    Parameters
    ----------
    graph : Graph
        A simplified graph.
    ranges : dict of str to Ranges
        What calibration measured.
    useful : dict of str to tuple
        Range of each tensor beyond which it may saturate.

    Returns
    -------
    dict of str to int
        Fraction by tensor name.
    list of str
        Notes on points that moved left for the sake of an operator.

    Raises
    ------
    QuantisationError
        If no points satisfy all operators.
    """
    points = _Points(graph)
    for name in graph.shapes:
        points.lower(name, _fraction(ranges[name], *useful.get(name, (-math.inf, math.inf))))
    points.settle()
    while True:
        changed = False
        for node in graph.nodes:
            changed |= _align(points, node)
        if not changed:
            return {name: points[name] for name in graph.shapes}, list(points.notes.values())


def _fraction(found, low, high):
    """Return the most bits behind the point for a measured range, cut to the useful one."""
    # Headroom is for numbers calibration has not seen; the ends of the useful range are certain.
    sizes = [min(found.high * HEADROOM, high), min(-found.low * HEADROOM, -low)]
    largest = max(sizes)
    if largest <= 0:
        # Zeros alone, or numbers that all saturate: the point hardly matters.
        return _DEFAULT
    return min(max(math.floor(math.log2(-LOWEST / largest)), _SMALLEST), _LARGEST)


class _Points:
    """Fractions of tensors, those that must be equal held as one."""

    def __init__(self, graph):
        self._leader = {name: name for name in graph.shapes}
        self._value = {}
        self._settled = False
        self.notes = {}
        for node in graph.nodes:
            keeps = isinstance(node, (Pool, Reshape)) \
                or (isinstance(node, Activation) and node.function in _KEEP)
            if keeps:
                self._leader[self._find(node.output)] = self._find(node.inputs[0])

    def _find(self, name):
        while self._leader[name] != name:
            name = self._leader[name]
        return name

    def __getitem__(self, name):
        return self._value[self._find(name)]

    def settle(self):
        """Start to take notes of what is lowered."""
        self._settled = True

    def lower(self, name, fraction, node=None):
        """Bring a tensor's fraction down to ``fraction``; return whether that changed it."""
        leader = self._find(name)
        before = self._value.get(leader, _LARGEST)
        self._value[leader] = min(before, fraction)
        changed = fraction < before
        if changed and self._settled:
            if fraction < -64:
                raise QuantisationError(f"{node.layer}: the numbers around it are too far apart in "
                                        "size for 16-bit samples; scale its weights or inputs")
            self.notes[leader] = (
                f"{node.layer}: {name!r} has {fraction} bits behind the point, fewer than its "
                "range allows, to match the shifts of the layer")
        return changed


def _align(points, node):
    """Lower fractions until a node's shifts are legal; return whether any changed."""
    if isinstance(node, Conv):
        source = points[node.inputs[0]]
        finest = min(weight_fraction(weights, bias, source, points[node.output], -LOWEST)
                     for weights, bias in zip(node.weights, node.bias, strict=True))
        return points.lower(node.output, source + finest, node)
    if isinstance(node, Add):
        first, second = node.inputs
        limit = min(points[first], points[second], points[node.output] + MAX_SHIFT - MAX_ALIGN)
        # All three are lowered, not only the first that has to be.
        changes = [points.lower(name, limit + MAX_ALIGN, node)
                   for name in (first, second, node.output)]
        return any(changes)
    if isinstance(node, Activation) and node.function not in _KEEP:
        return points.lower(node.output, points[node.inputs[0]] + FINER, node)
    return False


def weight_fraction(weights, bias, input_fraction, output_fraction, bound):
    """Return the most bits behind the point that one map's kernels can have.

    The weights fit 16 bits, the shift to the output is legal, and no partial sum of any order can
    leave the accumulator.

    Parameters
    ----------
    weights : numpy.ndarray
        Kernels of one output map.
    bias : float
        Its bias.
    input_fraction, output_fraction : int
        Of the tensors before and behind.
    bound : int
        Largest magnitude of an input sample.
    """
    largest = float(np.abs(weights).max())
    if largest == 0:
        fraction = max(output_fraction - input_fraction, 0)
    else:
        fraction = math.floor(math.log2((HIGHEST + 0.49) / largest))
    fraction = min(fraction, MAX_CONV_SHIFT + output_fraction - input_fraction)
    while True:
        sizes = np.abs(np.floor(weights * 2.0**fraction + 0.5))
        start = abs(np.floor(bias * 2.0 ** (input_fraction + fraction) + 0.5))
        if sizes.max() <= HIGHEST and int(start) + bound * int(sizes.sum()) < ACCUMULATOR_LIMIT:
            return fraction
        fraction -= 1
