"""A short way to write a ConvNet as ONNX: each call adds a layer and names what it makes.

Weights are random, from a seed, and scaled so that what flows through the network stays about as
large as its input (He et al., "Delving Deep into Rectifiers", 2015).
"""

import math

import numpy as np
from onnx import TensorProto, helper, numpy_helper

__all__ = ["OPSET", "Network"]

OPSET = 17
IR_VERSION = 8

#: By how much weights make up for what a non-linearity takes from a signal's power.
_GAINS = {"Relu": 2.0, "Tanh": 1.5, "Sigmoid": 4.0, None: 1.0}


def _each(value, rank):
    return [value] * rank if np.isscalar(value) else list(value)


class Network:
    """A network in the making.

    Tensors are known by name; maps may have one, two or three dimensions. Sizes (kernel, stride,
    window) are one number for all dimensions or one each; ``pad`` also one for each side, all
    beginnings first, or "same" for maps that keep their size.

    Parameters
    ----------
    name : str
        Name of the graph.
    seed : int
        Seed of the weights.

    Attributes
    ----------
    shapes : dict of str to tuple of int
        Shape of each tensor, the batch of 1 included.
    """

    def __init__(self, name, seed=1):
        self.name, self.random = name, np.random.default_rng(seed)
        self.shapes, self.inputs, self.nodes, self.constants = {}, [], [], []

    def input(self, name, *shape):
        """Add an input of channels, rows, columns and return its name."""
        self.shapes[name] = (1, *shape)
        self.inputs.append(name)
        return name

    def constant(self, values, name=None):
        """Add an initialiser and return its name."""
        name = name or f"constant{len(self.constants) + 1}"
        self.constants.append(numpy_helper.from_array(values, name))
        return name

    def weights(self, shape, fan_in, act=None, gain=1.0):
        """Add random weights that keep a signal's power and return their name.

        Parameters
        ----------
        shape : tuple of int
            Their shape.
        fan_in : float
            Products that one sum adds up.
        act : str or None
            The activation that follows.
        gain : float
            More on top.
        """
        scale = np.float32(gain * math.sqrt(_GAINS.get(act, 1.0) / fan_in))
        return self.constant(self.random.standard_normal(shape, np.float32) * scale)

    def bias(self, count):
        """Add small random biases and return their name."""
        return self.constant(self.random.standard_normal(count, np.float32) * np.float32(0.05))

    def op(self, kind, inputs, shape, name=None, **attributes):
        """Add any node of one output and return the output's name.

        Parameters
        ----------
        kind : str
            ONNX operator.
        inputs : list of str
            Tensors.
        shape : tuple of int
            Shape of the output.
        name : str, optional
            Of the node and its output.
        """
        name = name or f"{kind.lower()}{len(self.nodes) + 1}"
        self.nodes.append(helper.make_node(kind, inputs, [name], name=name, **attributes))
        self.shapes[name] = tuple(int(size) for size in shape)
        return name

    def activate(self, x, kind="Relu", name=None):
        """Add a function of every sample; None adds nothing."""
        return x if kind is None else self.op(kind, [x], self.shapes[x], name)

    def conv(self, x, maps, kernel, *, stride=1, pad=0, groups=1, act="Relu", gain=1.0,
             name=None, shared=None):
        """Add a convolution and its activation.

        Parameters
        ----------
        x : str
            Its input.
        maps : int
            Output maps.
        kernel, stride, pad : int or sequence of int
            See the class.
        groups : int
            Groups of maps that do not see each other.
        act : str or None
            ONNX operator.
        gain : float
            Scale of the weights beside what keeps a signal's power.
        name : str, optional
            Of the convolution.
        shared : list of str, optional
            Weights and bias, names of constants, in place of new ones.

        Returns
        -------
        str
            Its output.
        """
        _, channels, *sizes = self.shapes[x]
        kernel, stride = _each(kernel, len(sizes)), _each(stride, len(sizes))
        pads = self._pads(pad, kernel)
        made = _windows(sizes, kernel, stride, pads)
        fan_in = channels // groups * math.prod(kernel)
        constants = shared or [
            self.weights((maps, channels // groups, *kernel), fan_in, act, gain), self.bias(maps)]
        y = self.op("Conv", [x, *constants], (1, maps, *made), name, kernel_shape=kernel,
                    strides=stride, pads=pads, group=groups)
        return self.activate(y, act)

    def transposed(self, x, maps, kernel, *, stride=1, pad=0, act="Relu", name=None):
        """Add a transposed convolution, which enlarges by its stride, and its activation."""
        _, channels, *sizes = self.shapes[x]
        kernel, stride = _each(kernel, len(sizes)), _each(stride, len(sizes))
        pads = self._pads(pad, kernel)
        made = [(size - 1) * step + taps - pads[axis] - pads[axis + len(sizes)]
                for axis, (size, taps, step) in enumerate(zip(sizes, kernel, stride, strict=True))]
        fan_in = channels * math.prod(kernel) / math.prod(stride)
        y = self.op("ConvTranspose",
                    [x, self.weights((channels, maps, *kernel), fan_in, act), self.bias(maps)],
                    (1, maps, *made), name, kernel_shape=kernel, strides=stride, pads=pads)
        return self.activate(y, act)

    def pool(self, x, window, *, stride=None, pad=0, kind="Max", name=None):
        """Add max or average pooling; windows lie side by side unless a stride is given."""
        _, channels, *sizes = self.shapes[x]
        window = _each(window, len(sizes))
        stride = window if stride is None else _each(stride, len(sizes))
        pads = self._pads(pad, window)
        return self.op(f"{kind}Pool", [x], (1, channels, *_windows(sizes, window, stride, pads)),
                       name, kernel_shape=window, strides=stride, pads=pads)

    def global_pool(self, x, kind="Average", name=None):
        """Add pooling over whole maps."""
        shape = self.shapes[x]
        return self.op(f"Global{kind}Pool", [x], (*shape[:2], *[1] * (len(shape) - 2)), name)

    def dense(self, x, units, act="Relu", *, gain=1.0, name=None):
        """Add a fully connected layer; maps are flattened before it."""
        size = math.prod(self.shapes[x])
        if len(self.shapes[x]) > 2:
            x = self.op("Flatten", [x], (1, size))
        y = self.op("Gemm", [x, self.weights((units, size), size, act, gain), self.bias(units)],
                    (1, units), name, transB=1)
        return self.activate(y, act)

    def batch_norm(self, x, name=None):
        """Add a batch normalisation as training leaves it: statistics near those of the data."""
        count = self.shapes[x][1]
        spread = self.random.uniform(0.8, 1.25, (3, count)).astype(np.float32)
        mean = self.random.standard_normal(count, np.float32) * np.float32(0.1)
        constants = [self.constant(values) for values in
                     (spread[0], mean * np.float32(0.5), mean, spread[1] * spread[2])]
        return self.op("BatchNormalization", [x, *constants], self.shapes[x], name)

    def lrn(self, x, *, size=5, alpha=1e-4, beta=0.75, bias=1.0, name=None):
        """Add a local response normalisation across maps."""
        return self.op("LRN", [x], self.shapes[x], name, size=size, alpha=alpha, beta=beta,
                       bias=bias)

    def concat(self, *tensors, name=None):
        """Join tensors along their maps."""
        shapes = [self.shapes[x] for x in tensors]
        return self.op("Concat", list(tensors),
                       (1, sum(shape[1] for shape in shapes), *shapes[0][2:]), name, axis=1)

    def merge(self, kind, a, b, name=None):
        """Add, Sub, Mul or Max of two tensors of one shape."""
        return self.op(kind, [a, b], self.shapes[a], name)

    def maxout(self, x, name=None):
        """Keep the larger one of maps i and i + n of 2n maps."""
        _, maps, *sizes = self.shapes[x]
        halves = [self.op("Slice", [x, self.integers(start), self.integers(start + maps // 2),
                                    self.integers(1)], (1, maps // 2, *sizes))
                  for start in (0, maps // 2)]
        return self.merge("Max", *halves, name=name)

    def enlarge(self, x, factor, mode="nearest", name=None):
        """Enlarge maps by whole factors, by repetition or "linear" interpolation."""
        _, maps, *sizes = self.shapes[x]
        scales = self.constant(np.array([1, 1, *[factor] * len(sizes)], np.float32))
        attributes = {"mode": mode}
        if mode == "nearest":
            attributes |= {"nearest_mode": "floor", "coordinate_transformation_mode": "asymmetric"}
        return self.op("Resize", [x, "", scales], (1, maps, *(factor * size for size in sizes)),
                       name, **attributes)

    def crop(self, x, margin):
        """Take the same number of rows and columns off each side."""
        _, maps, *sizes = self.shapes[x]
        axes = range(2, 2 + len(sizes))
        bounds = [self.integers(*[margin] * len(sizes)),
                  self.integers(*(size - margin for size in sizes)), self.integers(*axes)]
        return self.op("Slice", [x, *bounds], (1, maps, *(size - 2 * margin for size in sizes)))

    def reshape(self, x, *shape, name=None):
        """Give a tensor another shape, without the batch."""
        return self.op("Reshape", [x, self.integers(1, *shape)], (1, *shape), name)

    def softmax(self, x, name=None):
        """Turn scores into probabilities, over the maps."""
        return self.op("Softmax", [x], self.shapes[x], name, axis=1)

    def integers(self, *values):
        """Add an initialiser of integers and return its name."""
        return self.constant(np.array(values, np.int64))

    def model(self, *outputs):
        """Return the network with these outputs as an onnx.ModelProto."""
        def info(name):
            return helper.make_tensor_value_info(name, TensorProto.FLOAT, self.shapes[name])
        model = helper.make_model(
            helper.make_graph(self.nodes, self.name, [info(name) for name in self.inputs],
                              [info(name) for name in outputs], self.constants),
            opset_imports=[helper.make_opsetid("", OPSET)], producer_name="examples.zoo")
        model.ir_version = IR_VERSION
        return model

    @staticmethod
    def _pads(pad, kernel):
        if pad == "same":
            before = [(taps - 1) // 2 for taps in kernel]
            return before + [taps - 1 - size for taps, size in zip(kernel, before, strict=True)]
        pads = _each(pad, len(kernel))
        return pads * 2 if len(pads) == len(kernel) else pads


def _windows(sizes, kernel, stride, pads):
    """Return how many windows fit along each dimension."""
    rank = len(sizes)
    made = [(size + pads[axis] + pads[axis + rank] - taps) // step + 1
            for axis, (size, taps, step) in enumerate(zip(sizes, kernel, stride, strict=True))]
    if min(made) < 1:
        raise ValueError(f"Maps of {sizes} are smaller than windows of {kernel}")
    return made
