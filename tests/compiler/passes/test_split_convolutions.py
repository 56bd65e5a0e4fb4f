"""Transposed and three-dimensional convolutions as ordinary ones."""

import random

import numpy as np
import pytest

from compiler.execute import execute
from compiler.graph import Affine, Concat, Conv, Conv3d, ConvTranspose, Move, Reshape
from compiler.passes.fold_affine import fold_affine
from compiler.passes.split_depth import split_depth
from compiler.passes.split_transpose import split_transpose
from compiler.pipeline import simplify
from compiler.quantise import quantise
from hdl.target import TARGETS
from tests.compiler.flat_graphs import FlatGraph
from tests.compiler.lower.test_moves import check
from tests.compiler.models import model, node, run_onnx
from tests.compiler.passes.test_passes import kinds, same


def transposed(shape, maps, kernel, *, seed=1, groups=1, **fields):
    """Return the graph of one transposed convolution."""
    rng = np.random.default_rng(seed)
    flat = FlatGraph({"x": shape})
    weights = rng.normal(size=(shape[0], maps // groups, *kernel))
    made = ConvTranspose("y", ("x",), "y", "y", weights, rng.normal(size=maps), groups=groups,
                         **fields)
    flat.nodes.append(made)
    flat.shapes["y"] = made.shape(shape)
    return flat


@pytest.mark.parametrize("seed", range(60))
def test_transposed_convolutions_of_any_geometry(seed):
    rng = random.Random(seed)
    while True:
        kernel, stride = [(rng.randint(1, 5), rng.randint(1, 5)) for _ in range(2)]
        padding = tuple(rng.randint(0, max(kernel) - 1) for _ in range(4))
        extra = tuple(rng.randrange(step) for step in stride)
        groups = rng.choice((1, 1, 2, 3))
        shape = (groups * rng.randint(1, 3), rng.randint(1, 6), rng.randint(1, 6))
        fields = {"stride": stride, "padding": padding, "extra": extra, "groups": groups}
        flat = transposed(shape, groups * rng.randint(1, 3), kernel, seed=seed, **fields)
        if min(flat.shapes["y"]) >= 1:
            break
    print(seed, shape, kernel, fields)
    after = same(flat.graph("y"), split_transpose)
    assert {type(node_) for node_ in after.nodes} <= {Concat, Conv, Move, Reshape}


def test_float_execution_is_that_of_onnx():
    rng = np.random.default_rng(5)
    w, b = rng.normal(size=(4, 3, 3, 5)), rng.normal(size=6)
    proto = model([node("ConvTranspose", ["x", "w", "b"], "y", strides=[2, 3], group=2,
                        pads=[1, 0, 0, 2], output_padding=[1, 0])],
                  {"x": (1, 4, 5, 6)}, ("y",), {"w": w, "b": b})
    x = rng.normal(size=(1, 4, 5, 6))
    wanted = run_onnx(proto, {"x": x})["y"]
    flat = FlatGraph({"x": (4, 5, 6)})
    made = ConvTranspose("y", ("x",), "y", "y", w, b, (2, 3), (1, 0, 0, 2), (1, 0), 2)
    flat.nodes.append(made)
    flat.shapes["y"] = made.shape((4, 5, 6))
    np.testing.assert_allclose(execute(flat.graph("y"), {"x": x})["y"], wanted, atol=1e-5)


def test_a_kernel_as_large_as_the_stride_is_one_convolution():
    after = same(transposed((3, 5, 6), 2, (2, 2), stride=(2, 2)).graph("y"), split_transpose)
    assert kinds(after) == ["Conv", "Move"] and after.nodes[0].weights.shape == (8, 3, 1, 1)


def test_stride_one_is_a_convolution_alone():
    after = same(transposed((3, 5, 6), 2, (3, 3), padding=(1, 1, 1, 1)).graph("y"), split_transpose)
    assert kinds(after) == ["Conv"]


def deep(shape, depth, maps, kernel, *, seed=1, groups=1, **fields):
    """Return the graph of one convolution over depth."""
    rng = np.random.default_rng(seed)
    flat = FlatGraph({"x": (shape[0] * depth, *shape[1:])})
    made = Conv3d("y", ("x",), "y", "y", rng.normal(size=(maps, shape[0] // groups, *kernel)),
                  rng.normal(size=maps), depth, groups=groups, **fields)
    flat.nodes.append(made)
    flat.shapes["y"] = made.shape(flat.shapes["x"])
    return flat


@pytest.mark.parametrize("seed", range(40))
def test_convolutions_over_depth_of_any_geometry(seed):
    rng = random.Random(seed)
    while True:
        kernel, stride, size = [tuple(rng.randint(1, most) for _ in range(3)) for most in (4, 3, 6)]
        padding = tuple(rng.randint(0, 2) for _ in range(6))
        groups = rng.choice((1, 1, 2))
        if all(length + before + after >= taps for length, before, after, taps in zip(
                size, padding[:3], padding[3:], kernel, strict=True)):
            break
    fields = {"stride": stride, "padding": padding, "groups": groups}
    print(seed, size, kernel, fields)
    flat = deep((groups * rng.randint(1, 3), *size[1:]), size[0], groups * rng.randint(1, 3),
                kernel, seed=seed, **fields)
    after = same(flat.graph("y"), split_depth)
    assert {type(node_) for node_ in after.nodes} <= {Concat, Conv, Move, Reshape}


def test_convolution_over_depth_is_that_of_onnx():
    rng = np.random.default_rng(5)
    w, b = rng.normal(size=(4, 3, 3, 2, 3)), rng.normal(size=4)
    proto = model([node("Conv", ["x", "w", "b"], "y", strides=[2, 1, 2], group=2,
                        pads=[1, 0, 1, 0, 1, 1])], {"x": (1, 6, 5, 6, 7)}, ("y",),
                  {"w": w, "b": b})
    x = rng.normal(size=(1, 6, 5, 6, 7))
    wanted = run_onnx(proto, {"x": x})["y"]
    flat = FlatGraph({"x": (30, 6, 7)})
    made = Conv3d("y", ("x",), "y", "y", w, b, 5, (2, 1, 2), (1, 0, 1, 0, 1, 1), 2)
    flat.nodes.append(made)
    flat.shapes["y"] = made.shape((30, 6, 7))
    found = execute(flat.graph("y"), {"x": x.reshape(1, 30, 6, 7)})["y"]
    np.testing.assert_allclose(found.reshape(wanted.shape), wanted, atol=1e-5)


@pytest.mark.parametrize("make", [
    lambda: transposed((4, 5, 6), 6, (3, 3), groups=2, stride=(2, 2)),
    lambda: deep((2, 4, 5), 3, 6, (2, 3, 3))], ids=["transposed", "deep"])
def test_factors_of_maps_fold_into_the_kernels(make):
    flat = make()
    rng, planes = np.random.default_rng(2), flat.shapes["y"][0] // 6
    scale, offset = (rng.normal(size=6).repeat(planes) for _ in range(2))
    z = flat.node(Affine, ["y"], scale=scale, offset=offset)
    assert len(same(flat.graph(z), fold_affine).nodes) == 1


def test_factors_that_differ_from_plane_to_plane_stay():
    flat = deep((2, 4, 5), 3, 6, (2, 3, 3))
    z = flat.node(Affine, ["y"], scale=np.arange(12.0), offset=np.zeros(12))
    assert kinds(same(flat.graph(z), fold_affine)) == ["Conv3d", "Affine"]


@pytest.mark.parametrize("target", ["tiny", "virtex6-lx240t"])
@pytest.mark.parametrize("make", [
    lambda: transposed((4, 7, 6), 6, (4, 4), groups=2, stride=(2, 2), padding=(1, 1, 1, 1)),
    lambda: transposed((3, 7, 6), 2, (2, 3), stride=(3, 2), extra=(1, 1)),
    lambda: deep((3, 9, 8), 5, 4, (3, 3, 3), padding=(1, 1, 1, 1, 1, 1)),
    lambda: deep((4, 9, 8), 4, 4, (2, 3, 3), groups=4, stride=(1, 2, 2))],
    ids=["transposed", "phases", "deep", "depthwise"])
def test_the_machine_runs_them(make, target):
    check(simplify(make().graph("y")), TARGETS[target])


def test_planes_share_their_kernels():
    graph = simplify(deep((4, 9, 8), 12, 8, (3, 3, 3), padding=(1, 1, 1, 1, 1, 1)).graph("y"))
    quantised, _ = quantise(graph)
    kernels = {id(node.weights) for node in quantised.nodes if hasattr(node, "weights")}
    assert len(kernels) == 3
