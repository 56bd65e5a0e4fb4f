"""Where the binary point of each tensor and of each kernel stands.

Each tensor takes as many bits behind the point as its range allows; nodes that only choose, repeat
or average samples keep the point; then points move left where an operator's shifts could not align
them, and where tensors that are joined or that meet the same kernels are to be alike.
"""

import hashlib
import math

import numpy as np

from .errors import QuantisationError
from .factors import factor_exponents
from .functions import get_function
from .graph import (
    Activation,
    ArgMax,
    Concat,
    Constant,
    Conv,
    Elementwise,
    Move,
    Pool,
    Reduce,
    Reshape,
    Upsample,
)

__all__ = ["ACCUMULATOR_LIMIT", "HIGHEST", "LOWEST", "MAX_CONV_SHIFT", "choose_fractions",
           "range_fractions", "weight_fraction", "whole_numbers"]

LOWEST, HIGHEST = -32768, 32767

#: Accumulators have 36 bits: every partial sum must stay below this in magnitude.
ACCUMULATOR_LIMIT = 1 << 35

#: Largest right shift behind a convolution.
MAX_CONV_SHIFT = 35

#: What a tensor may exceed its calibrated range by before it saturates. Squares vary more than
#: what is squared, and means of squares more than single ones: brighter data saturates them first.
HEADROOM, SQUARE_HEADROOM = 1.125, 2.0

#: Left shifts of an elementwise operator, and the right shift of its requantisation.
MAX_ALIGN, MAX_SHIFT = 15, 31

#: Left shift of a dividend.
MAX_DIVIDE_SHIFT = 15

#: Bits that a sum drops with a bias worth avoiding.
MOST_BIASED = 2

#: Bits that a tensor which others read, too, gives up to be concatenated without being copied.
MOST_GIVEN_UP = 2

#: Weights from which on convolutions with the same kernels are kept alike, to load them once, and
#: the bits that a tensor gives up for it.
SHARED_WEIGHTS, MOST_SHARED = 1024, 1

#: How much finer than its input the output of a curved function may be: the mapper's slopes.
FINER = 6

_SMALLEST, _LARGEST, _DEFAULT = -16, 30, 8


def whole_numbers(graph):
    """Return the tensors of whole numbers, of maps or places: their point stands at the end."""
    return {node.output for node in graph.nodes if isinstance(node, ArgMax)
            or (isinstance(node, Reduce) and node.kind == "argmax")
            or (isinstance(node, Activation) and get_function(node.function).whole)}


def range_fractions(graph, ranges, useful):
    """Return for each tensor the most bits behind the point that hold its range, with headroom.

    None where the point hardly matters.

    Parameters
    ----------
    graph : Graph
        A simplified graph.
    ranges : dict of str to Ranges
        What calibration measured.
    useful : dict of str to tuple
        Range of each tensor beyond which it may saturate.
    """
    numbers, headroom = whole_numbers(graph), _headroom(graph)
    return {name: 0 if name in numbers else _fraction(
        ranges[name], headroom.get(name, HEADROOM), *useful.get(name, (-math.inf, math.inf)))
        for name in graph.shapes}


def choose_fractions(graph, wanted):
    """Return the bits behind the point of every tensor.

    Parameters
    ----------
    graph : Graph
        A simplified graph.
    wanted : dict of str to int or None
        What each tensor would have if it were alone.

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
        points.lower(name, wanted[name])
    points.settle()
    families = _families(graph)
    while True:
        changed = False
        for node in graph.nodes:
            changed |= _align(points, node)
        for family in families:
            for names in ([node.inputs[0] for node in family], [node.output for node in family]):
                changed |= points.agree(names, family[0], MOST_SHARED,
                                        "to load the weights of several layers once")
        if not changed:
            return {name: points[name] for name in graph.shapes}, list(points.notes.values())


def _headroom(graph):
    """Return the headroom of squares, of what is linear in them, and of their roots, by name."""
    headroom = {}
    for node in graph.nodes:
        factors = {headroom.get(name) for name in node.inputs}
        if isinstance(node, Elementwise) and node.operation == "mul" and len(set(node.inputs)) == 1:
            headroom[node.output] = SQUARE_HEADROOM
        elif None in factors or not factors:
            continue
        elif isinstance(node, Activation):
            if node.function == "sqrt":
                headroom[node.output] = math.sqrt(max(factors))
        elif not (isinstance(node, Elementwise) and node.operation in ("mul", "div")):
            headroom[node.output] = max(factors)
    return headroom


def _fraction(found, headroom, low, high):
    """Return the most bits behind the point for a measured range, cut to the useful one.

    None for zeros alone, or numbers that all saturate: the point hardly matters.
    """
    # Headroom is for numbers calibration has not seen; the ends of the useful range are certain.
    sizes = [min(found.high * headroom, high), min(-found.low * headroom, -low)]
    largest = max(sizes)
    if largest <= 0:
        return None
    return min(max(math.floor(math.log2(-LOWEST / largest)), _SMALLEST), _LARGEST)


def _families(graph):
    """Return the lists of convolutions that have the same large kernels."""
    families = {}
    for node in graph.nodes:
        if isinstance(node, Conv) and node.weights.size >= SHARED_WEIGHTS:
            digest = hashlib.sha256(np.ascontiguousarray(node.weights)).digest()
            families.setdefault((node.weights.shape, digest), []).append(node)
    return [family for family in families.values() if len(family) > 1]


def _keeps_point(node):
    """Return whether a node's output has the point of its input, which makes it exact."""
    if isinstance(node, Activation):
        return get_function(node.function, node.parameters).keeps
    if isinstance(node, Elementwise):
        return node.constant is not None
    if isinstance(node, Reduce):
        return node.kind in ("max", "min")
    return isinstance(node, (Pool, Reshape, Upsample))


def _joined(graph, node):
    """Return the inputs of a Concat or Move that are to have its output's point.

    A tensor that others read, too, keeps its own and is copied; unless nothing but constants is
    put beside it.
    """
    makers = {name: graph.producer(name) for name in node.inputs}
    computed = [name for name, maker in makers.items() if not isinstance(maker, Constant)]
    return [name for name in makers if graph.only_reader(name)
            or (isinstance(node, Move) and computed == [name])]


class _Points:
    """Fractions of tensors, those that must be equal held as one."""

    def __init__(self, graph):
        self.graph = graph
        self._leader = {name: name for name in graph.shapes}
        self._value, self._wanted = {}, {}
        self._settled = False
        self.notes = {}
        for node in graph.nodes:
            if _keeps_point(node):
                self._join(node.output, node.inputs[0])
            elif isinstance(node, (Concat, Move)):
                for name in _joined(graph, node):
                    self._join(name, node.output)

    def _join(self, first, second):
        self._leader[self._find(first)] = self._find(second)

    def _find(self, name):
        while self._leader[name] != name:
            name = self._leader[name]
        return name

    def __getitem__(self, name):
        return self._value[self._find(name)]

    def settle(self):
        """Give points to the tensors that have none; start to take notes of what is lowered."""
        for node in self.graph.nodes:
            if isinstance(node, (Concat, Move)):
                # They must not make what they are concatenated with coarser.
                known = [self._value[leader] for leader in map(self._find, node.inputs)
                         if leader in self._value]
                for name in node.inputs:
                    self._value.setdefault(self._find(name), min(known, default=_DEFAULT))
        for name in self.graph.shapes:
            self._value.setdefault(self._find(name), _DEFAULT)
        self._settled, self._wanted = True, dict(self._value)

    def same(self, first, second):
        """Return whether two tensors have one point by their nature."""
        return self._find(first) == self._find(second)

    def agree(self, names, node, most, why):
        """Bring tensors to the least fraction of them, but none by more than ``most`` bits."""
        least = min(self[name] for name in names)
        # All of them are lowered, not only the first.
        changes = [self.lower(name, least, node, why) for name in names
                   if self._wanted[self._find(name)] - least <= most]
        return any(changes)

    def lower(self, name, fraction, node=None, why="to match the shifts of the layer"):
        """Bring a tensor's fraction down to ``fraction``; return whether that changed it.

        None leaves it.
        """
        if fraction is None:
            return False
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
                f"range allows, {why}")
        return changed


def _align(points, node):
    """Lower fractions until a node's shifts are legal; return whether any changed."""
    if isinstance(node, Conv):
        source = points[node.inputs[0]]
        finest = min(weight_fraction(weights, bias, source, points[node.output], -LOWEST)
                     for weights, bias in zip(node.weights, node.bias, strict=True))
        return points.lower(node.output, source + finest, node)
    if isinstance(node, (Concat, Move)):
        limit = min(points[name] for name in node.inputs)
        return points.lower(node.output, limit, node) \
            | points.agree([*node.inputs, node.output], node, MOST_GIVEN_UP,
                           "to match what it is concatenated with")
    if isinstance(node, Elementwise) and node.constant is None:
        align = {"mul": _align_product, "div": _align_quotient}.get(node.operation, _align_sum)
        return align(points, node, *node.inputs, node.output)
    if isinstance(node, Activation) and not _keeps_point(node):
        finer = FINER
        if node.function == "linear" and node.parameters[0]:
            finer -= math.ceil(math.log2(abs(node.parameters[0])))
        return points.lower(node.output, points[node.inputs[0]] + finer, node)
    if isinstance(node, Reduce) and node.kind == "sum":
        source, output = node.inputs[0], node.output
        finest, coarsest = factor_exponents(node.scale)
        return points.lower(output, points[source] + finest, node) \
            | points.lower(source, points[output] - coarsest, node)
    return False


def _align_sum(points, node, *names):
    limit = min(points[names[0]], points[names[1]], points[names[2]] + MAX_SHIFT - MAX_ALIGN)
    # All three are lowered, not only the first that has to be.
    changes = [points.lower(name, limit + MAX_ALIGN, node) for name in names]
    first, second, output = names
    for name, other in ((first, second), (second, first)):
        # Halves are rounded up: dropping one or two bits here would shift the mean of all samples.
        # The node that makes them has many more bits to round.
        surplus = points[name] - points[output]
        if 0 < surplus <= MOST_BIASED and points[other] <= points[output] \
                and points.graph.only_reader(name) and name not in points.graph.inputs:
            changes.append(points.lower(name, points[output], node, "to be rounded only once"))
    return any(changes)


def _align_product(points, node, first, second, output):
    exact = points[first] + points[second]
    excess = exact - points[output] - MAX_SHIFT
    if excess <= 0:
        return points.lower(output, exact, node)
    if points.same(first, second):
        return points.lower(first, points[first] - (excess + 1) // 2, node)
    finer = max(first, second, key=lambda name: points[name])
    return points.lower(finer, points[finer] - excess, node)


def _align_quotient(points, node, first, second, output):
    changed = points.lower(output, points[first] - points[second] + MAX_DIVIDE_SHIFT, node)
    return changed | points.lower(first, points[output] + points[second], node)


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
    magnitudes = np.abs(weights)
    largest = float(magnitudes.max())
    if largest == 0:
        fraction = max(output_fraction - input_fraction, 0)
    else:
        fraction = math.floor(math.log2((HIGHEST + 0.49) / largest))
    fraction = min(fraction, MAX_CONV_SHIFT + output_fraction - input_fraction)
    total = float(magnitudes.sum())
    while True:
        start = abs(np.floor(bias * 2.0 ** (input_fraction + fraction) + 0.5))
        # Rounding adds half a step to each weight at most: most kernels are far from the limit.
        most = math.ceil(1.001 * (total * 2.0**fraction + 0.5 * weights.size))
        if largest * 2.0**fraction < HIGHEST and int(start) + bound * most < ACCUMULATOR_LIMIT:
            return fraction
        sizes = np.abs(np.floor(weights * 2.0**fraction + 0.5))
        if sizes.max() <= HIGHEST and int(start) + bound * int(sizes.sum()) < ACCUMULATOR_LIMIT:
            return fraction
        fraction -= 1
