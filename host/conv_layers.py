"""Convolution layers of known networks, each as an ONNX model of its own."""

import math
from dataclasses import dataclass, replace

import numpy as np
from onnx import TensorProto, helper, numpy_helper

__all__ = ["NETWORKS", "ConvLayer"]


@dataclass(frozen=True)
class ConvLayer:
    """A convolution with its ReLU and, where the network has one, the max pooling behind it.

    Parameters
    ----------
    name : str
        Its name in the network.
    inputs, size, maps : int
        Input maps, their rows and columns, output maps.
    kernel, stride, padding, groups : int
        Of the convolution, along rows and columns alike.
    pool : tuple of int or None
        Window and stride of the pooling.
    times : int
        Layers of the network that are like this one.
    """

    name: str
    inputs: int
    size: int
    maps: int
    kernel: int = 3
    stride: int = 1
    padding: int = 1
    groups: int = 1
    pool: tuple[int, int] | None = None
    times: int = 1

    @property
    def outputs(self):
        """Rows and columns of the convolution's maps."""
        return (self.size + 2 * self.padding - self.kernel) // self.stride + 1

    @property
    def macs(self):
        """Multiply-accumulates, each output of the convolution counted once."""
        return self.maps * self.outputs ** 2 * self.inputs // self.groups * self.kernel ** 2

    @property
    def factors(self):
        """By what the input maps can be divided, least first."""
        most = self.inputs // self.groups
        return [factor for factor in range(2, most + 1) if most % factor == 0]

    def reduced(self, factor):
        """Return the layer with 1/``factor`` of its input maps: all passes shorter, none fewer."""
        return replace(self, inputs=self.inputs // factor)

    def model(self, seed=1):
        """Return the layer as an ONNX model with random weights."""
        rng = np.random.default_rng(seed)
        taps = self.inputs // self.groups * self.kernel ** 2
        weights = rng.normal(0, math.sqrt(2 / taps), (
            self.maps, self.inputs // self.groups, self.kernel, self.kernel))
        constants = {"weights": weights, "bias": rng.normal(0, 0.1, self.maps)}
        nodes = [helper.make_node("Conv", ["x", "weights", "bias"], ["sums"], name=self.name,
                                  strides=[self.stride] * 2, pads=[self.padding] * 4,
                                  group=self.groups),
                 helper.make_node("Relu", ["sums"], ["y" if self.pool is None else "rectified"],
                                  name=f"{self.name}_relu")]
        made = self.outputs
        if self.pool is not None:
            window, step = self.pool
            made = (made - window) // step + 1
            nodes.append(helper.make_node("MaxPool", ["rectified"], ["y"], strides=[step] * 2,
                                          name=f"{self.name}_pool", kernel_shape=[window] * 2))
        values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, maps, size, size])
                  for name, maps, size in (("x", self.inputs, self.size), ("y", self.maps, made))]
        graph = helper.make_graph(nodes, self.name, values[:1], values[1:], [
            numpy_helper.from_array(value.astype(np.float32), name)
            for name, value in constants.items()])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
        model.ir_version = 8
        return model

    def image(self, seed=2):
        """Return a random input, never negative as behind a ReLU."""
        values = np.random.default_rng(seed).normal(0, 1, (1, self.inputs, self.size, self.size))
        return np.maximum(values, 0).astype(np.float32)


def _vgg16():
    """Return the 13 layers of VGG-16 (Simonyan and Zisserman, 2014, table 1, column D)."""
    layers, inputs, size = [], 3, 224
    for stage, (maps, count) in enumerate(((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)), 1):
        for number in range(1, count + 1):
            pool = (2, 2) if number == count else None
            layer = ConvLayer(f"conv{stage}_{number}", inputs, size, maps, pool=pool)
            *_, last = layers or [layer]
            if layers and replace(layer, name=last.name, times=last.times) == last:
                layers[-1] = replace(last, times=last.times + 1)
            else:
                layers.append(layer)
            inputs = maps
        size //= 2
    return tuple(layers)


#: Layers by network, those alike once. AlexNet is the original one (Krizhevsky, Sutskever and
#: Hinton, 2012) with its two groups, without the normalisation across maps.
NETWORKS = {
    "vgg16": _vgg16(),
    "alexnet": (
        ConvLayer("conv1", 3, 227, 96, 11, 4, 0, pool=(3, 2)),
        ConvLayer("conv2", 96, 27, 256, 5, 1, 2, 2, pool=(3, 2)),
        ConvLayer("conv3", 256, 13, 384),
        ConvLayer("conv4", 384, 13, 384, groups=2),
        ConvLayer("conv5", 384, 13, 256, groups=2, pool=(3, 2))),
}
