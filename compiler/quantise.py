"""Post-training quantisation: the float graph and calibration data to the fixed-point graph.

Binary points come from `compiler.points`. From them and from the integer range of every tensor,
each convolution's weights are rounded so that no sum can leave the accumulator, whatever the input.
"""

import hashlib
import math
from dataclasses import dataclass

import numpy as np

from . import fixed
from .calibrate import (
    Batches,
    check_calibration,
    guess_calibration,
    least_squares,
    measure,
    useful_ranges,
)
from .errors import QuantisationError
from .factors import factor_of
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
from .points import (
    ACCUMULATOR_LIMIT,
    HIGHEST,
    LOWEST,
    MAX_CONV_SHIFT,
    MAX_SHIFT,
    choose_fractions,
    range_fractions,
    weight_fraction,
    whole_numbers,
)
from .reach import elementwise_reach, requantise
from .tables import SEGMENTS, evaluate, make_table, table_error

__all__ = ["METHODS", "MOST_TABLE_ERROR", "QuantisationSummary", "TensorSummary", "quantise"]

#: What chooses a tensor's point; see `quantise`.
METHODS = ("range", "mse")

#: Steps that a table may be from its function; more is an error, 2 and more a note.
MOST_TABLE_ERROR = 64

GUESSED = ("no calibration data: the numbers' ranges are guessed from random inputs in -1..1; give "
           "calibration data for a network that is to be accurate")


@dataclass(frozen=True)
class TensorSummary:
    """How well one tensor's format holds the calibration data.

    Numbers so large that the tensor's readers saturate count as the largest that they tell apart.

    Parameters
    ----------
    name : str
        The tensor.
    layer : str
        The user's layer that makes it, "input" for an input.
    fraction : int
        Bits behind the point.
    low, high : float
        Range over the calibration data.
    clipped : float
        Share of the samples that the format does not reach.
    snr : float
        Signal to rounding and clipping error of this format alone, in dB.
    reach : tuple of int
        Bounds that no sample of the tensor leaves, whatever the network's inputs.
    """

    name: str
    layer: str
    fraction: int
    low: float
    high: float
    clipped: float
    snr: float
    reach: tuple[int, int]


@dataclass(frozen=True)
class QuantisationSummary:
    """What quantisation chose, and by which method.

    Tensors in order, notes on compromises, warnings for the user.
    """

    tensors: tuple[TensorSummary, ...]
    notes: tuple[str, ...]
    warnings: tuple[str, ...]
    method: str = "range"

    def __str__(self):
        rows = [f"{'layer':20} {'tensor':20} {'format':>8} {'range':>23} {'clipped':>8} {'SNR':>8}"]
        for entry in self.tensors:
            form = f"Q{15 - entry.fraction}.{entry.fraction}"
            span = f"{entry.low:.4g} to {entry.high:.4g}"
            rows.append(f"{entry.layer:20} {entry.name:20} {form:>8} {span:>23} "
                        f"{entry.clipped:8.2%} {entry.snr:5.1f} dB")
        return "\n".join([*rows, *(f"note: {note}" for note in self.notes),
                          *(f"warning: {warning}" for warning in self.warnings)])


def quantise(graph, calibration=None, *, segments=SEGMENTS, method="range"):
    """Quantise a simplified graph.

    Parameters
    ----------
    graph : Graph
        Conv, Activation, Pool, Elementwise, Concat, Upsample, ArgMax, Reshape, Constant, Move and
        Reduce nodes.
    calibration : dict of str to array, optional
        Samples of every input, stacked along the batch dimension; random ones if left out.
    segments : int
        Segments of the target's mappers.
    method : str
        What chooses a tensor's point, a name in `METHODS`: "range" holds the largest number seen,
        with some headroom; "mse" makes the mean square of rounding and clipping least over the
        calibration data, and leaves no headroom.

    Returns
    -------
    fixed.FixedGraph
        The network in integers.
    QuantisationSummary
        What was chosen.

    Raises
    ------
    CalibrationError
        If the calibration data does not fit the network.
    QuantisationError
        If a layer's numbers do not fit the arithmetic.
    """
    if method not in METHODS:
        raise QuantisationError(f"unknown method {method!r}; methods are {', '.join(METHODS)}")
    guessed = calibration is None
    samples = guess_calibration(graph) if guessed else check_calibration(graph, calibration)
    batches = Batches(graph, samples)
    ranges = measure(graph, batches)
    useful = useful_ranges(graph)
    wanted = range_fractions(graph, ranges, useful)
    if method == "mse":
        numbers = whole_numbers(graph)
        wanted |= least_squares(batches, useful, {
            name: fraction for name, fraction in wanted.items()
            if fraction is not None and name not in numbers})
    fractions, notes = choose_fractions(graph, wanted)
    builder = _Builder(graph, fractions, segments)
    result = builder.build()
    summary = QuantisationSummary(
        tensors=tuple(_summaries(graph, batches, ranges, useful, builder)),
        notes=(*notes, *builder.notes), warnings=(GUESSED,) if guessed else (), method=method)
    return result, summary


def _summaries(graph, batches, ranges, useful, builder):
    fractions = builder.fractions
    layers = dict.fromkeys(graph.inputs, "input")
    layers.update((node.output, node.layer) for node in graph.nodes)
    sums = {name: np.zeros(4) for name in layers}
    for tensors in batches:
        for name, values in tensors.items():
            scaled = np.clip(values, *useful.get(name, (-np.inf, np.inf))) * 2.0 ** fractions[name]
            kept = np.clip(np.floor(scaled + 0.5), LOWEST, HIGHEST)
            error = np.abs(scaled - kept)
            # A step of the format and more: not rounding, and not the one step that 32768 lacks.
            sums[name] += (values.size, np.count_nonzero(error > 1), np.sum(scaled**2),
                           np.sum(error**2))
    for name, layer in layers.items():
        size, clipped, signal, error = sums[name]
        snr = 10 * np.log10(signal / error) if signal and error else np.inf
        yield TensorSummary(name, layer, fractions[name], ranges[name].low, ranges[name].high,
                            float(clipped / size), float(snr), builder.reach[name])


def _round_kernels(kernels, points):
    """Round kernels to integers, a map at a time: temporaries stay small.

    Parameters
    ----------
    kernels : numpy.ndarray
        Real weights, one output map after the other.
    points : numpy.ndarray
        Bits behind the point, one a map.

    Returns
    -------
    weights : numpy.ndarray
        int16.
    positive, negative, largest : numpy.ndarray
        int64, one a map: the sum of the weights above and of those below 0, and the largest
        magnitude.
    """
    weights = np.empty(kernels.shape, np.int16)
    sums = np.empty((3, len(kernels)), np.int64)
    for place, (kernel, point) in enumerate(zip(kernels, points, strict=True)):
        rounded = np.floor(kernel * 2.0**point + 0.5)
        total, size = rounded.sum(), np.abs(rounded).sum()
        sums[:, place] = (size + total) / 2, (total - size) / 2, np.abs(rounded).max()
        weights[place] = rounded
    return weights, *sums


class _Builder:
    """Builds the nodes of the fixed graph, and follows the integer range of each tensor."""

    def __init__(self, graph, fractions, segments):
        self.graph, self.fractions, self.segments = graph, fractions, segments
        self.reach = dict.fromkeys(graph.inputs, (LOWEST, HIGHEST))
        self.notes = []
        self.nodes, self.copies = [], {}
        self.arrays = {}

    def build(self):
        """Return the fixed graph."""
        make = {Conv: self._conv, Activation: self._activation, Pool: self._pool,
                Elementwise: self._elementwise, Concat: self._concat, Upsample: self._upsample,
                ArgMax: self._arg_max, Reshape: self._reshape, Constant: self._constant,
                Move: self._move, Reduce: self._reduce}
        for node in self.graph.nodes:
            self.nodes.append(make[type(node)](node, {
                "name": node.name, "inputs": node.inputs, "output": node.output,
                "layer": node.layer}))
        tensors = {name: fixed.Tensor(name, shape, self.fractions[name])
                   for name, shape in self.graph.shapes.items()}
        return fixed.FixedGraph(
            nodes=tuple(self.nodes), tensors={**tensors, **self.copies}, inputs=self.graph.inputs,
            outputs=self.graph.outputs, input_shapes=dict(self.graph.input_shapes),
            output_shapes=dict(self.graph.output_shapes))

    def _shared(self, array):
        """Return an equal array made before, if there is one: what is equal is stored once."""
        key = (array.shape, array.dtype, hashlib.sha256(np.ascontiguousarray(array)).digest())
        return self.arrays.setdefault(key, array)

    def _conv(self, node, common):
        source, result = self.fractions[node.inputs[0]], self.fractions[node.output]
        low, high = self.reach[node.inputs[0]]
        bound = max(abs(low), abs(high), 1)
        points = np.array([weight_fraction(weights, bias, source, result, bound)
                           for weights, bias in zip(node.weights, node.bias, strict=True)])
        weights, positive, negative, largest_weight = _round_kernels(node.weights, points)
        bias = np.floor(node.bias * 2.0 ** (source + points) + 0.5).astype(np.int64)
        shift = source + points - result
        most = np.abs(bias) + (positive - negative) * bound
        # The proof that no partial sum, in any order, leaves the accumulator.
        assert most.max() < ACCUMULATOR_LIMIT and largest_weight.max() <= HIGHEST, node.name
        assert 0 <= shift.min() and shift.max() <= MAX_CONV_SHIFT, node.name
        self._note_lost_bits(node, largest_weight)
        # Padding adds zeros to what the kernels see.
        low, high = min(low, 0), max(high, 0)
        least = [requantise(int(value), int(by)) for value, by in
                 zip(bias + positive * low + negative * high, shift, strict=True)]
        largest = [requantise(int(value), int(by)) for value, by in
                   zip(bias + positive * high + negative * low, shift, strict=True)]
        self.reach[node.output] = (int(min(least)), int(max(largest)))
        return fixed.Convolution(
            **common, weights=self._shared(weights), bias=self._shared(bias),
            shift=self._shared(shift.astype(np.int64)), stride=node.stride, padding=node.padding,
            groups=node.groups)

    def _note_lost_bits(self, node, most):
        """Note the maps whose weights use less than 14 bits, so that no sum overflows."""
        real = node.weights.any(axis=(1, 2, 3))
        short = real & (most < 1 << 13)
        if short.any():
            bits = int(most[short].min()).bit_length() + 1
            self.notes.append(f"{node.layer}: {int(short.sum())} of {len(most)} maps have weights "
                              f"of fewer than 15 bits, the shortest of {bits}, so that no sum of "
                              "products can leave the accumulator")

    def _activation(self, node, common):
        function = get_function(node.function, node.parameters)
        formats = self.fractions[node.inputs[0]], self.fractions[node.output]
        table = make_table(function, *formats, self.segments)
        error = table_error(table, function, *formats)
        if error > MOST_TABLE_ERROR:
            raise QuantisationError(
                f"{node.layer}: the table of {function} would be up to {error} steps of "
                f"2**-{formats[1]} from the exact function; supported are {MOST_TABLE_ERROR}: give "
                "it inputs of a smaller range")
        if error > 1:
            self.notes.append(f"{node.layer}: the table of {function} is up to {error} steps of "
                              f"2**-{formats[1]} from the exact function")
        low, high = self.reach[node.inputs[0]]
        values = evaluate(table, np.arange(low, high + 1))
        self.reach[node.output] = (int(values.min()), int(values.max()))
        return fixed.Lookup(**common, function=function.name, table=table,
                            parameters=function.parameters)

    def _pool(self, node, common):
        low, high = self.reach[node.inputs[0]]
        if node.kind == "average":
            # The reciprocal is rounded: a mean can be a little larger than its samples.
            low, high = max(min(low, 0) - 2, LOWEST), min(max(high, 0) + 2, HIGHEST)
        self.reach[node.output] = (low, high)
        return fixed.Pool(**common, kind=node.kind, window=node.window, stride=node.stride,
                          padding=node.padding, count_include_pad=node.count_include_pad)

    def _elementwise(self, node, common):
        fractions = [self.fractions[name] for name in node.inputs]
        result = self.fractions[node.output]
        reaches = [self.reach[name] for name in node.inputs]
        shift_a = shift_b = 0
        constant = None
        if node.constant is not None:
            shift = 0
            scaled = np.floor(np.ldexp(node.constant, result) + 0.5)
            constant = int(np.clip(scaled, LOWEST, HIGHEST))
            reaches.append((constant, constant))
        elif node.operation == "mul":
            shift = sum(fractions) - result
        elif node.operation == "div":
            shift = result - fractions[0] + fractions[1]
        else:
            point = max(*fractions, result)
            shift_a, shift_b, shift = point - fractions[0], point - fractions[1], point - result
        made = fixed.Elementwise(**common, operation=node.operation, shift_a=shift_a,
                                 shift_b=shift_b, shift=shift, constant=constant,
                                 counts=node.counts, reads=node.reads)
        self.reach[node.output] = elementwise_reach(made, *reaches)
        return made

    def _concat(self, node, common):
        return fixed.Concat(**{**common, "inputs": self._joined(node)})

    def _move(self, node, common):
        return fixed.Move(**{**common, "inputs": self._joined(node)}, boxes=node.boxes)

    def _joined(self, node):
        """Return the inputs of a node that only places samples, all with its output's fraction."""
        inputs = tuple(self._requantised(node, name) for name in node.inputs)
        lows, highs = zip(*(self.reach[name] for name in inputs), strict=True)
        self.reach[node.output] = (min(lows), max(highs))
        return inputs

    def _constant(self, node, common):
        scaled = np.floor(np.ldexp(node.values, self.fractions[node.output]) + 0.5)
        values = np.clip(scaled, LOWEST, HIGHEST).astype(np.int16)
        self.reach[node.output] = (int(values.min()), int(values.max()))
        return fixed.Constant(**common, values=self._shared(values))

    def _reduce(self, node, common):
        count, source = math.prod(node.reduced), node.inputs[0]
        factor, shift = 1, 0
        if node.kind == "sum":
            more = self.fractions[node.output] - self.fractions[source]
            factor, shift = factor_of(math.ldexp(node.scale, more))
            assert 1 <= factor <= HIGHEST and 0 <= shift <= MAX_SHIFT, node.name
            reach = tuple(int(requantise(end * count * factor, shift))
                          for end in self.reach[source])
        else:
            reach = (0, count - 1) if node.kind == "argmax" else self.reach[source]
        self.reach[node.output] = reach
        return fixed.Reduce(**common, kind=node.kind, kept=node.kept, reduced=node.reduced,
                            read=node.read, factor=factor, shift=shift)

    def _requantised(self, node, name):
        """Return an input with the fraction of a node's output, copied if it has more bits."""
        shift = self.fractions[name] - self.fractions[node.output]
        if shift == 0:
            return name
        copy = f"{name}.{self.fractions[node.output]}"
        while copy in self.graph.shapes:
            copy += "_"
        if copy not in self.copies:
            self.copies[copy] = fixed.Tensor(copy, self.graph.shapes[name],
                                             self.fractions[node.output])
            made = fixed.Elementwise(copy, (name,), copy, node.layer, operation="mul", shift_a=0,
                                     shift_b=0, shift=shift, constant=1)
            self.nodes.append(made)
            self.reach[copy] = elementwise_reach(made, self.reach[name], (1, 1))
            self.notes.append(f"{node.layer}: {name!r} is copied with {shift} bits fewer behind "
                              "the point, to be concatenated with coarser tensors")
        return copy

    def _upsample(self, node, common):
        self.reach[node.output] = self.reach[node.inputs[0]]
        return fixed.Upsample(**common, factors=node.factors)

    def _arg_max(self, node, common):
        self.reach[node.output] = (0, self.graph.shapes[node.inputs[0]][0] - 1)
        return fixed.ArgMax(**common)

    def _reshape(self, node, common):
        self.reach[node.output] = self.reach[node.inputs[0]]
        return fixed.Reshape(**common)
