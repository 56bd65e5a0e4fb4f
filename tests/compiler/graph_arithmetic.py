"""Random nodes that compute, for `tests.compiler.onnx_graphs`.

What is divided by, and what a root or logarithm is taken of, keeps away from 0: rounding is to stay
about as small behind a node as before it.
"""

import math

import numpy as np
from hypothesis import strategies as st

__all__ = ["ARITHMETIC", "MAP_ARITHMETIC"]

_FUNCTIONS = (
    ("Relu", {}), ("Tanh", {}), ("Sigmoid", {}), ("Abs", {}), ("Neg", {}), ("HardSwish", {}),
    ("LeakyRelu", {"alpha": 0.2}), ("Softplus", {}), ("Erf", {}), ("Softsign", {}),
    ("Identity", {}), ("Elu", {"alpha": 0.8}), ("Selu", {}), ("Celu", {"alpha": 1.5}),
    ("HardSigmoid", {}), ("Dropout", {}), ("Sin", {}), ("Cos", {}), ("Atan", {}), ("Asinh", {}))

#: Those of later operator sets.
_LATER = (("Mish", {}), ("Gelu", {}), ("Gelu", {"approximate": "tanh"}))


def _function(make, name, shape):
    op, options = make.one_of(_FUNCTIONS + (_LATER if make.opset > 17 else ()))
    make.add(op, [name], shape, **options)


def _clip(make, name, shape):
    low, high = sorted(make.numbers.uniform(-1, 1, 2))
    make.add("Clip", [name, make.constant(np.float32(low)), make.constant(np.float32(high))],
             shape)


def _prelu(make, name, shape):
    size = tuple(make.one_of((1, length)) for length in shape)
    make.add("PRelu", [name, make.uniform(-1, 2, *size)], shape)


def _above(make, name, shape, least):
    """Return a tensor of numbers from ``least`` on."""
    size = make.add("Abs", [name], shape)
    return make.add("Add", [size, make.constant(np.float32(least))], shape)


def _of_positive(make, name, shape):
    made = _above(make, name, shape, 0.5)
    op = make.one_of(("Sqrt", "Log", "Reciprocal", "Pow"))
    make.add(op, [made, make.constant(np.float32(1.5))] if op == "Pow" else [made], shape)


def _quotient(make, name, shape):
    """A quotient by a constant, of one by what was computed, or of two tensors."""
    kind = make.whole(0, 2)
    if kind == 0:
        size = tuple(make.one_of((1, length)) for length in shape)
        make.add("Div", [name, make.uniform(0.5, 2, *size)], shape)
        return
    below = _above(make, name, shape, 0.5)
    other = make.one_of([other for other, size in make.shapes.items() if size == shape])
    make.add("Div", [make.uniform(-1, 1, *shape) if kind == 1 else other, below], shape)


def _join(make, name, shape):
    names = [name, *(make.one_of([other for other, size in make.shapes.items() if size == shape])
                     for _ in range(make.whole(1, 2)))]
    ops = ("Add", "Sub", "Mul", "Max", "Min") if len(names) == 2 else ("Sum", "Mean", "Max", "Min")
    make.add(make.one_of(ops), names, shape)


def _with_constant(make, name, shape):
    size = tuple(make.one_of((1, length)) for length in shape)
    pair = [name, make.uniform(-1, 1, *size)]
    make.add(make.one_of(("Add", "Sub", "Mul", "Max", "Min")),
             pair if make.whole(0, 1) else pair[::-1], shape)


def _reduce(make, name, shape):
    axes = sorted(make.draw(st.sets(st.integers(0, len(shape) - 1), min_size=1)))
    kept = make.whole(0, 1) or len(axes) == len(shape)
    made = tuple(1 if axis in axes else size for axis, size in enumerate(shape)
                 if kept or axis not in axes)
    op = make.one_of(("ReduceMean", "ReduceMax", "ReduceMin", "ReduceSum", "ReduceL1", "ReduceL2",
                      "ReduceSumSquare", "ReduceLogSumExp"))
    if op == "ReduceSum" or make.opset > 17:
        small = make.add(op, [name, make.whole_numbers(*axes)], made, keepdims=int(kept))
    else:
        small = make.add(op, [name], made, keepdims=int(kept), axes=axes)
    if kept and op in ("ReduceMean", "ReduceMax", "ReduceMin") and make.whole(0, 1):
        make.add(make.one_of(("Sub", "Mul", "Max")), [name, small], shape)


def _choose(make, name, shape):
    axis, kept = make.axis(shape), make.whole(0, 1)
    made = tuple(1 if one == axis else size for one, size in enumerate(shape)
                 if kept or one != axis)
    make.choose(make.one_of(("ArgMax", "ArgMax", "ArgMin")), name, made, axis, keepdims=kept,
                select_last_index=make.whole(0, 1))


def _softmax(make, name, shape):
    make.add(make.one_of(("Softmax", "Softmax", "LogSoftmax")), [name], shape,
             axis=make.whole(-1, len(shape) - 1))


def _layer_normalise(make, name, shape):
    axis = make.axis(shape)
    make.add("LayerNormalization", [name, make.uniform(0.5, 1.5, *shape[axis:])], shape, axis=axis,
             epsilon=0.1)


def _product(make, name, shape):
    """A product with weights, of a Gemm with all its options, or of a tensor with itself."""
    made, kind = make.whole(1, 6), make.whole(0, 2)
    if kind == 0 and len(shape) == 2:
        turned = make.whole(0, 1), make.whole(0, 1)
        rows, inputs = shape[::-1] if turned[0] else shape
        weights = make.weights(*((made, inputs) if turned[1] else (inputs, made)), inputs=inputs)
        bias = make.uniform(-1, 1, *make.one_of(((made,), (1, made), (rows, 1), (rows, made), ())))
        make.add("Gemm", [name, weights, bias][:make.whole(2, 3)], (rows, made), alpha=0.75,
                 beta=1.5, transA=turned[0], transB=turned[1])
    elif kind == 1 and len(shape) > 1:
        order = [*range(len(shape) - 2), len(shape) - 1, len(shape) - 2]
        other = make.add("Transpose", [name], tuple(shape[axis] for axis in order), perm=order)
        make.add("MatMul", [name, other], (*shape[:-1], shape[-2]))
    else:
        make.add("MatMul", [name, make.weights(shape[-1], made, inputs=shape[-1])],
                 (*shape[:-1], made))


def _window(make, sizes, dilated=False):
    """Return kernel, strides, padding and the number of windows along each dimension."""
    steps = [make.whole(1, 2) if dilated else 1 for _ in sizes]
    kernel = [make.whole(1, min(3, (size - 1) // step + 1))
              for size, step in zip(sizes, steps, strict=True)]
    reach = [step * (taps - 1) + 1 for step, taps in zip(steps, kernel, strict=True)]
    strides = [make.whole(1, 2) for _ in sizes]
    options = {"kernel_shape": kernel, "strides": strides}
    if dilated:
        options["dilations"] = steps
    auto = make.one_of((None, None, "SAME_UPPER", "SAME_LOWER", "VALID"))
    # onnxruntime takes no windows that are apart, and fewer dilated ones, with SAME.
    plain = all(step == 1 and stride <= taps
                for step, stride, taps in zip(steps, strides, kernel, strict=True))
    if auto == "VALID" or (auto and plain):
        made = [-(-size // stride) if auto != "VALID" else (size - taps) // stride + 1
                for size, stride, taps in zip(sizes, strides, reach, strict=True)]
        return options | {"auto_pad": auto}, made
    pads = [make.whole(0, taps - 1) for taps in (*kernel, *kernel)]
    made = [(size + before + after - taps) // step + 1 for size, before, after, taps, step
            in zip(sizes, pads, pads[len(sizes):], reach, strides, strict=False)]
    return options | {"pads": pads}, made


def _convolve(make, name, shape):
    options, made = _window(make, shape[2:], dilated=bool(make.whole(0, 1)))
    groups = make.one_of([size for size in (1, shape[1], 2) if shape[1] % size == 0])
    maps, per_group = groups * make.whole(1, 3), shape[1] // groups
    inputs = [name, make.weights(maps, per_group, *options["kernel_shape"],
                                 inputs=per_group * math.prod(options["kernel_shape"]))]
    if make.whole(0, 1):
        inputs.append(make.weights(maps, inputs=4))
    make.add("Conv", inputs, (shape[0], maps, *made), group=groups, **options)


def _transposed(make, name, shape):
    sizes = shape[2:]
    kernel, strides = [make.whole(1, 3) for _ in sizes], [make.whole(1, 2) for _ in sizes]
    pads = [make.whole(0, min(1, taps - 1)) for taps in (*kernel, *kernel)]
    more = [make.whole(0, stride - 1) for stride in strides]
    made = [stride * (size - 1) + extra + taps - before - after
            for stride, size, extra, taps, before, after in zip(
                strides, sizes, more, kernel, pads, pads[len(sizes):], strict=False)]
    if min(made) < 1:
        return
    groups = make.one_of([size for size in (1, 1, 2) if shape[1] % size == 0])
    maps = make.whole(1, 3)
    inputs = [name, make.weights(shape[1], maps, *kernel,
                                 inputs=shape[1] // groups * math.prod(kernel))]
    if make.whole(0, 1):
        inputs.append(make.weights(groups * maps, inputs=4))
    make.add("ConvTranspose", inputs, (shape[0], groups * maps, *made), strides=strides, pads=pads,
             output_padding=more, group=groups)


def _pool(make, name, shape):
    options, made = _window(make, shape[2:])
    op = make.one_of(("MaxPool", "AveragePool", "LpPool"))
    if op == "AveragePool":
        options["count_include_pad"] = make.whole(0, 1)
    if op == "LpPool":
        options["p"] = make.whole(1, 2)
    make.add(op, [name], (*shape[:2], *made), **options)


def _pool_all(make, name, shape):
    make.add(make.one_of(("GlobalAveragePool", "GlobalMaxPool")), [name],
             (*shape[:2], *(1 for _ in shape[2:])))


def _normalise(make, name, shape):
    maps = shape[1]
    parameters = [make.uniform(0.5, 1.5, maps), make.uniform(-1, 1, maps)]
    op = make.one_of(("InstanceNormalization", "BatchNormalization", "LRN"))
    if op == "LRN":
        if len(shape) == 4:
            make.add(op, [name], shape, size=make.one_of((1, 3)), alpha=0.5, beta=0.75, bias=1.5)
        return
    if op == "BatchNormalization":
        parameters += [make.uniform(-1, 1, maps), make.uniform(0.5, 2, maps)]
    make.add(op, [name, *parameters], shape, epsilon=0.1)


#: What computes on any tensor, and what needs maps: (batch, channels, ...).
ARITHMETIC = (_function, _function, _clip, _prelu, _of_positive, _quotient, _join, _join,
              _with_constant, _reduce, _reduce, _choose, _softmax, _layer_normalise, _product,
              _product)
MAP_ARITHMETIC = (_convolve, _convolve, _convolve, _transposed, _transposed, _pool, _pool,
                  _pool_all, _normalise, _normalise)
