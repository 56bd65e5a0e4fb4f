"""Blocks of well-known networks as small ONNX models, with random weights."""

import numpy as np

from tests.compiler.models import model, node

__all__ = ["blocks"]


class _Block:
    """A model in the making; layers return the names of what they make."""

    def __init__(self, **inputs):
        self.inputs, self.nodes, self.constants = inputs, [], {}
        self.rng = np.random.default_rng(11)

    def constant(self, value):
        name = f"c{len(self.constants)}"
        self.constants[name] = np.asarray(value)
        return name

    def add(self, op, *inputs, **attributes):
        name = f"t{len(self.nodes)}"
        self.nodes.append(node(op, list(inputs), name, f"{op.lower()}_{name}", **attributes))
        return name

    def weights(self, *shape):
        """Return kernels that keep the numbers' size."""
        scale = np.sqrt(2 / np.prod(shape[1:]))
        return self.constant(self.rng.normal(size=shape).astype(np.float32) * scale)

    def conv(self, x, maps, inputs, kernel=3, act="Relu", **attributes):
        pads = [kernel // 2] * 4
        y = self.add("Conv", x, self.weights(maps, inputs, kernel, kernel),
                     self.constant(self.rng.normal(size=maps).astype(np.float32) / 4),
                     **{"pads": pads, **attributes})
        return self.add(act, y) if act else y

    def model(self, *outputs):
        return model(self.nodes, self.inputs, outputs, self.constants, opset=18), self.inputs


def unet():
    """Down, up by transposed convolution, joined with what was before."""
    b = _Block(x=(1, 3, 16, 20))
    first = b.conv("x", 8, 3)
    low = b.conv(b.add("MaxPool", first, kernel_shape=[2, 2], strides=[2, 2]), 12, 8)
    up = b.add("ConvTranspose", low, b.weights(12, 8, 2, 2), strides=[2, 2])
    return b.model(b.conv(b.conv(b.add("Concat", up, first, axis=1), 8, 16), 3, 8, 1, None))


def atrous():
    """Dilated convolutions and a pooled branch, joined, enlarged by linear interpolation."""
    b = _Block(x=(1, 4, 12, 10))
    wide = [b.conv("x", 6, 4, 3, pads=[step] * 4, dilations=[step] * 2) for step in (1, 2, 4)]
    pooled = b.conv(b.add("GlobalAveragePool", "x"), 6, 4, 1)
    whole = b.add("Expand", pooled, b.constant(np.array([1, 6, 12, 10])))
    joined = b.conv(b.add("Concat", *wide, whole, axis=1), 5, 24, 1, None)
    return b.model(b.add("Resize", joined, "", b.constant(np.array([1, 1, 2, 2], np.float32)),
                         mode="linear"))


def attention():
    """One head of four over 10 places, with its norm and its feed-forward layer."""
    b = _Block(x=(1, 10, 16))
    ones, zeros = (b.constant(np.full(16, value, np.float32)) for value in (1, 0))
    x = b.add("LayerNormalization", "x", ones, zeros, axis=-1)
    heads = []
    for _ in range(3):
        y = b.add("MatMul", x, b.constant(b.rng.normal(size=(16, 16)).astype(np.float32) / 4))
        y = b.add("Reshape", y, b.constant(np.array([1, 10, 4, 4])))
        heads.append(b.add("Transpose", y, perm=[0, 2, 1, 3]))
    scores = b.add("MatMul", heads[0], b.add("Transpose", heads[1], perm=[0, 1, 3, 2]))
    scores = b.add("Softmax", b.add("Mul", scores, b.constant(np.float32(0.5))), axis=-1)
    y = b.add("Transpose", b.add("MatMul", scores, heads[2]), perm=[0, 2, 1, 3])
    y = b.add("Add", "x", b.add("Reshape", y, b.constant(np.array([1, 10, 16]))))
    y = b.add("MatMul", y, b.constant(b.rng.normal(size=(16, 24)).astype(np.float32) / 4))
    return b.model(b.add("Tanh", y))


def deep():
    """Two convolutions over depth and a pool over all of it."""
    b = _Block(x=(1, 2, 5, 8, 7))
    x = b.add("Relu", b.add("Conv", "x", b.weights(6, 2, 3, 3, 3), pads=[1] * 6))
    x = b.add("Relu", b.add("Conv", x, b.weights(4, 6, 3, 3, 3), pads=[1] * 6))
    return b.model(b.add("ReduceMean", x, b.constant(np.array([2, 3, 4])), keepdims=0))


def shuffle():
    """Maps split, one half convolved in groups, joined and shuffled."""
    b = _Block(x=(1, 8, 9, 10))
    b.nodes.append(node("Split", ["x"], "s0", "split", axis=1, num_outputs=2))
    b.nodes[-1].output.append("s1")
    right = b.conv(b.conv("s1", 4, 4, 1), 4, 1, 3, None, group=4)
    joined = b.add("Concat", "s0", b.conv(right, 4, 4, 1), axis=1)
    y = b.add("Reshape", joined, b.constant(np.array([1, 2, 4, 9, 10])))
    y = b.add("Reshape", b.add("Transpose", y, perm=[0, 2, 1, 3, 4]),
              b.constant(np.array([1, 8, 9, 10])))
    return b.model(b.conv(y, 6, 8, 1))


def squeeze():
    """Maps weighed by what is pooled of them, added to what was before."""
    b = _Block(x=(1, 8, 9, 10))
    y = b.conv("x", 8, 8, 3, None)
    factor = b.conv(b.conv(b.add("GlobalAveragePool", y), 4, 8, 1), 8, 4, 1, "Sigmoid")
    return b.model(b.add("Relu", b.add("Add", b.add("Mul", y, factor), "x")))


def dense():
    """Every layer reads the maps of all layers before it."""
    b = _Block(x=(1, 4, 9, 10))
    made = [b.conv("x", 4, 4)]
    for _ in range(3):
        y = b.add("Concat", *made, axis=1) if len(made) > 1 else made[0]
        made.append(b.conv(y, 4, 4 * len(made)))
    return b.model(b.conv(b.add("Concat", *made, axis=1), 5, 16, 1, None))


def channels_last():
    """A network from a framework whose maps are the last dimension."""
    b = _Block(x=(1, 9, 10, 4))
    x = b.add("Transpose", "x", perm=[0, 3, 1, 2])
    x = b.conv(x, 6, 4, 3, None)
    x = b.add("Relu", b.add("Transpose", x, perm=[0, 2, 3, 1]))
    x = b.add("Pad", x, b.constant(np.array([0, 1, 2, 0, 0, 0, 1, 0])), mode="reflect")
    x = b.add("Transpose", x, perm=[0, 3, 1, 2])
    return b.model(b.add("Transpose", b.conv(x, 5, 6, 3), perm=[0, 2, 3, 1]))


def blocks():
    """Return (label, model, input shapes) of each block."""
    return [(make.__name__, *make()) for make in (
        unet, atrous, attention, deep, shuffle, squeeze, dense, channels_last)]
