"""Models of QuantizeLinear and DequantizeLinear: the steps they state are kept."""

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from compiler.compile import compile_model
from compiler.errors import ModelError, UnsupportedError
from compiler.execute import execute
from compiler.frontend.onnx_import import import_onnx
from host.device import open_device
from tests.compiler.models import node, run_onnx


def model(nodes, constants, shape=(1, 3, 6, 6), outputs=("y",)):
    graph = helper.make_graph(
        nodes, "quantised", [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        [numpy_helper.from_array(np.asarray(values), name) for name, values in constants.items()])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


def network(scale, zero):
    """Return a convolution between quantised samples, with weights of one scale a map."""
    rng = np.random.default_rng(4)
    constants = {
        "s": np.float32(scale), "z": zero, "out": np.float32(scale * 4), "w": rng.integers(
            -128, 128, (4, 3, 3, 3), np.int8), "ws": rng.uniform(0.001, 0.004, 4).astype("f4"),
        "wz": np.zeros(4, np.int8)}
    nodes = [
        node("QuantizeLinear", ["x", "s", "z"], "q"),
        node("DequantizeLinear", ["q", "s", "z"], "d"),
        node("DequantizeLinear", ["w", "ws", "wz"], "weights", axis=0),
        node("Conv", ["d", "weights"], "c", pads=[1, 1, 1, 1]),
        node("QuantizeLinear", ["c", "out", "z"], "p"),
        node("DequantizeLinear", ["p", "out", "z"], "y")]
    return model(nodes, constants), scale * 4


@pytest.mark.parametrize("zero", [np.int8(0), np.uint8(128), np.uint8(3), np.int16(0)],
                         ids=lambda zero: f"{zero.dtype} {zero}")
@pytest.mark.parametrize("scale", [2.0**-6, 0.013])
def test_outputs_are_the_models_steps(scale, zero):
    proto, step = network(scale, zero)
    x = np.random.default_rng(1).uniform(-1.2, 1.2, (8, 3, 6, 6)).astype(np.float32)
    wanted = run_onnx(proto, {"x": x[:1]})["y"]
    graph = import_onnx(proto)
    found = execute(graph, {"x": x[:1].astype(np.float64)})["y"].reshape(wanted.shape)
    # Sums next to the middle between two steps may be rounded either way.
    assert np.abs(found - wanted).max() < 1.01 * step
    assert np.mean(np.abs(found - wanted) > step / 2) < 0.02
    program = compile_model(proto, "tiny", {"x": x})
    with open_device(program, "functional") as device, open_device(program, "reference") as other:
        outputs = device.run({"x": x[:1]})["y"]
        np.testing.assert_array_equal(outputs, other.run({"x": x[:1]})["y"])
    assert np.abs(outputs - wanted).max() < 1.01 * step
    assert np.mean(np.abs(outputs - wanted) > step / 2) < 0.05
    counted = outputs / step
    assert np.abs(counted - np.round(counted)).max() < (1e-9 if scale == 2.0**-6 else 0.02)


ONE = np.float32(0.5)


@pytest.mark.parametrize(("nodes", "constants", "text", "error"), [
    ([node("QuantizeLinear", ["x", "s"], "y", "q")], {"s": ONE},
     r"^q \(QuantizeLinear\): its output 'y' is one of the network; supported",
     UnsupportedError),
    ([node("QuantizeLinear", ["x", "s"], "q"), node("Relu", ["q"], "y", "relu")], {"s": ONE},
     "'q', holds the integers of a QuantizeLinear; supported is a Dequant", UnsupportedError),
    ([node("DequantizeLinear", ["x", "s"], "y")], {"s": ONE}, "not made by a QuantizeL",
     UnsupportedError),
    ([node("QuantizeLinear", ["x", "s"], "q")], {"s": np.ones(3, "f4")},
     r"scales of shape \[3\] for a computed tensor", UnsupportedError),
    ([node("QuantizeLinear", ["x", "s"], "q")], {"s": -ONE}, "scale -0.5 is not positive",
     ModelError),
    ([node("QuantizeLinear", ["x", "s", "z"], "q")], {"s": ONE, "z": np.int32(9)},
     "zero point of type int32; supported are integers of 8 and 16 bits", UnsupportedError),
    ([node("QuantizeLinear", ["x", "s", "x"], "q")], {"s": ONE}, "zero points 'x' are computed",
     UnsupportedError),
    ([node("DequantizeLinear", ["c", "s"], "d", block_size=2)],
     {"s": ONE, "c": np.int8([1, 2])}, "cannot be computed: block_size", ModelError),
    ([node("QLinearConv", ["x"], "y")], {}, "give the float model, or one of Quant",
     UnsupportedError),
])
def test_what_is_refused(nodes, constants, text, error):
    with pytest.raises(error, match=text):
        import_onnx(model([*nodes, node("Relu", ["x"], "other")], constants, outputs=("other", *(
            ["y"] if any("y" in made.output for made in nodes) else []))))


def test_constants_are_quantised_as_onnxruntime_does():
    values = np.linspace(-3, 3, 25).astype(np.float32)
    nodes = [node("QuantizeLinear", ["c", "s", "z"], "q"),
             node("DequantizeLinear", ["q", "s", "z"], "d"), node("Add", ["x", "d"], "y")]
    proto = model(nodes, {"c": values, "s": np.float32(0.02), "z": np.int8(5)}, (1, 25))
    wanted = run_onnx(proto, {"x": np.zeros((1, 25))})["y"]
    graph = import_onnx(proto)
    np.testing.assert_allclose(graph.nodes[0].offset, wanted[0], rtol=1e-6)
