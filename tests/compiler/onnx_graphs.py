"""Hypothesis strategy of small ONNX graphs with branches and joins, on tensors of any rank."""

import math

import numpy as np
from hypothesis import strategies as st

from tests.compiler.models import model, node

__all__ = ["onnx_graphs"]

#: Samples of a tensor from which more are not made.
_MOST = 1500

_FUNCTIONS = ("Relu", "Tanh", "Sigmoid", "Abs", "Neg", "LeakyRelu", "HardSwish", "Softplus", "Erf",
              "Softsign", "Identity")


class _Maker:
    """A graph in the making; ``draw`` decides everything."""

    def __init__(self, draw):
        self.draw = draw
        self.numbers = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
        self.inputs = {name: (self.one_of((1, 1, 2)), *self.sizes(self.whole(1, 3)))
                       for name in ("x", "z")[:self.whole(1, 2)]}
        self.shapes, self.nodes, self.constants = dict(self.inputs), [], {}

    def whole(self, low, high):
        return self.draw(st.integers(low, high))

    def one_of(self, values):
        return self.draw(st.sampled_from(list(values)))

    def sizes(self, count, most=7):
        return tuple(self.whole(1, most) for _ in range(count))

    def constant(self, values):
        name = f"c{len(self.constants)}"
        self.constants[name] = np.asarray(values)
        return name

    def weights(self, *shape, inputs):
        return self.constant(self.numbers.normal(size=shape) / math.sqrt(inputs))

    def add(self, op, inputs, *shapes, **attributes):
        """Add a node that makes tensors of these shapes; return the first one's name."""
        names = [f"t{len(self.shapes) + index}" for index in range(len(shapes))]
        made = node(op, inputs, names[0], **attributes)
        made.output.extend(names[1:])
        self.nodes.append(made)
        self.shapes.update(zip(names, shapes, strict=True))
        return names[0]

    def grow(self):
        """Add a node, or two, on a tensor that there is."""
        name = self.one_of(self.shapes)
        shape = self.shapes[name]
        choices = [self.function, self.transpose, self.cut, self.pad, self.reduce, self.join,
                   self.with_constant, self.concat, self.split, self.softmax, self.product,
                   self.flatten]
        if len(shape) >= 3:
            choices += 2 * [self.convolve, self.convolve, self.transposed, self.pool, self.enlarge]
        self.one_of(choices)(name, shape)

    def function(self, name, shape):
        self.add(self.one_of(_FUNCTIONS), [name], shape)

    def transpose(self, name, shape):
        order = self.draw(st.permutations(range(len(shape))))
        self.add("Transpose", [name], tuple(shape[axis] for axis in order), perm=order)

    def flatten(self, name, shape):
        axis = self.whole(0, len(shape))
        self.add("Flatten", [name], (math.prod(shape[:axis]), math.prod(shape[axis:])), axis=axis)

    def cut(self, name, shape):
        axis = self.whole(0, len(shape) - 1)
        step = self.one_of((1, 2, -1))
        first, last = sorted((self.whole(0, shape[axis] - 1), self.whole(0, shape[axis] - 1)))
        kept = range(first, last + 1, step) if step > 0 else range(last, first - 1, step)
        stop = kept.stop if kept.stop >= 0 else -99
        bounds = [self.constant(np.array([value], np.int64))
                  for value in (kept.start, stop, axis, step)]
        self.add("Slice", [name, *bounds], (*shape[:axis], len(kept), *shape[axis + 1:]))

    def pad(self, name, shape):
        if math.prod(size + 2 for size in shape) > _MOST:
            return
        pads = [self.whole(0, 1) for _ in range(2 * len(shape))]
        made = tuple(before + size + after for before, size, after in zip(
            pads, shape, pads[len(shape):], strict=False))
        mode = self.one_of(("constant", "edge"))
        self.add("Pad", [name, self.constant(np.array(pads, np.int64))], made, mode=mode)

    def reduce(self, name, shape):
        axes = sorted(self.draw(st.sets(st.integers(0, len(shape) - 1), min_size=1)))
        made = tuple(1 if axis in axes else size for axis, size in enumerate(shape))
        small = self.add(self.one_of(("ReduceMean", "ReduceMax", "ReduceMin")), [name], made,
                         axes=axes, keepdims=1)
        if self.whole(0, 1):
            self.add(self.one_of(("Sub", "Mul", "Max")), [name, small], shape)

    def join(self, name, shape):
        other = self.one_of([other for other, size in self.shapes.items() if size == shape])
        self.add(self.one_of(("Add", "Sub", "Mul", "Max", "Min")), [name, other], shape)

    def with_constant(self, name, shape):
        size = tuple(self.one_of((1, length)) for length in shape)
        pair = [name, self.constant(self.numbers.uniform(-1, 1, size))]
        self.add(self.one_of(("Add", "Sub", "Mul", "Max", "Min")),
                 pair if self.whole(0, 1) else pair[::-1], shape)

    def concat(self, name, shape):
        axis = self.whole(0, len(shape) - 1)
        others = [other for other, size in self.shapes.items() if len(size) == len(shape)
                  and size[:axis] + size[axis + 1:] == shape[:axis] + shape[axis + 1:]]
        other = self.one_of(others)
        total = shape[axis] + self.shapes[other][axis]
        made = (*shape[:axis], total, *shape[axis + 1:])
        if math.prod(made) <= _MOST:
            self.add("Concat", [name, other], made, axis=axis)

    def split(self, name, shape):
        axis = self.one_of(range(len(shape)))
        if shape[axis] > 1:
            cut = self.whole(1, shape[axis] - 1)
            parts = np.array([cut, shape[axis] - cut], np.int64)
            self.add("Split", [name, self.constant(parts)],
                     *((*shape[:axis], int(part), *shape[axis + 1:]) for part in parts), axis=axis)

    def softmax(self, name, shape):
        self.add("Softmax", [name], shape, axis=self.whole(-1, len(shape) - 1))

    def product(self, name, shape):
        made = self.whole(1, 6)
        self.add("MatMul", [name, self.weights(shape[-1], made, inputs=shape[-1])],
                 (*shape[:-1], made))

    def window(self, sizes):
        """Return kernel, strides, padding and the number of windows along each dimension."""
        kernel = [self.whole(1, min(3, size)) for size in sizes]
        strides = [self.whole(1, 2) for _ in sizes]
        pads = [self.whole(0, taps - 1) for taps in (*kernel, *kernel)]
        made = [(size + before + after - taps) // step + 1 for size, before, after, taps, step
                in zip(sizes, pads, pads[len(sizes):], kernel, strides, strict=False)]
        return {"kernel_shape": kernel, "strides": strides, "pads": pads}, made

    def convolve(self, name, shape):
        options, made = self.window(shape[2:])
        groups = self.one_of([size for size in (1, shape[1], 2) if shape[1] % size == 0])
        maps, per_group = groups * self.whole(1, 3), shape[1] // groups
        inputs = [name, self.weights(maps, per_group, *options["kernel_shape"],
                                     inputs=per_group * math.prod(options["kernel_shape"]))]
        if self.whole(0, 1):
            inputs.append(self.weights(maps, inputs=4))
        self.add("Conv", inputs, (shape[0], maps, *made), group=groups, **options)

    def transposed(self, name, shape):
        maps, steps = self.whole(1, 3), [self.whole(1, 2) for _ in shape[2:]]
        made = [step * (size - 1) + 2 for step, size in zip(steps, shape[2:], strict=True)]
        if shape[0] * maps * math.prod(made) <= _MOST:
            self.add("ConvTranspose", [name, self.weights(
                shape[1], maps, *(2 for _ in made), inputs=shape[1] * 2 ** len(made))],
                (shape[0], maps, *made), strides=steps)

    def pool(self, name, shape):
        options, made = self.window(shape[2:])
        op = self.one_of(("MaxPool", "AveragePool"))
        if op == "AveragePool":
            options["count_include_pad"] = self.whole(0, 1)
        self.add(op, [name], (*shape[:2], *made), **options)

    def enlarge(self, name, shape):
        scales = [1, 1, *(self.whole(1, 2) for _ in shape[2:])]
        made = tuple(size * scale for size, scale in zip(shape, scales, strict=True))
        if math.prod(made) <= _MOST:
            self.add("Resize", [name, "", self.constant(np.array(scales, np.float32))], made,
                     mode="nearest")


@st.composite
def onnx_graphs(draw, most_nodes=10):
    """Return (model, {input: shape}); outputs are all tensors that no node reads, and one more."""
    maker = _Maker(draw)
    for _ in range(draw(st.integers(most_nodes // 2, most_nodes))):
        maker.grow()
    while not maker.nodes:
        maker.function("x", maker.shapes["x"])
    read = {name for one in maker.nodes for name in one.input}
    made = [name for one in maker.nodes for name in one.output]
    outputs = dict.fromkeys([*(name for name in made if name not in read), maker.one_of(made)])
    inputs = {name: shape for name, shape in maker.inputs.items() if name in read}
    return model(maker.nodes, inputs, tuple(outputs), maker.constants), inputs
