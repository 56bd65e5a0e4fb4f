"""Blocks of well-known networks: float, 16 bits and the machine's bits, and what they cost."""

import numpy as np
import pytest

from compiler.lower.lower import lower
from hdl.target import get_target
from sim import reference
from tests.compiler.models import random_inputs, run_onnx
from tests.compiler.network_blocks import blocks
from tests.compiler.quantised import calibrated
from tests.run_functional import run_lowered

BLOCKS = blocks()
IDS = [label for label, *_ in BLOCKS]


@pytest.mark.parametrize(("label", "proto", "shapes"), BLOCKS, ids=IDS)
def test_16_bits_come_close_and_the_machine_computes_them(label, proto, shapes):
    graph, quantised, _, snr = calibrated(proto, shapes)
    assert min(snr.values()) > 50, snr
    samples = random_inputs(shapes, seed=9)
    inputs = {name: np.floor(np.ldexp(values, quantised.tensors[name].fraction) + 0.5).clip(
        -32768, 32767).astype(np.int16).reshape(graph.shapes[name])
        for name, values in samples.items()}
    fixed, floats = reference.run(quantised, inputs), run_onnx(proto, samples)
    for name in ("tiny", "virtex6-lx240t"):
        target = get_target(name)
        found = run_lowered(lower(quantised, target), quantised, inputs, target)
        for output in graph.outputs:
            np.testing.assert_array_equal(found[output], fixed[output])
    for output, values in floats.items():
        real = fixed[output] * 2.0 ** -quantised.tensors[output].fraction
        assert np.abs(real.ravel() - values.ravel()).max() <= np.ptp(values) / 256
