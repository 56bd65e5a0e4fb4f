import numpy as np
import pytest

from compiler.execute import execute
from compiler.frontend.onnx_import import import_onnx
from compiler.graph import (
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
from compiler.pipeline import simplify
from tests.compiler.models import layers, network, random_inputs, run_onnx

LAYERS = list(layers())


def check(proto, shapes, samples=2):
    graph = import_onnx(proto)
    simple = simplify(graph)
    assert {type(node) for node in simple.nodes} <= {
        Activation, ArgMax, Concat, Constant, Conv, Elementwise, Move, Pool, Reduce, Reshape,
        Upsample}
    inputs = random_inputs(shapes, seed=3, samples=samples)
    batch = {name: values.reshape(-1, *graph.shapes[name]) for name, values in inputs.items()}
    first, second = execute(graph, batch), execute(simple, batch)
    for sample in range(samples):
        wanted = run_onnx(proto, {name: values[sample:sample + 1]
                                  for name, values in inputs.items()})
        assert set(wanted) == set(graph.outputs) == set(simple.outputs)
        for name, values in wanted.items():
            assert graph.output_shapes[name] == values.shape
            for tensors in (first, second):
                np.testing.assert_allclose(tensors[name][sample].reshape(values.shape), values,
                                           rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("case", LAYERS, ids=[label for label, _, _ in LAYERS])
def test_each_operator_is_what_onnxruntime_computes(case):
    _, proto, shapes = case
    check(proto, shapes)


@pytest.mark.parametrize("seed", range(3))
def test_a_network_is_what_onnxruntime_computes(seed):
    check(*network(seed))


def test_every_tensor_is_returned():
    proto, shapes = network()
    graph = import_onnx(proto)
    tensors = execute(graph, random_inputs(shapes))
    assert {name: values.shape[1:] for name, values in tensors.items()} == graph.shapes
