"""Small networks of the kinds that people use: float against onnxruntime, then in 16 bits."""

import numpy as np
import pytest

from compiler.compile import compile_model
from compiler.execute import execute
from compiler.frontend.onnx_import import import_onnx
from host.device import open_device
from tests.compiler.models import model, node, run_onnx


class Maker:
    """A model in the making, of random weights."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)
        self.nodes, self.constants = [], {}

    def weights(self, *shape, scale=None):
        fan = np.prod(shape[1:]) if len(shape) > 1 else 16
        return self.constant(self.rng.normal(size=shape) * (scale or 1 / np.sqrt(fan)))

    def constant(self, values):
        name = f"c{len(self.constants)}"
        self.constants[name] = np.asarray(values)
        return name

    def __call__(self, op, *inputs, outputs=1, **attributes):
        names = [f"t{len(self.nodes)}_{index}" for index in range(outputs)]
        made = node(op, inputs, names[0], **attributes)
        made.output.extend(names[1:])
        self.nodes.append(made)
        return names[0] if outputs == 1 else names

    def finish(self, name, shapes):
        self.nodes.append(node("Identity", [name], "y"))
        return model(self.nodes, shapes, constants=self.constants, opset=20), shapes


def transformer():
    """Return an encoder block of two heads over 6 tokens of 8 numbers."""
    make, tokens, width, heads = Maker(1), 6, 8, 2
    normed = make("LayerNormalization", "x", make.constant(make.rng.uniform(0.5, 1.5, width)),
                  make.weights(width), axis=-1)
    joined = make("MatMul", normed, make.weights(width, 3 * width))
    parts = make("Split", joined, make.constant(np.array([width] * 3)), outputs=3, axis=-1)
    shape = make.constant(np.array([1, tokens, heads, width // heads]))
    query, key, value = (make("Transpose", make("Reshape", part, shape), perm=order)
                         for part, order in zip(parts, ([0, 2, 1, 3], [0, 2, 3, 1], [0, 2, 1, 3]),
                                                strict=True))
    scores = make("Div", make("MatMul", query, key), make.constant(np.sqrt(width / heads)))
    seen = make("MatMul", make("Softmax", scores, axis=-1), value)
    seen = make("Reshape", make("Transpose", seen, perm=[0, 2, 1, 3]),
                make.constant(np.array([1, tokens, width])))
    after = make("Add", make("MatMul", seen, make.weights(width, width)), "x")
    hidden = make("Gelu", make("Add", make("MatMul", after, make.weights(width, 16)),
                               make.weights(16)))
    return make.finish(make("Add", make("MatMul", hidden, make.weights(16, width)), after),
                       {"x": (1, tokens, width)})


def inverted_residual():
    """Return a block of a mobile network, with squeeze and excitation."""
    make = Maker(2)
    wide = make("HardSwish", make("Conv", "x", make.weights(12, 4, 1, 1), make.weights(12)))
    deep = make("Conv", wide, make.weights(12, 1, 3, 3), group=12, pads=[1, 1, 1, 1])
    deep = make("BatchNormalization", deep, *(make.constant(make.rng.uniform(0.5, 1.5, 12))
                                              for _ in range(4)))
    squeezed = make("GlobalAveragePool", deep)
    squeezed = make("Relu", make("Conv", squeezed, make.weights(3, 12, 1, 1), make.weights(3)))
    gate = make("HardSigmoid", make("Conv", squeezed, make.weights(12, 3, 1, 1)))
    narrow = make("Conv", make("Mul", deep, gate), make.weights(4, 12, 1, 1))
    pooled = make("ReduceMean", make("Add", narrow, "x"), make.constant(np.array([2, 3])),
                  keepdims=0)
    scores = make("Gemm", pooled, make.weights(5, 4), make.weights(5), transB=1)
    return make.finish(make("LogSoftmax", scores, axis=1), {"x": (1, 4, 8, 8)})


def encoder_and_decoder():
    """Return a network that makes maps smaller, then larger, and joins both."""
    make = Maker(3)
    first = make("Elu", make("InstanceNormalization", make(
        "Conv", "x", make.weights(6, 3, 3, 3), pads=[1, 1, 1, 1]), make.constant(np.ones(6)),
        make.weights(6)))
    low = make("LeakyRelu", make("Conv", make("MaxPool", first, kernel_shape=[2, 2],
                                              strides=[2, 2]), make.weights(8, 6, 3, 3),
                                 pads=[1, 1, 1, 1]), alpha=0.2)
    up = make("ConvTranspose", low, make.weights(8, 4, 2, 2), make.weights(4), strides=[2, 2])
    wide = make("Resize", low, "", make.constant(np.array([1, 1, 2, 2], np.float32)),
                mode="linear")
    joined = make("Concat", first, up, wide, axis=1)
    mixed = make("PRelu", make("Conv", make("Pad", joined, make.constant(
        np.array([0, 0, 1, 1] * 2)), mode="reflect"), make.weights(8, 18, 3, 3)),
        make.constant(make.rng.uniform(0, 0.5, (8, 1, 1))))
    shuffled = make("DepthToSpace", mixed, blocksize=2)
    return make.finish(make("Softmax", shuffled, axis=1), {"x": (1, 3, 8, 8)})


NETWORKS = [transformer, inverted_residual, encoder_and_decoder]


@pytest.mark.parametrize("network", NETWORKS)
def test_float_and_16_bits(network):
    proto, shapes = network()
    rng = np.random.default_rng(5)
    samples = {name: rng.uniform(-1, 1, (12, *shape[1:])).astype(np.float32)
               for name, shape in shapes.items()}
    first = {name: values[:1] for name, values in samples.items()}
    wanted = run_onnx(proto, first)["y"]
    graph = import_onnx(proto)
    found = execute(graph, {name: values.reshape(1, *graph.shapes[name]).astype(np.float64)
                            for name, values in first.items()})["y"]
    np.testing.assert_allclose(found.reshape(wanted.shape), wanted, rtol=1e-4, atol=1e-5)
    program = compile_model(proto, "tiny", samples)
    assert program.manifest["host"] == []
    runs = []
    for backend in ("reference", "functional"):
        with open_device(program, backend) as device:
            runs.append(device.run(first)["y"])
    np.testing.assert_array_equal(*runs)
    assert runs[0].shape == wanted.shape
    assert np.abs(runs[0] - wanted).max() < max(np.ptp(wanted), np.abs(wanted).max()) / 200
