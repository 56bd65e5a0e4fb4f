"""Calibration data: is it for this network, and which numbers it drives through it."""

import math
from dataclasses import dataclass

import numpy as np

from .errors import CalibrationError
from .execute import execute
from .functions import get_function
from .graph import Activation, Concat, Elementwise, Graph, Move, Pool, Reduce, Reshape, Upsample

__all__ = ["Batches", "Ranges", "check_calibration", "guess_calibration",
           "least_squares", "measure", "useful_ranges"]

#: Random samples used when the user gives none; fewer where their tensors would hold more numbers
#: than these, for a large network has many places that see other numbers.
GUESSED_SAMPLES, GUESSED_NUMBERS = 16, 1 << 25

#: Numbers of one tensor that are held at a time; larger batches are split.
BATCH_NUMBERS = 1 << 22

#: Numbers of all tensors and samples that are kept to be looked at again: 512 MB.
KEPT_NUMBERS = 1 << 26

#: Samples of 16 bits.
LOWEST, HIGHEST = -32768, 32767

#: Bits more than the range allows that `least_squares` tries.
FINER_POINTS = 4


@dataclass(frozen=True)
class Ranges:
    """The smallest and largest value of one tensor, over all samples."""

    low: float
    high: float


def check_calibration(graph: Graph, calibration):
    """Return calibration data as float64 maps (samples, channels, rows, columns).

    Parameters
    ----------
    graph : Graph
        The network.
    calibration : dict of str to array
        For each input, samples of its ONNX shape stacked: in place of a first dimension of 1, in
        front of any other.

    Raises
    ------
    CalibrationError
        If a name, shape, type or value does not fit.
    """
    if not hasattr(calibration, "items"):
        raise CalibrationError("calibration data must be a dict of arrays by input name, not "
                               f"{type(calibration).__name__}")
    known = ", ".join(repr(name) for name in graph.inputs)
    for name in calibration:
        if name not in graph.inputs:
            raise CalibrationError(f"calibration data {name!r} is for no input; the inputs are "
                                   f"{known}")
    checked = {}
    for name in graph.inputs:
        if name not in calibration:
            raise CalibrationError(f"calibration data for input {name!r} is missing; there is data "
                                   f"for {', '.join(map(repr, calibration)) or 'none'}")
        checked[name] = _check_array(graph, name, np.asarray(calibration[name]))
    counts = {name: len(values) for name, values in checked.items()}
    if len(set(counts.values())) > 1:
        raise CalibrationError(f"calibration data has different numbers of samples: {counts}")
    return checked


def _check_array(graph, name, values):
    what = f"calibration data {name!r}"
    if values.dtype.kind not in "fiub":
        raise CalibrationError(f"{what} is of type {values.dtype}; it must be numbers")
    shape = graph.input_shapes[name]
    # Samples take the place of a batch of 1, and stand in front of any other shape.
    inner = shape[1:] if shape[:1] == (1,) else shape
    if values.shape in (shape, (1, *shape)):
        values = values.reshape(1, *inner)
    if values.ndim == 0 or values.shape[1:] != inner or len(values) < 1:
        wanted = ", ".join(["samples", *map(str, inner)])
        raise CalibrationError(f"{what} has shape {list(values.shape)}; it must be ({wanted}) with "
                               "at least one sample")
    values = values.astype(np.float64)
    if not np.isfinite(values).all():
        bad = int((~np.isfinite(values)).sum())
        raise CalibrationError(f"{what} holds {bad} values that are NaN or infinite")
    return values.reshape(len(values), *graph.shapes[name])


def guess_calibration(graph: Graph):
    """Return random samples in -1..1, the same on every machine, for want of the user's data."""
    random = np.random.RandomState(0)
    numbers = sum(math.prod(shape) for shape in graph.shapes.values())
    count = min(max(GUESSED_NUMBERS // numbers, 2), GUESSED_SAMPLES)
    return {name: random.uniform(-1, 1, (count, *graph.shapes[name]))
            for name in graph.inputs}


class Batches:
    """All tensors of the executed graph, for a few samples at a time; can be walked repeatedly.

    What is small enough is executed once and kept.

    Parameters
    ----------
    graph : Graph
        The network.
    samples : dict of str to numpy.ndarray
        Calibration data, as `check_calibration` returns it.
    """

    def __init__(self, graph: Graph, samples):
        self.graph, self.samples = graph, samples
        sizes = [math.prod(shape) for shape in graph.shapes.values()]
        self._count = len(next(iter(samples.values())))
        self._step = max(1, BATCH_NUMBERS // max(sizes))
        self._kept = [] if self._count * sum(sizes) <= KEPT_NUMBERS else None

    def __iter__(self):
        if self._kept:
            yield from self._kept
            return
        made = []
        for start in range(0, self._count, self._step):
            tensors = execute(self.graph, {name: values[start:start + self._step]
                                           for name, values in self.samples.items()})
            if self._kept is not None:
                made.append(tensors)
            yield tensors
        self._kept = self._kept if self._kept is None else made


def measure(graph: Graph, batches):
    """Return the `Ranges` of every tensor over the `Batches` of calibration samples.

    Raises
    ------
    CalibrationError
        If a tensor holds numbers that are not finite, or a function is asked for numbers that its
        table cannot hold.
    """
    ranges = {}
    makers = {node.output: node for node in graph.nodes}
    for tensors in batches:
        for name, values in tensors.items():
            low, high = float(values.min()), float(values.max())
            node = makers.get(name)
            fault = node and _domain_fault(node, ranges)
            if fault:
                raise CalibrationError(f"{node.layer}: {fault}; this is what the calibration data "
                                       "(random numbers in -1..1 if none was given) leads to")
            if not (np.isfinite(low) and np.isfinite(high)):
                where = f"{node.layer}: " if node else ""
                raise CalibrationError(f"{where}tensor {name!r} is not finite for the calibration "
                                       "data")
            before = ranges.get(name, Ranges(low, high))
            ranges[name] = Ranges(min(low, before.low), max(high, before.high))
    return ranges


def least_squares(batches, useful, fractions):
    """Return for tensors the bits behind the point that make the mean square error least.

    More bits round less, fewer clip less: a rare outlier is clipped when all other samples gain
    more by it. Numbers beyond the useful range count as its ends.

    Parameters
    ----------
    batches : Batches
        The executed graph.
    useful : dict of str to tuple
        What `useful_ranges` returned.
    fractions : dict of str to int
        The fewest bits worth trying for each tensor: those that clip nothing.

    Returns
    -------
    dict of str to int
    """
    errors = {name: np.zeros(FINER_POINTS + 1) for name in fractions}
    for tensors in batches:
        for name, fraction in fractions.items():
            values = np.clip(tensors[name], *useful.get(name, (-np.inf, np.inf)))
            for finer in range(FINER_POINTS + 1):
                scaled = np.ldexp(values, fraction + finer)
                kept = np.clip(np.floor(scaled + 0.5), LOWEST, HIGHEST)
                errors[name][finer] += np.ldexp(np.sum((scaled - kept) ** 2),
                                                -2 * (fraction + finer))
    return {name: fraction + int(errors[name].argmin()) for name, fraction in fractions.items()}


def _domain_fault(node, ranges):
    """Return what is wrong with a node's inputs of these ranges, or None."""
    if isinstance(node, Activation):
        found, function = ranges[node.inputs[0]], get_function(node.function, node.parameters)
        if function.positive and (found.low < 0 or (found.low == 0 and not function.zero)):
            return (f"{node.function} of numbers down to {found.low:g}; supported are positive "
                    "numbers")
    return None


def useful_ranges(graph: Graph):
    """Return for each tensor the range beyond which its readers no longer tell values apart.

    A tensor that only tanh reads may saturate at 8, one that only ReLU reads below 0: its format
    need not hold more.
    """
    useful = dict.fromkeys(graph.outputs, (-np.inf, np.inf))
    for node in reversed(graph.nodes):
        through = useful.get(node.output, (-np.inf, np.inf))
        wanted = _wanted(node, through)
        for name in node.inputs:
            low, high = useful.get(name, (np.inf, -np.inf))
            useful[name] = (min(low, wanted[0]), max(high, wanted[1]))
    return useful


def _wanted(node, through):
    """Return the useful range of a node's inputs, given that of its output."""
    if isinstance(node, (Concat, Move, Reshape, Upsample)) \
            or (isinstance(node, (Pool, Reduce)) and node.kind in ("max", "min")):
        return through
    if isinstance(node, Elementwise) and node.constant is not None:
        choose = {"max": max, "min": min}[node.operation]
        return (choose(through[0], node.constant), choose(through[1], node.constant))
    if isinstance(node, Activation):
        if node.function == "relu":
            return (0.0, max(through[1], 0.0))
        function = get_function(node.function, node.parameters)
        return function.useful(*function.parameters)
    return (-np.inf, np.inf)
