"""Every operator against onnxruntime in float, and the machine against the reference in 16 bits."""

import numpy as np
import pytest

from compiler.compile import compile_model
from compiler.execute import execute
from compiler.frontend.onnx_import import import_onnx
from compiler.pipeline import simplify
from host.device import open_device
from tests.compiler.frontend.operator_cases import cases
from tests.compiler.models import run_onnx


def data(shapes, samples=1, seed=3):
    rng = np.random.default_rng(seed)
    return [{name: rng.uniform(-1, 1, shape).astype(np.float32)
             for name, shape in shapes.items()} for _ in range(samples)]


@pytest.mark.parametrize(("proto", "shapes"), cases())
def test_the_float_graph_is_what_onnxruntime_computes(proto, shapes):
    inputs, = data(shapes)
    wanted = run_onnx(proto, inputs)
    for graph in (imported := import_onnx(proto), simplify(imported)):
        found = execute(graph, {name: values.reshape(1, *graph.shapes[name]).astype(np.float64)
                                for name, values in inputs.items()})
        for name, values in wanted.items():
            assert graph.output_shapes[name] == values.shape
            np.testing.assert_allclose(found[name].reshape(values.shape), values,
                                       rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize(("proto", "shapes"), cases())
def test_the_machine_computes_the_references_bits(proto, shapes):
    samples = data(shapes, samples=4)
    stacked = {name: np.stack([one[name] for one in samples]) for name in shapes}
    stacked = {name: values[:, 0] if shapes[name][:1] == (1,) else values
               for name, values in stacked.items()}
    program = compile_model(proto, "tiny", stacked)
    inputs = samples[0]
    wanted = run_onnx(proto, inputs)
    runs = {}
    for backend in ("reference", "functional"):
        with open_device(program, backend) as device:
            runs[backend] = device.run(inputs)
    for name, values in wanted.items():
        found = runs["functional"][name]
        np.testing.assert_array_equal(found, runs["reference"][name])
        assert found.shape == values.shape and found.dtype == values.dtype
        if values.dtype == np.float32:
            error = np.abs(found - values).max()
            assert error <= max(np.ptp(values), np.abs(values).max()) / 256
