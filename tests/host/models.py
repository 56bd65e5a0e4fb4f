"""Small ONNX models, good and bad, for the tests of the command."""

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

SIZE = 6


def model(nodes, weights, *, shape=(1, 1, SIZE, SIZE), output_shape=(1, 2, SIZE - 2, SIZE - 2),
          output="out"):
    """Return a model with input ``image`` and one output."""
    graph = helper.make_graph(
        nodes, "small",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, output_shape)],
        [numpy_helper.from_array(np.asarray(array, np.float32), name)
         for name, array in weights.items()])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def convolution(*, weight=None, shape=(1, 1, SIZE, SIZE), then=None, seed=1, **attributes):
    """Return a 3x3 convolution to two maps, called ``first``, and one more operation if asked."""
    rng = np.random.default_rng(seed)
    if weight is None:
        weight = rng.uniform(-0.5, 0.5, (2, 1, 3, 3))
    weights = {"weight": weight, "bias": [0.25, -0.25]}
    nodes = [helper.make_node("Conv", ["image", "weight", "bias"], ["sums" if then else "out"],
                              name="first", kernel_shape=[3, 3], **attributes)]
    if then:
        nodes.append(helper.make_node(then, ["sums"], ["out"], name="second"))
    rows, columns = shape[2:]
    out = [1, 2, *(side - 2 if isinstance(side, int) else side for side in (rows, columns))]
    return model(nodes, weights, shape=shape, output_shape=out)


def two_convolutions(seed=1):
    """Return two 3x3 convolutions, called ``first`` and ``second``, to two maps each."""
    rng = np.random.default_rng(seed)
    weights = {"one": rng.uniform(-0.5, 0.5, (2, 1, 3, 3)),
               "two": rng.uniform(-0.5, 0.5, (2, 2, 3, 3))}
    nodes = [helper.make_node("Conv", ["image", "one"], ["between"], name="first"),
             helper.make_node("Conv", ["between", "two"], ["out"], name="second")]
    return model(nodes, weights, output_shape=(1, 2, SIZE - 4, SIZE - 4))


def calibration(count=4, *, name="image", shape=(1, SIZE, SIZE), seed=2):
    """Return calibration data for `convolution`."""
    rng = np.random.default_rng(seed)
    return {name: rng.uniform(-1, 1, (count, *shape)).astype(np.float32)}


def save(path, proto):
    """Write a model unchecked: some of them are wrong on purpose."""
    path.write_bytes(proto.SerializeToString())
    return path


def good(path):
    """Write a small valid model."""
    proto = convolution(then="Relu")
    onnx.checker.check_model(proto, full_check=True)
    return save(path, proto)


def evaluate(path, image):
    """Return the only output of a model, in floating point."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(None, {"image": image})[0]
