"""Operators on several tensors, enlargements and arg max: what is taken, what is refused."""

import numpy as np
import pytest

from compiler.errors import CompileError, ModelError
from compiler.frontend.onnx_import import import_onnx
from tests.compiler.frontend.test_onnx_import import X, refused, single
from tests.compiler.models import model, node


def resize(scales=(1, 1, 2, 2), sizes=None, opset=17, **attributes):
    constants = {"s": np.array(scales, np.float32)}
    inputs = ["x", "s"] if opset < 11 else ["x", "", "s"]
    if sizes:
        constants, inputs = {"n": np.array(sizes)}, ["x", "", "", "n"]
    return model([node("Resize", inputs, "y", "layer", **attributes)], X, constants=constants,
                 opset=opset)


@pytest.mark.parametrize(("proto", "text"), [
    (resize(mode="spline"), r"^layer \(Resize\): attribute mode is 'spline'; supported are ne"),
    (resize((1, 1, 0.01, 2)), "scale 0.01 makes 0 samples of 8; supported are 1 to"),
    (resize((1, 1, -1, 2)), r"scales \[1, 1, -1, 2\]; supported are positive numbers"),
    (resize((1, 1, np.nan, 2)), "must be finite"),
    (resize((1, 1, 1e30, 2)), "supported are positive numbers up to 32767"),
    (resize((1, 1, 30000, 2)), "at most 32767 rows and columns"),
    (resize(coordinate_transformation_mode="skewed"), "'skewed'; supported are half_pixel, "),
    (resize(nearest_mode="up"), "nearest_mode is 'up'; supported are round_prefer_floor, "),
    (resize(opset=19, sizes=[1, 4, 9, 9], keep_aspect_ratio_policy="any"), "policy is 'any'; supp"),
    (model([node("Resize", ["x", "", "x"], "y")], X), "scales 'x' are computed"),
    (single("ArgMax", shape=(1, 40000), axis=1), "40000 numbers to choose from; supp"),
    (model([node("ArgMax", ["x"], "a", axis=1), node("Relu", ["a"], "y", "relu")], X),
     r"relu \(Relu\): input 0, 'a', holds the integers of an ArgMax; supported is an ArgMax that"),
    (single("Slice", {"s": np.array([3]), "e": np.array([3])}), r"would have shape \[0, 4"),
    (single("Tile", {"r": np.array([1, 0, 1, 1])}), r"shape \[1, 0, 8, 8\]; every dimension must"),
    (single("Tile", {"r": np.array([1 << 20, 1, 1 << 20, 1])}), "supported are 67108864"),
    (single("Pad", {"p": np.array([0, 0, 1 << 40, 0] * 2)}), "supported are 67108864"),
    (single("Pad", {"p": np.array([0, 0, 1, 1] * 2)}, mode="mirror"), "mode is 'mirror'; sup"),
    (model([node("Pow", ["c", "x"], "y", "layer")], X,
     constants={"c": np.float32(-2)}), "a base of -2 with a computed exponent; sup"),
    (model([node("MatMul", ["x", "x"], "y", "layer")], {"x": (4096, 4096)}), "supported are 2684"),
    (single("MaxPool", opset=19, kernel_shape=[2, 1], dilations=[12, 1], pads=[12, 0, 12, 0]),
     "some of its dilated windows see no sample"),
    (single("Tile", {"r": np.array([1, 1, 1, 9000])}), "72000 samples along a dimension that are"),
    (single("LpPool", kernel_shape=[2, 2], p=0), "attribute p is 0; it must be at least 1"),
    (single("Cast", to=7), "attribute to is INT64; supported are the float types"),
    (single("Shrink", lambd=-1.0), "attribute lambd is -1; supported are limits of at least 0"),
])
def test_what_joins_and_enlargements_do_not_support(proto, text):
    refused(proto, text, CompileError)


@pytest.mark.parametrize(("proto", "text"), [
    (resize((1, 1, 2)), "3 scales for 4 dimensions"),
    (resize(sizes=[1, 4]), "2 sizes for 4 dimensions"),
    (single("Concat", axis=7), "attribute axis is 7, the input has 4 dimensions"),
    (model([node("Concat", ["x", "z"], "y", axis=1)], {**X, "z": (1, 4, 8, 7)}),
     r"input 'z' of shape \[1, 4, 8, 7\] does not fit input 'x' of shape \[1, 4, 8, 8\]"),
    (model([node("Concat", ["x", ""], "y", axis=1)], X), "input 1 is missing"),
    (model([node("Mean", ["c"], "a"), node("Relu", ["x"], "y")], X, constants={"c": np.ones(1)}),
     "has no input that depends on the model's"),
    (single("Upsample", opset=8, mode="nearest", scales=[1, 1, 2, 2]), "scales is not of type"),
    (single("Add", {"c": np.ones((3, 1, 1))}), r"of shape \[3, 1, 1\] and a tensor .* do not b"),
    (model([node("Add", ["x", "z"], "y")], {**X, "z": (3,)}), "shapes .* and .* do not broadcast"),
    (model([node("MatMul", ["x", "z"], "y")], {**X, "z": (7, 3)}), "do not fit each other"),
    (model([node("MatMul", ["x", "z"], "y")], {"x": (), "z": (7, 3)}), "a factor is a number"),
    (single("Transpose", perm=[0, 1, 1, 2]), "perm is .* it must hold 0 to 3"),
    (single("Slice", {"s": np.array([0]), "e": np.array([1]), "a": np.array([4])}), "do not fit"),
    (single("Split", opset=18, num_outputs=1 << 40), "num_outputs is 1099511627776 for 1 outputs"),
    (single("Split", {"n": np.array([3, 3])}, axis=1), "along axis 1 cannot be"),
    (single("Pad", {"p": np.array([0, 0, 9, 0] * 2)}, mode="reflect"), "reflects 9 samples"),
    (single("Pad", {"p": np.array([0, 0]), "v": np.float32(0), "a": np.array([5])}), "axes .* fi"),
    (single("Expand", {"s": np.array([3, 1, 1])}), r"cannot become \[3, 1, 1\]"),
    (single("Gather", {"i": np.array([4])}, axis=1), "indices of 4 samples are from"),
    (single("DepthToSpace", blocksize=3), "4 channels are not in blocks of 3x3"),
    (single("SpaceToDepth", blocksize=3), "8 rows and 8 columns are not in blocks of 3x3"),
    (single("ReduceSum", {"a": np.array([4])}), "axes .* do not fit shape"),
    (single("Softmax", axis=4), "attribute axis is 4, the input has 4 dimensions"),
    (single("LpNormalization", p=3), "attribute p is 3; it must be 1 or 2"),
    (single("GroupNormalization", {"s": np.ones(4), "b": np.ones(4)}, opset=21, num_groups=3),
     "4 channels are not in 3 groups"),
    (single("PRelu", {"s": np.ones(3)}), "slopes .* do not broadcast to"),
])
def test_joins_and_enlargements_that_are_no_onnx(proto, text):
    refused(proto, text, ModelError)


def test_names_on_the_way_are_new():
    nodes = [node("Sum", ["x", "x", "x"], "y"), node("Relu", ["y"], "y.1"), node("Abs", ["x"], "z")]
    graph = import_onnx(model(nodes, X, ("y.1", "z")))
    assert [one.output for one in graph.nodes] == ["y.2", "y", "y.1", "z"]
    assert [one.layer for one in graph.nodes] == ["y", "y", "y.1", "z"]
