"""Operators on several tensors, enlargements and arg max: what is taken, what is refused."""

import numpy as np
import pytest

from compiler.errors import CompileError, ModelError
from compiler.frontend.onnx_import import import_onnx
from tests.compiler.frontend.test_onnx_import import X, refused, single
from tests.compiler.models import model, node, run_onnx


@pytest.mark.parametrize("op", ["Add", "Div", "Max", "Mean", "Min", "Mul", "Sub", "Sum"])
def test_two_tensors_of_different_shapes(op):
    proto = model([node(op, ["x", "z"], "y")], {**X, "z": (1, 4, 1, 1)})
    refused(proto, r"inputs have shapes \[1, 4, 8, 8\] and \[1, 4, 1, 1\]; supported are tensors")


def resize(scales=(1, 1, 2, 2), sizes=None, opset=17, **attributes):
    constants = {"s": np.array(scales, np.float32)}
    inputs = ["x", "s"] if opset < 11 else ["x", "", "s"]
    if sizes:
        constants, inputs = {"n": np.array(sizes)}, ["x", "", "", "n"]
    return model([node("Resize", inputs, "y", "layer", **attributes)], X, constants=constants,
                 opset=opset)


@pytest.mark.parametrize(("proto", "text"), [
    (resize(mode="linear"), r"^layer \(Resize\): attribute mode is 'linear'; supported is 'near"),
    (resize((1, 1, 1.5, 2)), r"scales \[1, 1, 1.5, 2\]; supported are 1 for batch and channels, w"),
    (resize((1, 1, 0.5, 2)), "supported are 1 for batch and channels, whole numbers"),
    (resize((1, 2, 2, 2)), "supported are 1 for batch and channels"),
    (resize((1, 1, np.nan, 2)), "must be finite"),
    (resize((1, 1, 1e30, 2)), "supported are 1 for batch and channels, whole numbers"),
    (resize((1, 1, 30000, 2)), "at most 32767 rows and columns"),
    (resize(sizes=[1, 4, 12, 16]), r"scales \[1, 1, 1.5, 2\]"),
    (resize((1, 1, 3, 3), coordinate_transformation_mode="align_corners"),
     "coordinate_transformation_mode 'align_corners' with nearest_mode 'round_prefer_floor' does"),
    (resize(nearest_mode="floor"), "'half_pixel' with nearest_mode 'floor' does not repeat every"),
    (resize((1, 1, 3, 3), coordinate_transformation_mode="asymmetric"), "every sample 3 times"),
    (resize(coordinate_transformation_mode="tf_crop_and_resize"), "'tf_crop_and_resize' with"),
    (resize(opset=19, antialias=1), "attribute antialias is 1; supported is 0"),
    (resize(opset=19, axes=[2, 3]), "attribute axes is not supported"),
    (resize(opset=19, keep_aspect_ratio_policy="not_larger"), "keep_aspect_ratio_policy is 'not_l"),
    (model([node("Resize", ["x", "", "x"], "y")], X), "scales 'x' are computed"),
    (single("Concat", axis=2), r"attribute axis is 2 for a tensor of shape \[1, 4, 8, 8\]; supp"),
    (single("Concat", shape=(1, 4), axis=0), "attribute axis is 0"),
    (single("Concat", {"c": np.ones((1, 2, 8, 8))}, axis=1), "input 1, 'c', is a constant"),
    (single("ArgMax", axis=2), "attribute axis is 2"),
    (single("ArgMax"), "attribute axis is 0 for a tensor of shape"),
    (single("ArgMax", axis=1, select_last_index=1), "select_last_index is 1; supported is 0"),
    (single("ArgMax", shape=(1, 40000), axis=1), "40000 channels; supported are at most 32768"),
    (model([node("ArgMax", ["x"], "a", axis=1), node("Relu", ["a"], "y", "relu")], X),
     r"relu \(Relu\): input 0, 'a', holds the integers of an ArgMax; supported is an ArgMax that"),
    (single("Max", {"c": np.arange(4.0).reshape(4, 1, 1)}), "differs from map to map; supported"),
    (single("Mul", {"c": np.ones(8) * np.arange(8)}), "constant of shape .* differs within a map"),
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
    (model([node("Max", ["c"], "a"), node("Relu", ["x"], "y")], X, constants={"c": np.ones(1)}),
     "has no input that depends on the model's"),
    (single("Upsample", opset=8, mode="nearest", scales=[1, 1, 2, 2]), "scales is not of type"),
    (single("Pow", {"c": np.ones(2)}), "exponent has shape"),
])
def test_joins_and_enlargements_that_are_no_onnx(proto, text):
    refused(proto, text, ModelError)


WHERE = ("half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "asymmetric",
         "align_corners", "tf_half_pixel_for_nn")


@pytest.mark.parametrize("where", WHERE)
def test_enlargements_are_taken_exactly_when_they_repeat(where):
    """Every rule for coordinates and rounding, at several sizes, as onnxruntime has it."""
    taken = 0
    for rounding in ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil"):
        for size, factor in ((1, 2), (1, 3), (2, 2), (5, 2), (5, 3), (7, 4), (4, 6), (6, 5)):
            shape = {"x": (1, 1, size, 3)}
            proto = model([node("Resize", ["x", "roi", "s"], "y", mode="nearest",
                                coordinate_transformation_mode=where, nearest_mode=rounding)],
                          shape, constants={"s": np.array([1.0, 1, factor, 1]), "roi": np.ones(8)},
                          opset=11 if where.startswith("tf") else 19)
            values = np.arange(3.0 * size).reshape(1, 1, size, 3)
            wanted = run_onnx(proto, {"x": values})["y"]
            if np.array_equal(wanted, values.repeat(factor, 2)):
                assert import_onnx(proto).output_shapes["y"] == wanted.shape
                taken += 1
            else:
                refused(proto, f"does not repeat every sample {factor} times")
    assert taken >= 8


def test_names_on_the_way_are_new():
    nodes = [node("Sum", ["x", "x", "x"], "y"), node("Relu", ["y"], "y.1"), node("Abs", ["x"], "z")]
    graph = import_onnx(model(nodes, X, ("y.1", "z")))
    assert [one.output for one in graph.nodes] == ["y.2", "y", "y.1", "z"]
    assert [one.layer for one in graph.nodes] == ["y", "y", "y.1", "z"]
