"""Each pass: the same function before and after, what it leaves alone, twice is once."""

import numpy as np
import pytest

from compiler.execute import execute
from compiler.frontend.onnx_import import import_onnx
from compiler.graph import Affine, Conv, Gemm, Identity, Pad, Pool, Reshape, verify
from compiler.passes.drop_dead import drop_dead
from compiler.passes.drop_identity import drop_identity
from compiler.passes.fold_affine import fold_affine
from compiler.passes.fuse_pad import fuse_pad
from compiler.passes.to_conv import to_conv
from compiler.pipeline import PASSES, simplify
from tests.compiler.models import layers, model, network, node

PADS = np.array([0, 0, 1, 2, 0, 0, 0, 1])


def kinds(graph):
    return [type(node).__name__ for node in graph.nodes]


def same(before, step):
    """Apply a pass; check that it keeps the function and the names, and that twice is once."""
    after = step(before)
    verify(after)
    inputs = {name: np.random.default_rng(1).normal(size=(2, *before.shapes[name]))
              for name in before.inputs}
    first, second = execute(before, inputs), execute(after, inputs)
    assert (after.inputs, after.outputs) == (before.inputs, before.outputs)
    for name in before.outputs:
        np.testing.assert_allclose(second[name], first[name], rtol=1e-12, atol=1e-12)
    again = step(after)
    assert kinds(again) == kinds(after) and again.shapes == after.shapes
    return after


@pytest.mark.parametrize("step", dict.fromkeys(PASSES), ids=lambda step: step.__name__)
def test_each_pass_keeps_the_function_of_a_network(step):
    graph = import_onnx(network()[0])
    for other in PASSES:
        if other is step:
            same(graph, step)
        graph = other(graph)


def test_every_pass_is_dumped():
    seen = []
    simplify(import_onnx(network()[0]), dump=lambda name, graph: seen.append(name))
    assert seen == [step.__name__ for step in PASSES]


@pytest.mark.parametrize("case", list(layers()), ids=lambda case: case[0])
def test_simplifying_twice_is_once(case):
    graph = simplify(import_onnx(case[1]))
    again = simplify(graph)
    assert kinds(again) == kinds(graph) and again.shapes == graph.shapes


def test_identities_vanish_and_outputs_keep_their_names():
    nodes = [node("Identity", ["x"], "a"), node("Relu", ["a"], "b"), node("Dropout", ["b"], "c"),
             node("Identity", ["c"], "y"), node("Tanh", ["b"], "z")]
    graph = import_onnx(model(nodes, {"x": (1, 2, 3, 4)}, ("y", "z")))
    after = same(graph, drop_identity)
    assert [(node.inputs, node.output) for node in after.nodes] == [(("x",), "y"), (("y",), "z")]
    assert set(after.shapes) == {"x", "y", "z"}


def test_an_identity_between_input_and_output_copies():
    nodes = [node("Identity", ["x"], "y"), node("Relu", ["x"], "z"), node("Identity", ["z"], "q")]
    graph = import_onnx(model(nodes, {"x": (1, 2, 3, 4)}, ("y", "z", "q")))
    assert kinds(same(graph, drop_identity)) == ["Reshape", "Activation", "Reshape"]


def test_dead_nodes_vanish():
    nodes = [node("Relu", ["x"], "y"), node("Tanh", ["x"], "a"), node("Abs", ["a"], "b")]
    graph = import_onnx(model(nodes, {"x": (1, 2, 3, 4)}))
    after = same(graph, drop_dead)
    assert kinds(after) == ["Activation"] and set(after.shapes) == {"x", "y"}


def padded(*nodes, outputs=("y",), **constants):
    return import_onnx(model([node("Pad", ["x", "pads"], "p", "pad"), *nodes],
                             {"x": (1, 2, 6, 6)}, outputs, {"pads": PADS, **constants}))


W = np.random.default_rng(2).normal(size=(3, 2, 3, 3))


def test_zeros_become_the_padding_of_every_convolution():
    graph = padded(node("Conv", ["p", "w"], "y", pads=[1, 0, 2, 0]), node("Conv", ["p", "w"], "z"),
                   outputs=("y", "z"), w=W)
    after = same(graph, fuse_pad)
    assert [node.padding for node in after.nodes] == [(2, 2, 2, 1), (1, 2, 0, 1)]


def test_two_pads_add_up():
    graph = padded(node("Pad", ["p", "pads"], "q"), node("Conv", ["q", "w"], "y"), w=W)
    after = same(graph, fuse_pad)
    assert [node.padding for node in after.nodes] == [(2, 4, 0, 2)]


def test_zeros_become_the_padding_of_an_average_pool():
    graph = padded(node("AveragePool", ["p"], "y", kernel_shape=[3, 3]))
    pool, = same(graph, fuse_pad).nodes
    assert isinstance(pool, Pool) and pool.count_include_pad and pool.padding == (1, 2, 0, 1)


@pytest.mark.parametrize(("nodes", "outputs", "left"), [
    ([node("MaxPool", ["p"], "y", "pool", kernel_shape=[2, 2])], ("y",), ["Pool"]),
    ([node("AveragePool", ["p"], "y", "pool", kernel_shape=[2, 2])], ("y",), ["Pool"]),
    ([node("AveragePool", ["p"], "y", "pool", kernel_shape=[4, 4], pads=[1, 1, 1, 1])], ("y",),
     ["Pool"]),
    ([node("Relu", ["p"], "y", "relu"), node("Conv", ["p", "w"], "z")], ("y", "z"),
     ["Activation", "Conv"]),
    ([node("Conv", ["p", "w"], "y")], ("y", "p"), ["Conv"]),
])
def test_other_pads_are_copied(nodes, outputs, left):
    graph = padded(*nodes, outputs=outputs, w=W)
    after = same(graph, fuse_pad)
    assert kinds(after) == ["Constant", "Move", *left]
    assert {node.inputs for node in after.nodes if isinstance(node, Conv)} <= {("x",)}


def normalised(first, outputs=("y",)):
    rng = np.random.default_rng(3)
    constants = {"w": W, "m": rng.normal(size=(4, 3)), "v": rng.uniform(1, 2, 3),
                 **{name: rng.normal(size=3) for name in "abcd"}}
    nodes = [first, node("BatchNormalization", ["c1", "a", "b", "c", "v"], "n1", "norm"),
             node("Mul", ["n1", "d3"], "y", "scale")]
    shape = (1, 4) if first.op_type == "MatMul" else (1, 2, 6, 6)
    constants["d3"] = constants["d"].reshape((1, 3) if len(shape) == 2 else (3, 1, 1))
    return import_onnx(model(nodes, {"x": shape}, outputs, constants))


def test_batch_norm_folds_into_weights():
    for first in (node("Conv", ["x", "w"], "c1", "first", pads=[1, 1, 1, 1]),
                  node("MatMul", ["x", "m"], "c1", "first")):
        after = same(normalised(first), fold_affine)
        made, = after.nodes
        assert isinstance(made, (Conv, Gemm)) and (made.name, made.output) == ("first", "y")


def test_a_convolution_that_others_read_keeps_its_weights():
    graph = normalised(node("Conv", ["x", "w"], "c1", "first"), ("y", "c1"))
    after = same(graph, fold_affine)
    assert kinds(after) == ["Conv", "Affine"]
    assert after.nodes[0].weights is graph.nodes[0].weights


def test_a_lone_affine_becomes_a_depthwise_convolution():
    graph = import_onnx(model([node("Mul", ["x", "c"], "y")], {"x": (1, 3, 4, 4)},
                              constants={"c": np.arange(1.0, 4).reshape(3, 1, 1)}))
    assert isinstance(graph.nodes[0], Affine)
    conv, = same(graph, to_conv).nodes
    assert conv.groups == 3 and conv.weights.shape == (3, 1, 1, 1)


@pytest.mark.parametrize("flatten", [1, 2])
def test_a_flattened_map_meets_kernels_of_its_size(flatten):
    shapes = [np.array([1, 24]), np.array([1, 8, 3]), np.array([1, 24])]
    nodes = [node("Reshape", [f"f{i}", f"s{i}"], f"f{i + 1}") for i in range(2 * flatten - 1)]
    nodes[0].input[0] = "x"
    nodes.append(node("MatMul", [nodes[-1].output[0], "w"], "y", "fc"))
    graph = import_onnx(model(nodes, {"x": (1, 2, 3, 4)}, constants={
        "w": np.random.default_rng(0).normal(size=(24, 5)),
        **{f"s{i}": shape for i, shape in enumerate(shapes)}}))
    after = drop_dead(same(graph, to_conv))
    conv, = after.nodes
    assert conv.weights.shape == (5, 2, 3, 4) and conv.inputs == ("x",)
    assert set(after.shapes) == {"x", "y"}


def test_a_vector_meets_kernels_of_one():
    graph = import_onnx(model([node("MatMul", ["x", "w"], "y")], {"x": (1, 24)},
                              constants={"w": np.ones((24, 5))}))
    conv, = same(graph, to_conv).nodes
    assert conv.weights.shape == (5, 24, 1, 1)


def test_verify_finds_what_a_pass_could_break():
    graph = simplify(import_onnx(network()[0]))
    for change in (
            {"nodes": graph.nodes[::-1]}, {"nodes": graph.nodes[:-1]},
            {"nodes": (*graph.nodes, graph.nodes[0])}, {"outputs": ("y",)}, {"inputs": ("x", "q")},
            {"shapes": {**graph.shapes, "y": (11, 1, 1)}}, {"shapes": {**graph.shapes, "q": (1,)}}):
        with pytest.raises((AssertionError, KeyError)):
            verify(type(graph)(**{**vars(graph), **change}))


def test_node_kinds_of_the_front_end():
    graph = import_onnx(network()[0])
    assert {Pad, Conv, Affine, Identity, Reshape, Gemm} <= {type(node) for node in graph.nodes}


def test_one_factor_for_all_maps_is_a_function_of_a_sample():
    graph = import_onnx(model([node("Mul", ["x", "c"], "y")], {"x": (1, 4, 5, 5)},
                              constants={"c": np.float32(-0.3)}))
    after = same(graph, to_conv)
    assert kinds(after) == ["Activation"] and after.nodes[0].function == "linear"
    assert kinds(to_conv(after)) == ["Activation"]
