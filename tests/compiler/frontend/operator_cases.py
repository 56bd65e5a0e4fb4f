"""Small models of every operator on random shapes: (label, model, input shapes)."""

import numpy as np
import pytest

from tests.compiler.models import model, node

SEED = 20


def _rng(label):
    return np.random.default_rng([SEED, *label.encode()])


def _one(label, op, shape, constants=None, *, opset=18, positive=False, outputs=1, **attributes):
    """Return a model of one operator on an input and constants."""
    names = ["y"] if outputs == 1 else [f"y{index}" for index in range(outputs)]
    nodes, source, constants = [], "x", dict(constants or {})
    if positive:
        # Inputs are in -1 to 1.
        nodes, source = [node("Add", ["x", "shift"], "p")], "p"
        constants["shift"] = np.float32(1.2)
    inputs = [source, *(name for name in constants if name != "shift")]
    made = node(op, inputs, names[0], "layer", **attributes)
    made.output.extend(names[1:])
    return label, model([*nodes, made], {"x": shape}, names, constants, opset=opset,
                        integers=("y",) if op.startswith("Arg") else ()), {"x": shape}


def _two(label, op, first, second, *, opset=18, nodes=(), constants=None, **attributes):
    shapes = {"x": first, "z": second}
    return label, model([*nodes, node(op, ["x", "z"], "y", "layer", **attributes)], shapes,
                        constants=constants, opset=opset), shapes


def functions():
    """Yield functions of one sample."""
    for op, options in (
            ("Elu", {"alpha": 0.7}), ("Selu", {}), ("Celu", {"alpha": 1.4}), ("Softplus", {}),
            ("Softsign", {}), ("HardSigmoid", {"alpha": 0.6, "beta": 0.4}), ("HardSwish", {}),
            ("Mish", {}), ("Erf", {}), ("ThresholdedRelu", {"alpha": 0.3}), ("Sin", {}),
            ("Shrink", {"bias": 0.2, "lambd": 0.35}), ("Cos", {}), ("Atan", {}), ("Sinh", {}),
            ("Cosh", {}), ("Asinh", {})):
        yield _one(op, op, (2, 3, 5), opset=18, **options)
    for kind in ("none", "tanh"):
        yield _one(f"Gelu {kind}", "Gelu", (3, 7), opset=20, approximate=kind)
    yield _one("PRelu", "PRelu", (2, 3, 4), {"s": np.float32([0.25])})
    yield _one("PRelu a map", "PRelu", (1, 3, 4, 4), {"s": np.float32([[[0.25]], [[-1]], [[3]]])})
    yield _one("PRelu a sample", "PRelu", (3, 4), {"s": _rng("prelu").normal(size=(3, 4))})
    yield _acosh()
    for exponent in (0, 3, 5, -2, 1.5, -0.75):
        yield _one(f"Pow {exponent}", "Pow", (3, 4), {"e": np.float32(exponent)}, positive=True)
    yield _reciprocal()
    for op, base in (("Relu", "x"), ("Abs", "z")):
        shapes = {"x": (3, 4), "z": (3, 4)}
        yield f"Pow of a base down to 0, {op}", model(
            [node(op, [base], "b"), node("Sigmoid", ["x"], "s"), node("Add", ["s", "one"], "e"),
             node("Pow", ["b", "e"], "y")], {name: shapes[name] for name in sorted({"x", base})},
            constants={"one": np.float32(1)}), {
                name: shapes[name] for name in sorted({"x", base})}


def _reciprocal():
    nodes = [node("Add", ["x", "c"], "p"), node("Mul", ["p", "sign"], "s"),
             node("Reciprocal", ["s"], "y")]
    constants = {"c": np.float32(1.2), "sign": np.float32([1, -1, 1, -1])}
    return "Reciprocal of both signs", model(nodes, {"x": (3, 4)}, constants=constants), \
        {"x": (3, 4)}


def _acosh():
    nodes = [node("Add", ["x", "c"], "p"), node("Acosh", ["p"], "y")]
    return "Acosh", model(nodes, {"x": (3, 4)}, constants={"c": np.float32(2.01)}), {"x": (3, 4)}


def windows():
    """Yield convolutions and pooling over one to three dimensions, and batches."""
    rng = _rng("windows")
    for rank, size in ((1, (11,)), (2, (7, 9)), (3, (5, 6, 7))):
        shape = (2, 4, *size)
        kernel, taps = [2, 3, 2][:rank], [3, 2, 3][:rank]
        weights = {"w": rng.normal(size=(6, 2, *taps)), "b": rng.normal(size=6)}
        yield _one(f"conv {rank}-D", "Conv", shape, weights, group=2, strides=[2] * rank,
                   pads=[1, 0, 2][:rank] + [0, 1, 1][:rank])
        yield _one(f"conv {rank}-D dilated", "Conv", shape, {"w": weights["w"]}, group=2,
                   dilations=[1, 2, 2][:rank], pads=[1, 1, 2][:rank] * 2)
        yield _one(f"conv {rank}-D same", "Conv", shape, {"w": weights["w"]}, group=2,
                   strides=[2] * rank, auto_pad="SAME_LOWER")
        transposed = {"w": rng.normal(size=(4, 3, *taps)), "b": rng.normal(size=6)}
        yield _one(f"transposed {rank}-D", "ConvTranspose", shape, transposed, group=2,
                   strides=[2, 1, 3][:rank], pads=[1, 0, 0][:rank] + [0, 1, 2][:rank],
                   output_padding=[1, 0, 1][:rank])
        yield _one(f"transposed {rank}-D same", "ConvTranspose", shape, {"w": transposed["w"]},
                   strides=[2] * rank, auto_pad="SAME_UPPER")
        yield _one(f"transposed {rank}-D to a size", "ConvTranspose", shape,
                   {"w": transposed["w"]}, strides=[3] * rank,
                   output_shape=[3 * length + 1 for length in size])
        for op in ("MaxPool", "AveragePool", "LpPool"):
            options = {"kernel_shape": kernel, "strides": [1, 2, 1][:rank],
                       "pads": [1, 0, 1][:rank] + [0, 1, 0][:rank]}
            yield _one(f"{op} {rank}-D", op, shape, **options)
        yield _one(f"AveragePool {rank}-D counting", "AveragePool", shape, count_include_pad=1,
                   ceil_mode=0, **options)
        for op in ("MaxPool", "AveragePool"):
            yield _one(f"{op} {rank}-D ceil", op, shape, kernel_shape=kernel, ceil_mode=1,
                       strides=[2] * rank, opset=19)
            yield _one(f"{op} {rank}-D dilated", op, shape, kernel_shape=kernel, opset=19,
                       dilations=[2, 1, 3][:rank], strides=[1, 2, 2][:rank],
                       pads=[1, 0, 1][:rank] * 2)
        yield _one(f"AveragePool {rank}-D ceil counting", "AveragePool", shape, opset=19,
                   kernel_shape=[3] * rank, pads=[1, 0, 0][:rank] * 2, strides=[2] * rank,
                   count_include_pad=1, ceil_mode=1)
        yield _one(f"LpPool {rank}-D of order 3", "LpPool", shape, p=3, **options)
        yield _one(f"GlobalLpPool {rank}-D of order 4", "GlobalLpPool", shape, p=4)
        for op in ("GlobalMaxPool", "GlobalAveragePool", "GlobalLpPool"):
            yield _one(f"{op} {rank}-D", op, shape)
    for order in (2, 3):
        yield _one(f"LpPool of order {order} of single samples", "LpPool", (1, 3, 6, 5),
                   kernel_shape=[1, 1], strides=[2, 1], p=order)
        yield _one(f"GlobalLpPool of order {order} of single samples", "GlobalLpPool",
                   (1, 3, 1, 1), p=order)
    yield _one("LpPool of order 1", "LpPool", (1, 3, 6, 5), kernel_shape=[2, 2], p=1)
    yield _one("batch norm of a batch", "BatchNormalization", (3, 4, 2, 5), {
        "s": rng.normal(size=4), "b": rng.normal(size=4), "m": rng.normal(size=4),
        "v": rng.uniform(0.5, 2, 4)})


def matrices():
    """Yield products of matrices, constant and computed."""
    rng = _rng("matrices")
    for name, shape, weights in (
            ("rows", (5, 4), (4, 3)), ("a batch", (2, 3, 4), (4, 3)), ("vector", (4,), (4, 3)),
            ("by vector", (2, 3, 4), (4,)), ("by batch", (3, 4), (2, 4, 5))):
        yield _one(f"MatMul {name}", "MatMul", shape, {"w": rng.normal(size=weights)})
    for name, shape in (("", (4, 5)), (" batch", (2, 4, 5)), (" vector", (4,))):
        label = f"MatMul from the left{name}"
        yield label, model([node("MatMul", ["w", "x"], "y")], {"x": shape},
                           constants={"w": rng.normal(size=(3, 4))}), {"x": shape}
    for first, second in (((3, 4), (4, 5)), ((2, 3, 4), (2, 4, 5)), ((2, 1, 3, 4), (3, 4, 2)),
                          ((4,), (4, 5)), ((3, 4), (4,))):
        yield _two(f"MatMul of {first} and {second}", "MatMul", first, second)
    bias = rng.normal(size=3)
    for transposed in (0, 1):
        shape, weights = ((4, 5), (3, 4)) if transposed else ((5, 4), (4, 3))
        options = {"transA": transposed, "transB": transposed, "alpha": 0.5, "beta": 2.0}
        yield _one(f"Gemm {transposed}", "Gemm", shape,
                   {"w": rng.normal(size=weights), "b": bias}, **options)
        yield _one(f"Gemm {transposed} with a full bias", "Gemm", shape,
                   {"w": rng.normal(size=weights), "b": rng.normal(size=(5, 3))}, **options)
        yield _two(f"Gemm {transposed} of two", "Gemm", shape, weights, **options)


def joins():
    """Yield operators on several tensors with broadcasting."""
    rng = _rng("joins")
    for op in ("Add", "Sub", "Mul", "Max", "Min", "Sum", "Mean"):
        yield _two(f"{op} broadcast", op, (2, 3, 4), (3, 1))
        yield _one(f"{op} constant", op, (2, 1, 4), {"c": rng.normal(size=(3, 1))})
    yield _one("Add a vector", "Add", (1, 6), {"c": rng.normal(size=6)})
    yield _one("Mul by everything", "Mul", (2, 3, 4), {"c": rng.normal(size=(2, 3, 4))})
    shift = {"nodes": [node("Add", ["z", "shift"], "p")], "constants": {"shift": np.float32(2)}}
    shapes = {"x": (2, 3, 4), "z": (4,)}
    for op in ("Div", "Pow"):
        inputs = ["x", "p"] if op == "Div" else ["p", "x"]
        yield f"{op} broadcast", model([*shift["nodes"], node(op, inputs, "y")], shapes,
                                       constants=shift["constants"]), shapes


def moves():
    """Yield operators that bring samples to other places."""
    x = (2, 3, 4, 5)
    yield _one("transpose", "Transpose", x, perm=[2, 0, 3, 1])
    yield _one("transpose by default", "Transpose", (2, 3, 4))
    yield _one("transpose of nothing", "Transpose", (1, 3, 1, 5), perm=[2, 1, 0, 3])
    parts = {"s": [1, -1, 0], "e": [3, -99, 99], "a": [1, -1, 2], "t": [1, -2, 3]}
    yield _one("slice", "Slice", x, {name: np.array(part) for name, part in parts.items()})
    yield _one("slice old", "Slice", x, opset=9, starts=[0, 1], ends=[1, 9], axes=[0, 3])
    for axis in (0, 1, -1):
        yield _one(f"split {axis}", "Split", (6, 6, 6), {"n": np.array([2, 4])}, axis=axis,
                   outputs=2)
    yield _one("split evenly", "Split", (3, 7), opset=18, axis=1, num_outputs=3, outputs=3)
    pads = np.array([0, 1, 2, 0, 1, 0, 1, 3])
    for mode in ("constant", "reflect", "edge", "wrap"):
        yield _one(f"pad {mode}", "Pad", x, {"p": pads}, opset=19, mode=mode)
    yield _one("pad by a value", "Pad", x, {"p": pads, "v": np.float32(0.5)})
    yield _one("pad and crop", "Pad", x, {"p": np.array([0, 0, -1, 2, 0, -1, 1, -2])})
    yield _one("pad some axes", "Pad", x, {"p": np.array([1, 2]), "v": np.float32(0),
                                           "a": np.array([-2])})
    for axis in (0, 1, 2, -1):
        yield _two(f"concat {axis}", "Concat", (2, 3, 2), tuple(
            4 if index == axis % 3 else size for index, size in enumerate((2, 3, 2))), axis=axis)
    yield _one("concat with a constant", "Concat", (2, 3), {"c": np.ones((2, 2)) / 3}, axis=1)
    yield _one("expand", "Expand", (3, 1), {"s": np.array([2, 1, 4])})
    yield _one("tile", "Tile", (2, 3), {"r": np.array([2, 3])})
    yield _one("gather", "Gather", x, {"i": np.array([[0, -1], [2, 2]])}, axis=2)
    for mode in ("DCR", "CRD"):
        yield _one(f"depth to space {mode}", "DepthToSpace", (2, 8, 2, 3), blocksize=2, mode=mode)
    yield _one("space to depth", "SpaceToDepth", (2, 3, 4, 6), blocksize=2)
    yield _one("reshape of a batch", "Reshape", x, {"s": np.array([5, -1, 2])})


def reductions():
    """Yield reductions and what is made of them."""
    x = (2, 3, 4, 5)
    for op in ("Sum", "Mean", "Max", "Min", "L1", "L2", "SumSquare", "LogSumExp"):
        for axes, keep in (([1], 1), ([0, 2], 0), ([-1], 0), ([1, 2, 3], 1)):
            yield _one(f"Reduce{op} {axes}", f"Reduce{op}", x, {"a": np.array(axes)},
                       keepdims=keep)
        yield _one(f"Reduce{op} of all", f"Reduce{op}", x, keepdims=0)
    yield _one("ReduceSum of nothing", "ReduceSum", x, {"a": np.zeros(0, np.int64)},
               noop_with_empty_axes=1)
    yield _one("ReduceMean old", "ReduceMean", x, opset=13, axes=[1, 3])
    yield _one("ReduceL2 of single samples", "ReduceL2", (2, 1, 3), {"a": np.array([1])})
    yield _one("ReduceLogSum", "ReduceLogSum", x, {"a": np.array([1])}, positive=True)
    for op in ("Softmax", "LogSoftmax"):
        for axis in (0, 1, -1):
            yield _one(f"{op} {axis}", op, (3, 4, 5), axis=axis)
        yield _one(f"{op} old", op, (3, 4, 5), opset=11, axis=1)
    for op in ("ArgMax", "ArgMin"):
        for axis, keep in ((0, 1), (1, 0), (-1, 1)):
            yield _one(f"{op} {axis}", op, (4, 5, 6), axis=axis, keepdims=keep)
            yield _equals(op, axis, keep)


def _equals(op, axis, keep):
    """Return a choice among samples that are equal: the last of them."""
    nodes = [node("Clip", ["x", "low", "high"], "c"),
             node(op, ["c"], "y", axis=axis, keepdims=keep, select_last_index=1)]
    shapes = {"x": (4, 5, 6)}
    constants = {"low": np.float32(-0.1), "high": np.float32(0.1)}
    return f"{op} {axis} of equals", model(nodes, shapes, constants=constants,
                                           integers=("y",)), shapes


def normalisations():
    """Yield what brings samples to a common mean and spread."""
    rng = _rng("normalisations")
    x, per_map = (2, 4, 3, 5), {"s": rng.normal(size=4), "b": rng.normal(size=4)}
    yield _one("instance norm", "InstanceNormalization", x, per_map)
    yield _one("group norm", "GroupNormalization", x, per_map, opset=21, num_groups=2)
    yield _one("layer norm", "LayerNormalization", x, {"s": rng.normal(size=5),
                                                       "b": rng.normal(size=5)})
    yield _one("layer norm of two axes", "LayerNormalization", x, {"s": rng.normal(size=(3, 5))},
               axis=2, epsilon=1e-2)
    yield _one("mean variance norm", "MeanVarianceNormalization", x)
    for order in (1, 2):
        yield _one(f"norm of order {order}", "LpNormalization", x, p=order, axis=1)
    for size in (3, 5, 21):
        yield _one(f"local response norm of {size}", "LRN", (1, 6, 3, 3), size=size, alpha=0.5,
                   beta=0.6, bias=1.5)


def resizes():
    """Yield enlargements and reductions by every rule."""
    x = (1, 2, 4, 6)
    up = np.array([1, 1, 2.5, 2], np.float32)
    down = np.array([1, 1, 0.75, 0.5], np.float32)
    for where in ("half_pixel", "pytorch_half_pixel", "asymmetric", "align_corners"):
        for label, scales in (("up", up), ("down", down)):
            if where == "align_corners" and scales is down:
                scales = np.array([1, 1, 0.75, 1], np.float32)
            for mode in ("nearest", "linear", "cubic"):
                yield _one(f"{mode} {label} {where}", "Resize", x, {
                    "r": np.zeros(0, np.float32), "s": scales}, mode=mode,
                    coordinate_transformation_mode=where)
    for rounding in ("round_prefer_ceil", "floor", "ceil"):
        yield _one(f"nearest {rounding}", "Resize", x, {"r": np.zeros(0, np.float32), "s": up},
                   nearest_mode=rounding, coordinate_transformation_mode="asymmetric")
    for mode in ("linear", "cubic"):
        yield _one(f"{mode} antialias", "Resize", x, {"r": np.zeros(0, np.float32), "s": down},
                   mode=mode, antialias=1)
    yield _one("cubic without what is outside", "Resize", x, {
        "r": np.zeros(0, np.float32), "s": up}, mode="cubic", exclude_outside=1)
    yield _one("linear to a size", "Resize", x, {
        "r": np.zeros(0, np.float32), "s": np.zeros(0, np.float32), "n": np.array([1, 2, 7, 9])},
        mode="linear")
    yield _one("crop and resize", "Resize", x, {
        "r": np.array([0, 0, 0.2, 0.3, 1, 1, 0.8, 1.2], np.float32),
        "s": np.zeros(0, np.float32), "n": np.array([1, 2, 5, 5])}, mode="linear",
        coordinate_transformation_mode="tf_crop_and_resize", extrapolation_value=0.7)


def cases():
    """Return all cases as pytest parameters."""
    makers = (functions, windows, matrices, joins, moves, reductions, normalisations, resizes)
    return [pytest.param(proto, shapes, id=label) for maker in makers
            for label, proto, shapes in maker()]
