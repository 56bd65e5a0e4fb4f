"""ONNX convolution over one to three dimensions, as convolution of maps."""

import math

import numpy as np

from compiler.graph import Conv

from .onnx_operator import Operator
from .onnx_windows import spatial, windows_of

__all__ = ["CONVOLUTION"]

#: Weights of a layer, with the zeros that dilation, depth and samples put between them.
LARGEST_KERNELS = 1 << 26


def _conv(layer):
    samples, channels, *size = spatial(layer, "convolution")
    weights = layer.constant(1, "weights", rank=2 + len(size))
    maps, per_group, *kernel = weights.shape
    groups = layer.attribute("group", 1)
    if groups < 1 or maps % groups or channels != per_group * groups:
        raise layer.malformed(
            f"weights {layer.inputs[1]!r} of shape {list(weights.shape)} do not fit {channels} "
            f"input maps in {groups} groups")
    stated = layer.sizes("kernel_shape", kernel)
    if stated != tuple(kernel):
        raise layer.malformed(f"attribute kernel_shape is {list(stated)}, the weights are "
                              f"{'x'.join(map(str, kernel))}")
    bias = layer.constant(2, "bias", shape=(maps,), default=np.zeros(maps))
    stride = layer.sizes("strides", (1,) * len(size))
    dilation = layer.sizes("dilations", (1,) * len(size))
    window = tuple((taps - 1) * step + 1 for taps, step in zip(kernel, dilation, strict=True))
    windows = windows_of(layer, size, window, stride)
    depth = (windows.size[0], windows.outputs[0]) if len(size) == 3 else (1, 1)
    _check_size(layer, maps * per_group * math.prod(window[-2:]) * math.prod(depth) * samples)
    weights = _spread(weights, dilation)
    if len(size) == 1:
        weights = weights[:, :, None]
    elif len(size) == 3:
        weights, bias = _over_depth(weights, bias, windows, groups)
    sides = (1, *size)[-2:]
    layer.emit(Conv, (samples, maps, *windows.outputs),
               [layer.view((samples * channels * depth[0], *sides))],
               (samples * len(bias), *(1, *windows.outputs)[-2:]),
               weights=np.tile(weights, (samples, 1, 1, 1)), bias=np.tile(bias, samples),
               stride=(1, *stride)[-2:], padding=windows.padding, groups=groups * samples)


def _check_size(layer, count):
    if count > LARGEST_KERNELS:
        raise layer.fault(f"its kernels are {count} weights with the zeros that dilation, depth "
                          f"and samples put between them; supported are {LARGEST_KERNELS}")


def _spread(weights, dilation):
    """Return kernels with zeros between their taps."""
    window = [(taps - 1) * step + 1
              for taps, step in zip(weights.shape[2:], dilation, strict=True)]
    spread = np.zeros((*weights.shape[:2], *window))
    spread[(..., *(slice(None, None, step) for step in dilation))] = weights
    return spread


def _over_depth(weights, bias, windows, groups):
    """Return the 2-D kernels and biases of a 3-D convolution.

    Every depth of a volume is a map: (channels, depths, rows, columns) is as many maps as the
    product of the first two, and the depths beyond a kernel's get kernels of zeros.
    """
    maps, per_group, taps, *kernel = weights.shape
    depths, outputs = windows.size[0], windows.outputs[0]
    flat = np.zeros((maps, outputs, per_group, depths, *kernel))
    for output in range(outputs):
        first = output * windows.stride[0] - windows.before[0]
        low, high = max(first, 0), min(first + taps, depths)
        flat[:, output, :, low:high] = weights[:, :, low - first:high - first]
    return (flat.reshape(maps * outputs, per_group * depths, *kernel),
            np.repeat(bias, outputs))


#: Convolutions.
CONVOLUTION = {
    "Conv": Operator(_conv, ("auto_pad", "dilations", "group", "kernel_shape", "pads", "strides"),
                     constants=(1, 2)),
}
