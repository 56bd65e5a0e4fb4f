"""Quantised networks for the tests: are all numbers legal, and how near they come to the float."""

import numpy as np

from compiler import fixed
from compiler.execute import execute
from compiler.frontend.onnx_import import import_onnx
from compiler.pipeline import simplify
from compiler.points import ACCUMULATOR_LIMIT
from compiler.quantise import quantise
from sim.reference import run
from tests.compiler.models import random_inputs


def graph_of(proto):
    """Return a model's simplified float graph."""
    return simplify(import_onnx(proto))


def to_samples(values, fraction):
    """Return real values as 16-bit samples."""
    return np.clip(np.floor(values * 2.0**fraction + 0.5), -32768, 32767).astype(np.int16)


def compare(graph, quantised, inputs):
    """Return for each output the SNR in dB of the fixed-point network against the float one."""
    wanted = execute(graph, inputs)
    signal, noise = dict.fromkeys(graph.outputs, 0.0), dict.fromkeys(graph.outputs, 0.0)
    for sample in range(len(next(iter(inputs.values())))):
        tensors = run(quantised, {
            name: to_samples(values[sample], quantised.tensors[name].fraction)
            for name, values in inputs.items()})
        for name in graph.outputs:
            real = tensors[name] * 2.0 ** -quantised.tensors[name].fraction
            signal[name] += np.sum(wanted[name][sample] ** 2)
            noise[name] += np.sum((wanted[name][sample] - real) ** 2)
    return {name: 10 * np.log10(signal[name] / noise[name]) if noise[name] else np.inf
            for name in signal}


def check_legal(graph, summary):
    """Every number fits the register or memory it goes to."""
    reach = {entry.name: max(1, *np.abs(entry.reach)) for entry in summary.tensors}
    for node_ in graph.nodes:
        if isinstance(node_, fixed.Convolution):
            assert node_.weights.dtype == np.int16
            assert 0 <= node_.shift.min() and node_.shift.max() <= 35
            sums = np.abs(node_.weights.astype(np.int64)).sum((1, 2, 3))
            assert (np.abs(node_.bias) + sums * reach[node_.inputs[0]]).max() < ACCUMULATOR_LIMIT
        elif isinstance(node_, fixed.Elementwise):
            check_operator(node_, graph)
        elif isinstance(node_, (fixed.Concat, fixed.Move)):
            assert {graph.tensors[name].fraction for name in node_.inputs} \
                == {graph.tensors[node_.output].fraction}
        elif isinstance(node_, fixed.ArgMax) or getattr(node_, "kind", None) == "argmax":
            assert graph.tensors[node_.output].fraction == 0
        elif isinstance(node_, fixed.Constant):
            assert node_.values.dtype == np.int16
        elif isinstance(node_, fixed.Reduce):
            assert 1 <= node_.factor <= 32767 and 0 <= node_.shift <= 31
            if node_.kind != "sum":
                assert (node_.factor, node_.shift) == (1, 0)
        elif isinstance(node_, (fixed.Pool, fixed.Reshape, fixed.Upsample)):
            assert graph.tensors[node_.inputs[0]].fraction == graph.tensors[node_.output].fraction
    check_reach(graph, summary)


def check_operator(node_, graph):
    """Shifts fit their registers and align the binary points."""
    assert 0 <= min(node_.shift_a, node_.shift_b, node_.shift)
    assert max(node_.shift_a, node_.shift_b) <= 15
    assert node_.shift <= (15 if node_.operation == "div" else 31)
    first, *second = (graph.tensors[name].fraction for name in node_.inputs)
    result = graph.tensors[node_.output].fraction
    if node_.constant is not None:
        assert not second and -32768 <= node_.constant <= 32767
        # The constant of a product is a power of two in the output's format.
        assert (node_.constant == 1 and first - node_.shift == result) \
            if node_.operation == "mul" else first == result
    elif node_.operation == "mul":
        assert first + second[0] - node_.shift == result
    elif node_.operation == "div":
        assert first + node_.shift - second[0] == result
    else:
        assert first + node_.shift_a == second[0] + node_.shift_b == result + node_.shift


def check_reach(graph, summary):
    """Extreme inputs drive no tensor out of the range that the proof of the sums rests on."""
    rng = np.random.default_rng(5)
    shapes = {name: graph.tensors[name].shape for name in graph.inputs}
    for choices in ([-32768], [32767], [-32768, 32767], [-32768, 0, 32767]):
        # The reference raises OverflowError for a sum beyond 36 bits.
        tensors = run(graph, {name: rng.choice(choices, shape).astype(np.int16)
                              for name, shape in shapes.items()})
        for entry in summary.tensors:
            low, high = entry.reach
            assert low <= tensors[entry.name].min() and tensors[entry.name].max() <= high


def calibrated(proto, shapes):
    """Quantise a model; return graph, fixed graph, summary and SNR of outputs on other data."""
    graph = graph_of(proto)
    # Many more than are tested, so that none of these leaves the range.
    calibration = random_inputs(shapes, seed=1, samples=60)
    quantised, summary = quantise(graph, calibration)
    check_legal(quantised, summary)
    test = {name: values.reshape(-1, *graph.shapes[name])
            for name, values in random_inputs(shapes, seed=2, samples=4).items()}
    return graph, quantised, summary, compare(graph, quantised, test)
