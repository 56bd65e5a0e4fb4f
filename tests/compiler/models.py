"""Small ONNX models for the tests, and what onnxruntime makes of them."""

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper


def node(op, inputs, output, name=None, **attributes):
    return helper.make_node(op, inputs, [output], name=name or output, **attributes)


def model(nodes, inputs, outputs=("y",), constants=None, *, opset=17, output_shapes=None,
          integers=()):
    """Return a ModelProto; `inputs` are {name: shape}, constants {name: array}.

    Outputs in `integers` are int64, all others float.
    """
    def info(name, shape):
        kind = TensorProto.INT64 if name in integers else TensorProto.FLOAT
        return helper.make_tensor_value_info(name, kind, shape)
    initializers = [
        numpy_helper.from_array(
            value if np.asarray(value).dtype.kind in "ib" else np.asarray(value, np.float32), name)
        for name, value in (constants or {}).items()]
    graph = helper.make_graph(
        nodes, "test", [info(name, shape) for name, shape in inputs.items()],
        [info(name, (output_shapes or {}).get(name)) for name in outputs], initializers)
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    proto.ir_version = 8
    return proto


def run_onnx(proto, inputs):
    """Return onnxruntime's outputs as a dict."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(proto.SerializeToString(), options,
                                           providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    feeds = {name: np.asarray(value, np.float32) for name, value in inputs.items()}
    return dict(zip(names, session.run(names, feeds), strict=True))


def random_inputs(shapes, seed=0, samples=1):
    rng = np.random.default_rng(seed)
    return {name: rng.uniform(-1, 1, (samples, *shape[1:])) for name, shape in shapes.items()}


def layers():
    """Yield (label, model, input shapes): one of each supported operator and attribute."""
    rng = np.random.default_rng(7)

    def weights(*shape):
        return rng.normal(size=shape)

    x = {"x": (1, 4, 9, 8)}

    def one(label, op, constants=None, shape=None, inputs=("x",), opset=17, **attributes):
        shapes = {"x": shape or (1, 4, 9, 8)}
        names = [*inputs, *(constants or {})]
        return label, model([node(op, names, "y", "layer", **attributes)], shapes,
                            constants=constants, opset=opset), shapes

    yield one("conv", "Conv", {"w": weights(6, 4, 3, 3), "b": weights(6)})
    yield one("conv no bias", "Conv", {"w": weights(6, 4, 1, 5)})
    yield one("conv stride", "Conv", {"w": weights(6, 4, 3, 2)}, strides=[2, 3])
    yield one("conv pads", "Conv", {"w": weights(6, 4, 3, 3)}, pads=[2, 0, 1, 3], strides=[2, 1])
    yield one("conv groups", "Conv", {"w": weights(6, 2, 3, 3)}, group=2, pads=[1, 1, 1, 1])
    yield one("conv depthwise", "Conv", {"w": weights(8, 1, 3, 3)}, group=4)
    yield one("conv dilated", "Conv", {"w": weights(6, 4, 3, 2)}, dilations=[2, 3])
    for mode in ("VALID", "SAME_UPPER", "SAME_LOWER"):
        yield one(f"conv {mode}", "Conv", {"w": weights(6, 4, 4, 3)}, auto_pad=mode,
                  strides=[2, 2])
    yield one("conv pads beyond kernel", "Conv", {"w": weights(2, 4, 1, 2)}, pads=[3, 3, 2, 2])
    for op in ("Relu", "Tanh", "Sigmoid", "Abs", "Identity"):
        yield one(op, op)
    yield one("leaky", "LeakyRelu", alpha=0.2)
    yield one("clip", "Clip", {"lo": np.float32(-0.25), "hi": np.float32(0.5)})
    yield one("clip old", "Clip", opset=10, min=-0.25, max=0.5)
    yield one("dropout", "Dropout")
    for op in ("MaxPool", "AveragePool"):
        yield one(f"{op} 2", op, kernel_shape=[2, 2], strides=[2, 2])
        yield one(f"{op} overlapping", op, kernel_shape=[3, 2])
        yield one(f"{op} padded", op, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 2, 2, 1])
        yield one(f"{op} ceil", op, kernel_shape=[2, 3], strides=[2, 2], ceil_mode=1)
        yield one(f"{op} ceil padded", op, kernel_shape=[3, 3], strides=[2, 3],
                  pads=[1, 1, 1, 1], ceil_mode=1)
        yield one(f"{op} same", op, kernel_shape=[3, 3], strides=[2, 2], auto_pad="SAME_UPPER")
    yield one("average counting", "AveragePool", kernel_shape=[3, 3], strides=[2, 2],
              pads=[1, 2, 2, 1], count_include_pad=1)
    yield one("global average", "GlobalAveragePool")
    yield one("global max", "GlobalMaxPool")
    yield one("batch norm", "BatchNormalization", {
        "s": weights(4), "b": weights(4), "m": weights(4), "v": weights(4) ** 2}, epsilon=1e-3)
    yield one("gemm", "Gemm", {"w": weights(5, 7), "b": weights(7)}, (1, 5), alpha=0.5, beta=2.0)
    yield one("gemm transposed", "Gemm", {"w": weights(7, 5), "b": weights(1)}, (1, 5), transB=1)
    yield one("matmul", "MatMul", {"w": weights(5, 7)}, (1, 5))
    yield one("add constant", "Add", {"c": weights(1, 4, 1, 1)})
    yield one("add scalar", "Add", {"c": np.float32(0.5)})
    yield one("mul constant", "Mul", {"c": weights(4, 1, 1)})
    yield one("sub constant", "Sub", {"c": weights(4, 1, 1)})
    yield one("div constant", "Div", {"c": weights(4, 1, 1)})
    yield ("sub from constant", model([node("Sub", ["c", "x"], "y")], x,
                                      constants={"c": weights(4, 1, 1)}), x)
    yield ("add to itself", model([node("Add", ["x", "x"], "y")], x), x)
    two = {"x": (1, 4, 9, 8), "z": (1, 4, 9, 8)}
    yield "add", model([node("Add", ["x", "z"], "y")], two), two
    yield from elementwise()
    yield from maps()
    yield one("flatten", "Flatten")
    yield one("flatten all", "Flatten", axis=0)
    yield one("reshape", "Reshape", {"shape": np.array([0, 8, -1, 4])})
    yield one("squeeze", "Squeeze", {"axes": np.array([2])}, (1, 4, 1, 8))
    yield one("unsqueeze", "Unsqueeze", {"axes": np.array([2, 3])}, (1, 4))


def elementwise():
    """Yield operators on several tensors, and functions that must have positive inputs."""
    rng = np.random.default_rng(8)
    shape = (1, 4, 9, 8)
    x, two, three = (dict.fromkeys(names, shape) for names in ("x", "xz", "xzv"))
    half, channel = {"c": np.float32(0.5)}, {"c": rng.normal(size=(4, 1, 1))}
    for op in ("Add", "Sub", "Mul", "Max", "Min"):
        yield f"{op} of two", model([node(op, ["x", "z"], "y")], two), two
    for op in ("Max", "Min", "Sum", "Mean"):
        yield f"{op} of three", model([node(op, ["x", "z", "v"], "y")], three), three
        yield f"{op} of one", model([node(op, ["x"], "y")], x), x
        yield (f"{op} of two and a constant",
               model([node(op, ["x", "c", "z"], "y")], two, constants=half), two)
    yield "mean with a constant", model([node("Mean", ["c", "x"], "y")], x, constants=channel), x
    yield "square", model([node("Mul", ["x", "x"], "y")], x), x
    yield "neg", model([node("Neg", ["x"], "y")], x), x
    for op in ("Max", "Min"):
        yield f"{op} constant", model([node(op, ["x", "c"], "y")], x, constants=half), x
        yield f"{op} beyond", model([node(op, ["x", "c"], "y")], x,
                                    constants={"c": np.float32(-3)}), x
    # Inputs in 0.1 to 2.1.
    nodes, offset = [node("Add", ["x", "a"], "p")], {"a": np.float32(1.1)}

    def positive(label, op, inputs, shapes=x, constants=None):
        return label, model([*nodes, node(op, inputs, "y", "layer")], shapes,
                            constants={**offset, **(constants or {})}), shapes

    for op in ("Sqrt", "Exp", "Log", "Reciprocal"):
        yield positive(op, op, ["p"])
    yield positive("div", "Div", ["z", "p"], two)
    yield positive("div by itself", "Div", ["p", "p"])
    yield positive("div of a constant", "Div", ["c", "p"], x, channel)
    for power in (2, 1, 0.5, -1):
        yield positive(f"power {power}", "Pow", ["p", "c"], x, {"c": np.float32(power)})


def maps():
    """Yield concatenations and enlargements."""
    one, two = {"x": (1, 4, 3, 5)}, {"x": (1, 4, 3, 5), "z": (1, 2, 3, 5)}
    nodes = [node("Tanh", ["x"], "t"), node("Concat", ["t", "z", "x", "t"], "y", axis=1)]
    yield "concat", model(nodes, two), two
    yield "concat of one", model([node("Concat", ["x"], "y", axis=-3)], one), one
    vectors = {"x": (1, 4), "z": (1, 7)}
    for axis, keep in ((1, 1), (-3, 0)):
        yield f"arg max {axis}", model([node("ArgMax", ["x"], "y", axis=axis, keepdims=keep)], one,
                                       integers=("y",)), one
    yield "arg max of a vector", model([node("ArgMax", ["x"], "y", axis=1)], {"x": (1, 9)},
                                       integers=("y",)), {"x": (1, 9)}
    yield "concat vectors", model([node("Concat", ["x", "z"], "y", axis=-1)], vectors), vectors

    def resize(label, inputs, constants, opset=17, op="Resize", **attributes):
        attributes = {"mode": "nearest", **attributes}
        return label, model([node(op, ["x", *inputs], "y", "layer", **attributes)], one,
                            constants=constants, opset=opset), one

    scales = {"s": np.array([1, 1, 2, 3], np.float32)}
    for where in ("half_pixel", "pytorch_half_pixel"):
        yield resize(f"resize {where}", ["", "s"], scales, coordinate_transformation_mode=where)
    yield resize("resize", ["", "s"], scales)
    yield resize("resize asymmetric", ["", "s"], scales, nearest_mode="floor",
                 coordinate_transformation_mode="asymmetric", cubic_coeff_a=-0.75)
    yield resize("resize to a size", ["r", "e", "n"], {
        "r": np.zeros(0), "e": np.zeros(0), "n": np.array([1, 4, 12, 5])})
    yield resize("resize by one", ["", "s"], {"s": np.ones(4)})
    yield resize("resize old", ["s"], scales, opset=10)
    yield resize("upsample", ["s"], scales, opset=9, op="Upsample")
    yield resize("upsample oldest", [], None, opset=8, op="Upsample", scales=[1.0, 1.0, 4.0, 1.0])


def network(seed=0):
    """Return a model with a branch, batch norm, padding, two outputs; and its input shapes."""
    rng = np.random.default_rng(seed)
    constants = {
        "w1": rng.normal(size=(8, 3, 3, 3)) / 5, "s": rng.uniform(0.5, 2, 8),
        "b": rng.normal(size=8) / 4, "m": rng.normal(size=8) / 4, "v": rng.uniform(0.5, 2, 8),
        "w2": rng.normal(size=(8, 1, 3, 3)) / 3, "b2": rng.normal(size=8) / 4,
        "w3": rng.normal(size=(8, 8, 1, 1)) / 3, "pads": np.array([0, 0, 1, 1, 0, 0, 1, 1]),
        "w4": rng.normal(size=(8 * 4 * 4, 10)) / 8, "c4": rng.normal(size=10) / 4,
    }
    nodes = [
        node("Pad", ["x", "pads"], "padded", "pad"),
        node("Conv", ["padded", "w1"], "c1", "conv1"),
        node("BatchNormalization", ["c1", "s", "b", "m", "v"], "n1", "norm1"),
        node("Relu", ["n1"], "r1", "relu1"),
        node("Conv", ["r1", "w2", "b2"], "c2", "conv2", group=8, pads=[1, 1, 1, 1]),
        node("Sigmoid", ["c2"], "r2", "sigmoid2"),
        node("Conv", ["r2", "w3"], "c3", "conv3"),
        node("Add", ["c3", "r1"], "sum", "add"),
        node("AveragePool", ["sum"], "p3", "pool3", kernel_shape=[2, 2], strides=[2, 2]),
        node("Tanh", ["p3"], "t3", "tanh3"),
        node("Dropout", ["t3"], "d3", "drop3"),
        node("Flatten", ["d3"], "f3", "flat3"),
        node("MatMul", ["f3", "w4"], "m4", "fc4"),
        node("Add", ["m4", "c4"], "y", "bias4"),
        node("MaxPool", ["t3"], "z", "pool5", kernel_shape=[2, 2]),
    ]
    shapes = {"x": (1, 3, 8, 8)}
    return model(nodes, shapes, ("y", "z"), constants), shapes
