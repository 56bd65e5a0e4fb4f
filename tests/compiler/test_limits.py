"""Layers at and beyond the machine's limits: cut so that every bit is right, or refused by name."""

from dataclasses import replace

import numpy as np
import pytest

from compiler.boxes import Box, Walk
from compiler.compile import compile_model
from compiler.errors import CompileError
from compiler.fixed import FixedGraph, Move, Pool, Tensor
from compiler.lower import lower
from hdl.target import Memory, get_target
from host.compare import first_difference
from host.device import open_device
from sim.functional.machine import channels_reach, prepare
from tests.compiler.models import model, node
from tests.random_layers import one_convolution, random_layer
from tests.run_functional import run_lowered

TINY, LARGE = "tiny", "virtex6-lx240t"


def convolution(shape, maps, kernel, **attributes):
    """Return a convolution called ``layer`` of random weights, and its input's shape."""
    inputs = shape[0] // attributes.get("group", 1)
    weights = np.random.default_rng(1).normal(size=(maps, inputs, *kernel))
    weights /= np.sqrt(weights[0].size)
    return model([node("Conv", ["x", "w"], "y", "layer", **attributes)], {"x": (1, *shape)},
                 constants={"w": weights})


def pooled(shape, maps, kernel, op, activation=None, **attributes):
    """Return a convolution, perhaps a function, and a pool, called ``layer``, ``f``, ``pool``."""
    proto = convolution(shape, maps, kernel)
    nodes = [node("Conv", ["x", "w"], "c", "layer")]
    if activation:
        nodes.append(node(activation, ["c"], "f"))
    nodes.append(node(op, ["f" if activation else "c"], "y", "pool", **attributes))
    del proto.graph.node[:]
    proto.graph.node.extend(nodes)
    return proto


def pool(shape, op, **attributes):
    return model([node(op, ["x"], "y", "layer", **attributes)], {"x": (1, *shape)})


def calibration(proto, seed=2):
    shape = [size.dim_value for size in proto.graph.input[0].type.tensor_type.shape.dim]
    return {"x": np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32)}


PAD1, PAD2, PAD3 = ([size] * 4 for size in (1, 2, 3))

#: What exceeds a limit of one step or one way to cut it, by what it is about.
CUT = {
    # Rows wider than the line buffers: blocks of columns, for tiny and for the large machine.
    "rows of a 1-row kernel": (
        {TINY: 3000, LARGE: 4200}, lambda width: convolution((1, 3, width), 2, (1, 5))),
    "rows of a 1x1 kernel": (
        {TINY: 3000, LARGE: 4200}, lambda width: convolution((3, 4, width), 2, (1, 1))),
    "rows of a 3x3 kernel": (
        {TINY: 1500, LARGE: 2500},
        lambda width: convolution((2, 6, width), 3, (3, 3), pads=PAD1)),
    "rows of a strided kernel": (
        {TINY: 1501, LARGE: 2501},
        lambda width: convolution((2, 7, width), 3, (3, 3), strides=[2, 2], pads=PAD1)),
    "rows of a 7x7 kernel": (
        {TINY: 700, LARGE: 2100},
        lambda width: convolution((1, 9, width), 2, (7, 7), pads=PAD3)),
    # More frames at addresses of their own than a port's table has entries.
    "maps of a strided kernel": (
        {TINY: 300, LARGE: 1100},
        lambda maps: convolution((maps, 9, 9), 3, (5, 5), strides=[2, 2], pads=PAD2)),
    "maps of four phases": (
        {TINY: 150, LARGE: 600},
        lambda maps: convolution((maps, 9, 9), 3, (7, 7), strides=[4, 4], pads=PAD3)),
    "maps of a padded kernel": (
        {TINY: 600, LARGE: 3000}, lambda maps: convolution((maps, 5, 5), 2, (3, 3), pads=PAD1)),
    "groups": (
        {TINY: 300, LARGE: 1100},
        lambda maps: convolution((maps, 6, 6), maps, (3, 3), strides=[2, 2], pads=PAD1,
                                 group=maps)),
    "maps of a pool": (
        {TINY: 700, LARGE: 3000},
        lambda maps: pool((maps, 4, 4), "MaxPool", kernel_shape=[2, 2], strides=[2, 2])),
    # Kernels larger than the chain, in both directions.
    "rows of a kernel": ({TINY: 64, LARGE: 120}, lambda rows: convolution((1, 130, 4), 1,
                                                                          (rows, 1))),
    "columns of a kernel": ({TINY: 200, LARGE: 200}, lambda columns: convolution(
        (1, 4, 250), 1, (1, columns))),
    "a kernel in 9 or more pieces": ({TINY: 31, LARGE: 31}, lambda size: convolution(
        (1, 40, 40), 1, (size, size), pads=[15, 15, 15, 15])),
    "a fully connected layer": ({TINY: 40000, LARGE: 70000}, lambda inputs: convolution(
        (inputs, 1, 1), 2, (1, 1))),
    # Windows larger than the accumulators, or the line buffers.
    "a window": ({TINY: 40, LARGE: 120}, lambda size: pooled(
        (1, size + 5, size + 5), 2, (3, 3), "MaxPool", "Tanh", kernel_shape=[size, size],
        strides=[size, size])),
    "the columns of a window": ({TINY: 300, LARGE: 1100}, lambda size: pooled(
        (1, 9, 2 * size + 2), 2, (3, 3), "AveragePool", kernel_shape=[3, size],
        strides=[3, size])),
    "a whole map": ({TINY: 64, LARGE: 110}, lambda size: pooled(
        (2, size + 2, size + 2), 3, (3, 3), "GlobalAveragePool", "Relu")),
}


@pytest.mark.parametrize("target", [TINY, LARGE])
@pytest.mark.parametrize("what", CUT)
def test_what_exceeds_one_step_is_cut(what, target):
    sizes, make = CUT[what]
    proto = make(sizes[target])
    inputs = calibration(proto)
    program = compile_model(proto, target, inputs)
    with open_device(program, "reference") as device:
        expected = device.run(inputs, raw=True)
    with open_device(program, "functional") as device:
        found = device.run(inputs, raw=True)
    assert first_difference(expected, found) is None
    assert expected["y"].any()


#: What no way of cutting makes fit, by what it is about; and what the error says.
REFUSED = {
    "tensors beyond memory": (
        TINY, lambda: convolution((1, 256, 256), 40, (3, 3), pads=PAD1),
        (r"layer: 2,621,440 samples \(40x256x256\) of tensor 'y' take 5,242,880 bytes "
         r"of memory, target tiny has 4,194,304; choose a larger target or a smaller network")),
    "an input beyond memory": (
        TINY, lambda: pool((40, 256, 256), "MaxPool", kernel_shape=[2, 2], strides=[2, 2]),
        r"input 'x': 2,621,440 samples .* target tiny has 4,194,304"),
    "weights beyond memory": (
        TINY, lambda: convolution((1500, 1, 1), 1500, (1, 1)),
        r"layer: weights take 4,\d+,\d+ of the .* target tiny has 4,194,304"),
    "dimensions": (
        LARGE, lambda: convolution((1, 2, 40000), 1, (1, 1)),
        r"layer \(Conv\): 40000 columns .* at most 32767"),
    "samples of a tensor": (
        LARGE, lambda: convolution((4, 30000, 30000), 1, (1, 1)),
        r"input 'x' of shape \[1, 4, 30000, 30000\] is larger than 2147483648 samples"),
    "frames of a pass": (
        TINY, lambda: convolution((160, 104, 104), 1, (101, 101)),
        r"layer: no way .* target tiny: \d+ frames of a pass exceed the convolver's 65535"),
    "frames at addresses of their own": (
        LARGE, lambda: convolution((1, 370, 370), 1, (367, 367), strides=[3, 3]),
        (r"layer: no way .* target virtex6-lx240t: \d+ frames of different addresses exceed the "
         r"1024 entries of a DMA port's table")),
    "a window": (
        TINY, lambda: pool((1, 260, 260), "AveragePool", kernel_shape=[256, 256]),
        r"layer: a window of 65536 samples exceeds the 65535 of an operator; pool in two steps"),
    "a window behind a convolution": (
        LARGE, lambda: pooled((1, 258, 258), 1, (3, 3), "GlobalAveragePool"),
        r"pool: a window of 65536 samples exceeds the 65535 of an operator; pool in two steps"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_fits_no_way_is_refused_with_layer_number_and_limit(what):
    target, make, message = REFUSED[what]
    proto = make()
    with pytest.raises(CompileError, match=message) as refused:
        compile_model(proto, target, {"x": np.zeros((1, 1))} if "dim" in what or "samples" in what
                      else calibration(proto))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("target, rows", [(TINY, 300), (LARGE, 1100)])
def test_addresses_that_fall(target, rows):
    """Rows backwards, every second sample backwards: negative strides, more rows than a table."""
    shapes = {"x": (2, rows, 5), "y": (2, rows, 3)}
    reads = Walk(5 * rows - 1, (5 * rows, -5, -2))
    move = Move("move", ("x",), "y", "layer", (Box(shapes["y"], reads, Walk(0, (3 * rows, 3, 1))),))
    graph = FixedGraph((move,), {name: Tensor(name, shape, 8) for name, shape in shapes.items()},
                       ("x",), ("y",))
    x = np.random.default_rng(1).integers(-(1 << 15), 1 << 15, shapes["x"]).astype(np.int16)
    lowered = lower(graph, get_target(target))
    got = run_lowered(lowered, graph, {"x": x}, get_target(target))["y"]
    assert np.array_equal(got, x[:, ::-1, ::-2])


def test_a_step_longer_than_control_can_wait():
    pool = Pool("pool", ("x",), "y", "layer", "max", (255, 255), (1, 1))
    tensors = {"x": Tensor("x", (1, 1000, 1000), 8), "y": Tensor("y", (1, 746, 746), 8)}
    with pytest.raises(CompileError, match=r"^layer: a step of [\d,]{14} cycles exceeds the "
                                           r"4,294,967,295 that control can wait for; cut "):
        lower(FixedGraph((pool,), tensors, ("x",), ("y",)), get_target(TINY))


def test_addresses_up_to_the_end_of_the_largest_memory():
    """Not run: 1.8 GB in, 1.8 GB out. Every register holds its value, or lowering would fail."""
    whole = replace(get_target(TINY), memory=Memory(size=1 << 32, peak=1_600_000_000))
    graph = random_layer(1, shape="lookup").graph
    tensors = {name: replace(tensor, shape=(3, 30000, 10000))
               for name, tensor in graph.tensors.items()}
    lowered = lower(replace(graph, tensors=tensors), whole)
    read, written = (lowered.tensors[names[0]] for names in (graph.inputs, graph.outputs))
    assert abs(read - written) == 1_800_000_000
    ends = [channels_reach(whole, prepare(lowered.image, 0, whole)), max(read, written) // 2]
    assert ends[0] - ends[1] == 900_000_000
    with pytest.raises(ValueError, match="must fit a 32-bit address"):
        Memory(size=1 << 33, peak=1)


def test_tensors_beyond_the_large_memory():
    """Not through ONNX: quantising would compute what does not fit."""
    layer = one_convolution((1, 8, 8), 3, (3, 3), padding=(1, 1, 1, 1))
    shapes = {"t0": (1, 30000, 10000), layer.graph.outputs[0]: (3, 30000, 10000)}
    tensors = {name: replace(tensor, shape=shapes[name])
               for name, tensor in layer.graph.tensors.items()}
    graph = replace(layer.graph, tensors=tensors)
    with pytest.raises(CompileError, match=r"^layer_n0: 900,000,000 samples \(3x30000x10000\) .* "
                                           r"take 1,800,000,000 of the 2,400,000,000 bytes .* "
                                           r"has 536,870,912"):
        lower(graph, get_target(LARGE))
