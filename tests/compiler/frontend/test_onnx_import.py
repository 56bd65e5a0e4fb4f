import random

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from compiler.errors import CompileError, ModelError, UnsupportedError
from compiler.frontend.onnx_import import import_onnx
from compiler.graph import Conv, Identity, Reshape
from tests.compiler.frontend.operator_cases import cases
from tests.compiler.models import layers, model, network, node, run_onnx

X = {"x": (1, 4, 8, 8)}


def refused(proto, text, error=UnsupportedError):
    with pytest.raises(error, match=text):
        import_onnx(proto)


def single(op, constants=None, shape=(1, 4, 8, 8), opset=17, **attributes):
    return model([node(op, ["x", *(constants or {})], "y", "layer", **attributes)], {"x": shape},
                 constants=constants, opset=opset)


def test_layers_keep_the_users_names():
    graph = import_onnx(network()[0])
    assert [node.layer for node in graph.nodes] == [
        "pad", "conv1", "norm1", "relu1", "conv2", "sigmoid2", "conv3", "add", "pool3", "tanh3",
        "drop3", "flat3", "fc4", "bias4", "pool5"]
    assert graph.inputs == ("x",) and graph.outputs == ("y", "z")
    assert graph.input_shapes == {"x": (1, 3, 8, 8)}
    assert graph.output_shapes == {"y": (1, 10), "z": (1, 8, 3, 3)}


def test_nameless_and_equal_names_become_unique():
    nodes = [helper.make_node("Relu", ["x"], ["a"]), node("Relu", ["a"], "b", "same"),
             node("Relu", ["b"], "y", "same")]
    graph = import_onnx(model(nodes, X))
    assert [node.name for node in graph.nodes] == ["a", "same", "same_2"]
    assert [node.layer for node in graph.nodes] == ["a", "same", "same"]


def test_all_unsupported_parts_are_listed_at_once():
    nodes = [node("LSTM", ["x"], "a", "memory"),
             node("Relu", ["a"], "b", "fine"),
             node("MaxPool", ["x"], "c", "pool", kernel_shape=[2, 2], storage_order=1),
             helper.make_node("Gelu", ["x"], ["d"], name="gelu", domain="com.microsoft"),
             node("TopK", ["b"], "y", "best")]
    with pytest.raises(UnsupportedError) as caught:
        import_onnx(model(nodes, X))
    assert len(caught.value.faults) == 4
    text = str(caught.value)
    assert text.startswith("4 parts of the model are not supported:\n  memory (LSTM): ")
    assert "supported are Abs, Acosh, Add, ArgMax, " in text
    assert "pool (MaxPool): attribute storage_order is 1; supported is 0 (row major)" in text
    assert "gelu (com.microsoft.Gelu): this operator is not supported" in text
    assert "best (TopK): this operator is not supported; supported are Abs" in text


W = {"w": np.ones((6, 4, 3, 3))}


@pytest.mark.parametrize(("proto", "text"), [
    (single("Conv", W, frobnicate=1), r"^layer \(Conv\): attribute frobnicate is not supported; "),
    (single("Conv", {"w": np.ones((6, 4))}, (1, 4)), r"'x' has shape \[1, 4\]; supported is conv"),
    (single("Conv", {"w": np.ones((6, 4, 1, 1, 1, 1))}, (1, 4, 2, 2, 2, 2)), "over 1 to 3 dimen"),
    (single("Conv", {"w": np.ones((6, 4, 3))}), "weights .* have shape .* supported are 4 dim"),
    (single("Conv", W, strides=[0, 1]), r"attribute strides is \[0, 1\]; its values must be at l"),
    (single("Conv", W, pads=[0, -1, 0, 0]), "attribute pads is .* at least 0"),
    (single("Conv", W, pads=[1 << 40] * 4), "rows with padding; supported are at most 32767"),
    (single("Conv", W, auto_pad="SOME"), "auto_pad is 'SOME'; supported are NOTSET, VALID, "),
    (single("Conv", W, dilations=[4, 1]), "window has 9 rows, the map .* only 8; .* no output"),
    (single("Conv", {"w": np.ones((6, 4, 9, 1))}), "window has 9 rows"),
    (single("Conv", W, dilations=[16000, 16000], pads=[16000] * 4),
     "its kernels are 24577536024 weights with the zeros"),
    (single("MaxPool", kernel_shape=[3, 3], pads=[3, 0, 0, 0]), "row padding 3 and 0 leaves"),
    (single("MaxPool", kernel_shape=[2, 2], storage_order=1), "storage_order is 1; supported is 0"),
    (single("MaxPool"), r"attribute kernel_shape is \[0, 0\]; its values must be at least 1"),
    (single("BatchNormalization", {name: np.ones(4) for name in "abcd"}, training_mode=1),
     "training_mode is 1; supported is 0"),
    (single("Hardmax"), "this operator is not supported"),
    (single("LeakyRelu", alpha=3.0), "alpha is 3; supported are slopes between -2 and 2"),
    (single("Reshape", {"s": np.array([1, 1, 64, 4])}, (1, 4, 8, 8), allowone=1), "allowone"),
])
def test_what_is_not_supported(proto, text):
    refused(proto, text)


@pytest.mark.parametrize(("proto", "text"), [
    (single("Conv", {"w": np.ones((6, 3, 3, 3))}), "do not fit 4 input maps in 1 groups"),
    (single("Conv", W, group=5), "do not fit 4 input maps in 5 groups"),
    (single("Conv", W, group=0), "in 0 groups"),
    (single("Conv", {**W, "b": np.ones(5)}), r"bias .* have shape \[5\], not \[6\]"),
    (single("Conv", W, kernel_shape=[5, 5]), r"kernel_shape is \[5, 5\], the weights are 3x3"),
    (single("Conv", W, strides="ab"), "attribute strides is not of type list"),
    (single("Conv"), "weights .* are missing"),
    (single("Conv", W, strides=[1]), "attribute strides has 1 values, \\[1\\]; it must have 2"),
    (single("Gemm", {"w": np.ones((4, 5))}), r"shape \[1, 4, 8, 8\]; it must be a matrix: flat"),
    (single("Gemm", {"w": np.ones((4, 5))}, (1, 4), transA=1), r"shapes \[4, 1\] and \[4, 5\] do"),
    (single("BatchNormalization", {name: np.ones(3) for name in "abcd"}), r"shape \[3\], not \[4"),
    (single("BatchNormalization", {name: -np.ones(4) for name in "abcd"}), "must be positive"),
    (single("Gemm", {"w": np.ones((5, 5))}, (1, 4)), "do not fit each other"),
    (single("Gemm", {"w": np.ones((4, 5)), "b": np.ones(3)}, (1, 4)), "does not fit 1x5 outputs"),
    (single("Div", {"c": np.float32(0)}), "divides by zero"),
    (single("Clip", {"lo": np.ones(2)}), "must be one value"),
    (single("Reshape", {"s": np.array([1, 3, -1])}), r"cannot become \[1, 3, -1\]"),
    (single("Reshape", {"s": np.array([-1, -1])}), "one may be -1"),
    (single("Reshape", {"s": np.array([1, -7])}), "has negative dimensions"),
    (single("Reshape", {"s": np.array([0, 4, 8, 8, 0])}), "keeps a dimension"),
    (single("Reshape", {"s": np.array([0.5])}), "the new shape are not integers"),
    (single("Flatten", axis=9), "attribute axis is 9"),
    (single("Squeeze", {"a": np.array([1])}), "are not all of size 1"),
    (single("Unsqueeze", {"a": np.array([9])}), "do not fit"),
    (single("Pad", {"p": np.array([1, 2])}), "2 pads for 4 dimensions"),
    (model([node("Relu", ["gone"], "y")], X), "reads 'gone', which no input"),
    (model([node("Relu", ["x"], "x")], X), "makes 'x', which is defined already"),
    (model([helper.make_node("Relu", ["x"], [])], X), "has no output"),
    (model([node("Relu", [], "y")], X), "input 0 is missing"),
    (model([node("Relu", ["x"], "y")], X, ("q",)), "output 'q' is made by no node"),
    (model([node("Relu", ["x"], "y")], X, ("x",)), "output 'x' is an input"),
    (model([node("Relu", ["x"], "y")], X, ("y", "y")), "output 'y' is listed twice"),
    (model([node("Relu", ["x"], "y")], X, ("c",), {"c": np.ones(3)}), "output 'c' is a constant"),
    (model([node("Relu", ["x"], "y")], X, output_shapes={"y": (1, 4, 4, 4)}),
     r"output 'y' is stated to have shape \[1, 4, 4, 4\], but its nodes make \[1, 4, 8, 8\]"),
    (model([node("Relu", ["c"], "y")], {}, constants={"c": np.ones(3)}), "the model has no input"),
    (model([node("Constant", [], "y")], X), "must have exactly one attribute"),
])
def test_what_is_no_onnx(proto, text):
    refused(proto, text, ModelError)


def test_computed_weights_are_refused():
    proto = model([node("Relu", ["x"], "w"), node("Conv", ["x", "w"], "y", "conv")], X)
    refused(proto, r"conv \(Conv\): weights 'w' are computed; supported are constants")


def test_second_outputs_are_refused_only_when_used():
    pool = helper.make_node("MaxPool", ["x"], ["y", "places"], kernel_shape=[2, 2])
    import_onnx(model([pool], X))
    refused(model([pool], X, ("y", "places")), "output 'places' is used; supported is the first")


def test_dropout_in_training_mode_is_refused():
    drop = node("Dropout", ["x", "ratio", "training"], "y", "drop")
    constants = {"ratio": np.float32(0.5), "training": np.array(True)}
    refused(model([drop], X, constants=constants), r"drop \(Dropout\): training_mode is true")
    constants["training"] = np.array(False)
    assert isinstance(import_onnx(model([drop], X, constants=constants)).nodes[0], Identity)


def test_a_flatten_that_changes_no_map_is_nothing():
    graph = import_onnx(single("Flatten", shape=(1, 100, 1, 1)))
    assert isinstance(graph.nodes[0], Identity)
    assert isinstance(import_onnx(single("Flatten")).nodes[0], Reshape)


def test_shapes_computed_by_exporters_are_folded():
    """What PyTorch makes of x.view(x.size(0), -1)."""
    nodes = [
        node("Shape", ["x"], "shape"), node("Gather", ["shape", "zero"], "size"),
        node("Unsqueeze", ["size", "axes"], "first"),
        node("Constant", [], "rest", value_ints=[-1]),
        node("Concat", ["first", "rest"], "target", axis=0), node("Reshape", ["x", "target"], "y")]
    constants = {"zero": np.array(0), "axes": np.array([0])}
    assert import_onnx(model(nodes, X, constants=constants)).output_shapes == {"y": (1, 256)}


def test_weights_computed_from_constants_are_folded():
    weights = np.arange(12.0).reshape(4, 3)
    nodes = [node("Transpose", ["w"], "t", perm=[1, 0]), node("Add", ["t", "one"], "moved"),
             node("Gemm", ["x", "moved"], "y", transB=1)]
    graph = import_onnx(model(nodes, {"x": (1, 4)}, constants={"w": weights, "one": np.ones(1)}))
    np.testing.assert_array_equal(graph.nodes[0].weights, weights.T + 1)


CONSTANTS = [
    ("Squeeze", {"axes": np.array([0])}, {}), ("Squeeze", {}, {}),
    ("Unsqueeze", {"axes": np.array([0])}, {}), ("Flatten", {}, {"axis": 1}),
    ("Reshape", {"shape": np.array([1, 0, 1, -1])}, {}), ("Identity", {}, {}),
]


@pytest.mark.parametrize(("op", "extra", "attributes"), CONSTANTS)
def test_constants_are_shaped_as_onnxruntime_does(op, extra, attributes):
    constants = {"c": np.arange(4.0).reshape(1, 4, 1, 1), **extra}
    if op in ("Reshape", "Unsqueeze"):
        constants["c"] = constants["c"].reshape(1, 4)
    proto = model([node(op, ["c", *extra], "d", **attributes), node("Shape", ["d"], "s"),
                   node("Gather", ["s", "last"], "z"), node("Relu", ["x"], "r"),
                   node("Reshape", ["r", "s"], "y")], {"x": (1, 4, 1, 1)},
                  constants={**constants, "last": np.array(0)})
    wanted = run_onnx(proto, {"x": np.ones((1, 4, 1, 1))})["y"].shape
    assert import_onnx(proto).output_shapes == {"y": wanted}


def test_squeeze_and_unsqueeze_of_old_operator_sets():
    nodes = [node("Squeeze", ["x"], "a", axes=[2]), node("Unsqueeze", ["a"], "y", axes=[0])]
    graph = import_onnx(model(nodes, {"x": (1, 4, 1, 3)}, opset=11))
    assert graph.output_shapes == {"y": (1, 1, 4, 3)}
    graph = import_onnx(model([node("Squeeze", ["x"], "y")], {"x": (1, 4, 1, 3)}))
    assert graph.output_shapes == {"y": (4, 3)}


@pytest.mark.parametrize(("attributes", "factor"), [
    ({"value": numpy_helper.from_array(np.float32(2))}, 2), ({"value_float": 3.0}, 3),
    ({"value_floats": [4.0] * 4}, 4), ({"value_int": 5}, 5), ({"value_ints": [6]}, 6)])
def test_constant_nodes(attributes, factor):
    nodes = [node("Constant", [], "c", **attributes), node("Mul", ["x", "c"], "y")]
    graph = import_onnx(model(nodes, {"x": (1, 4, 5, 4)} if factor != 4 else {"x": (1, 4)}))
    assert set(graph.nodes[0].scale) == {factor}


def test_constant_nodes_of_text():
    nodes = [node("Constant", [], "c", "text", value_string="a"), node("Relu", ["x"], "y")]
    refused(model(nodes, X), r"text \(Constant\): attribute value_string is not supported")


def test_constants_that_make_infinities():
    proto = single("Gemm", {"w": np.ones((4, 5))}, (1, 4), alpha=float("inf"))
    refused(proto, "its constants make numbers that are infinite", ModelError)


def test_an_operator_on_a_constant_alone():
    proto = model([node("Relu", ["c"], "y", "relu")], X, constants={"c": np.ones(3)})
    refused(proto, r"relu \(Relu\): input 0, 'c', is a constant; supported is a tensor")


def test_constants_that_contradict_each_other():
    nodes = [node("Add", ["a", "b"], "c", "sum"), node("Relu", ["x"], "y")]
    proto = model(nodes, X, constants={"a": np.ones(3), "b": np.ones(4)})
    refused(proto, r"sum \(Add\): cannot be computed: ", ModelError)


def test_constants_that_would_fill_the_memory():
    nodes = [node("Add", ["a", "b"], "c", "sum"), node("Relu", ["x"], "y")]
    proto = model(nodes, X, constants={"a": np.ones((20000, 1)), "b": np.ones((1, 20000))})
    refused(proto, "400000000 values, at most", ModelError)


def test_initialisers_listed_as_inputs_are_constants():
    proto = single("Conv", W)
    proto.graph.input.append(helper.make_tensor_value_info("w", 1, (6, 4, 3, 3)))
    assert import_onnx(proto).inputs == ("x",)


def test_dilation_spreads_the_kernel():
    proto = single("Conv", {"w": np.ones((1, 4, 2, 2))}, dilations=[3, 2])
    conv, = import_onnx(proto).nodes
    assert isinstance(conv, Conv) and conv.weights.shape == (1, 4, 4, 3)
    assert conv.weights.sum() == 16 and conv.weights[0, 0, 0].tolist() == [1, 0, 1]


@pytest.mark.parametrize("seed", range(4))
def test_damaged_models_are_refused_or_right(seed):
    """Flip bytes of good models: an error of ours, or a graph that verifies; nothing else."""
    chance = random.Random(seed)
    contents = [proto.SerializeToString() for _, proto, _ in layers()]
    for _ in range(400):
        damaged = bytearray(chance.choice(contents))
        for _ in range(chance.randrange(1, 4)):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        try:
            import_onnx(bytes(damaged))
        except CompileError:
            continue


@pytest.mark.parametrize("seed", range(4))
def test_edited_models_are_refused_or_right(seed):
    """Put extreme numbers in attributes and dimensions."""
    chance = random.Random(seed)
    protos = [proto for _, proto, _ in layers()] + [case.values[0] for case in cases()]
    extremes = [-(1 << 63), -(1 << 31), -2, -1, 0, 1, 2, 3, 7, 1 << 15, 1 << 31, (1 << 63) - 1]
    for _ in range(300):
        proto = onnx.ModelProto()
        proto.CopyFrom(chance.choice(protos))
        layer = proto.graph.node[0]
        attributes = [a for a in layer.attribute if a.ints or a.HasField("i")]
        if attributes and chance.random() < 0.7:
            attribute = chance.choice(attributes)
            if attribute.ints:
                attribute.ints[chance.randrange(len(attribute.ints))] = chance.choice(extremes)
            else:
                attribute.i = chance.choice(extremes)
        else:
            dims = proto.graph.input[0].type.tensor_type.shape.dim
            if not dims:
                continue
            dims[chance.randrange(len(dims))].dim_value = chance.choice(extremes)
        try:
            import_onnx(proto)
        except CompileError:
            continue
