"""ONNX convolution over one to three dimensions, as convolution of maps."""

import math

import numpy as np

from compiler.graph import Concat, Conv, Conv3d, ConvTranspose

from .onnx_operator import Operator
from .onnx_steps import Steps
from .onnx_windows import spatial, windows_of

__all__ = ["CONVOLUTION"]

#: Weights of a layer, with the zeros that dilation and depth put between them.
LARGEST_KERNELS = 1 << 27

#: Samples of a batch, each of which is a convolution of its own.
MOST_CONVOLVED = 256


def _conv(layer):
    _, channels, *size = spatial(layer, "convolution")
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
    _check_size(layer, maps * per_group * math.prod(window))
    weights, outputs = _spread(weights, dilation), windows.outputs
    if len(size) == 3:
        _each_sample(layer, Conv3d, (channels * size[0], *size[1:]), (maps, *outputs),
                     (maps * outputs[0], *outputs[1:]), weights=weights, bias=bias, depth=size[0],
                     stride=stride, padding=(*windows.before, *windows.after), groups=groups)
        return
    weights = weights.reshape(*weights.shape[:2], *(1, *weights.shape[2:])[-2:])
    _each_sample(layer, Conv, (channels, *(1, *size)[-2:]), (maps, *outputs),
                 (maps, *(1, *outputs)[-2:]), weights=weights, bias=bias,
                 stride=(1, *stride)[-2:], padding=windows.padding, groups=groups)


def _each_sample(layer, node_class, maps, shape, made, **fields):
    """Emit a node for each sample of a batch: a view of the input, and a part of the output.

    ``maps`` and ``made`` are (channels, rows, columns) of one sample before and behind, ``shape``
    is the ONNX shape of one output.
    """
    samples = layer.shape()[0]
    if samples == 1:
        layer.emit(node_class, (1, *shape), [layer.view(maps)], made, **fields)
        return
    if samples > MOST_CONVOLVED:
        raise layer.fault(f"a batch of {samples} samples; supported are {MOST_CONVOLVED}: export "
                          "the model with a batch of 1, and run it on as many samples as you like")
    steps = Steps(layer)
    batch = steps.reshape(layer.inputs[0], (samples, math.prod(maps)))
    parts = []
    for sample in range(samples):
        part = layer.reshaped(steps.gather(batch, [[sample], None]), maps)
        parts.append(layer.step(node_class, (1, *shape), [part], made, **fields))
    layer.emit(Concat, (samples, *shape), parts, (samples * made[0], *made[1:]))


def _check_size(layer, count):
    if count > LARGEST_KERNELS:
        raise layer.fault(f"its kernels are {count} weights with the zeros that dilation and depth "
                          f"put between them; supported are {LARGEST_KERNELS}")


def _spread(weights, dilation):
    """Return kernels with zeros between their taps."""
    window = [(taps - 1) * step + 1
              for taps, step in zip(weights.shape[2:], dilation, strict=True)]
    spread = np.zeros((*weights.shape[:2], *window))
    spread[(..., *(slice(None, None, step) for step in dilation))] = weights
    return spread


def _conv_transpose(layer):
    _, channels, *size = spatial(layer, "transposed convolution")
    rank = len(size)
    weights = layer.constant(1, "weights", rank=2 + rank)
    inputs, per_group, *kernel = weights.shape
    groups = layer.attribute("group", 1)
    if groups < 1 or inputs % groups or channels != inputs:
        raise layer.malformed(
            f"weights {layer.inputs[1]!r} of shape {list(weights.shape)} do not fit {channels} "
            f"input maps in {groups} groups")
    stated = layer.sizes("kernel_shape", kernel)
    if stated != tuple(kernel):
        raise layer.malformed(f"attribute kernel_shape is {list(stated)}, the weights are "
                              f"{'x'.join(map(str, kernel))}")
    maps = per_group * groups
    bias = layer.constant(2, "bias", shape=(maps,), default=np.zeros(maps))
    weights = _spread(weights, layer.sizes("dilations", (1,) * rank))
    stride, before, after, extra = _transposed_windows(layer, size, weights.shape[2:])
    made = tuple((length - 1) * step + taps + more - first - last
                 for length, step, taps, more, first, last in zip(
                     size, stride, weights.shape[2:], extra, before, after, strict=True))
    if min(made) < 1:
        raise layer.fault(f"its output would have {list(made)} samples along its dimensions; every "
                          "dimension must be at least 1")
    if rank == 3:
        planes = (size[0], made[0])
        _check_size(layer, weights.size * math.prod(planes))
        weights = _over_depth(weights, groups, planes, stride[0], before[0])
        bias = np.repeat(bias, made[0])
    else:
        planes = (1, 1)
        weights = weights.reshape(*weights.shape[:2], *(1, *weights.shape[2:])[-2:])
    _check_size(layer, weights.size)
    _each_sample(layer, ConvTranspose, (channels * planes[0], *(1, *size)[-2:]), (maps, *made),
                 (maps * planes[1], *(1, *made)[-2:]), weights=weights, bias=bias,
                 stride=(1, *stride)[-2:], extra=(0, *extra)[-2:], groups=groups,
                 padding=(*(0, *before)[-2:], *(0, *after)[-2:]))


def _transposed_windows(layer, size, kernel):
    """Return stride, what is cut off before and after, and what is added, for each dimension."""
    rank = len(size)
    stride = layer.sizes("strides", (1,) * rank)
    extra = layer.sizes("output_padding", (0,) * rank, least=0)
    pads = layer.sizes("pads", (0,) * 2 * rank, least=0)
    mode = layer.attribute("auto_pad", "NOTSET") or "NOTSET"
    if mode not in ("NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"):
        raise layer.fault(f"attribute auto_pad is {mode!r}; supported are NOTSET, VALID, "
                          "SAME_UPPER, SAME_LOWER")
    wanted = layer.attribute("output_shape", [])[-rank:]
    if not wanted and not mode.startswith("SAME"):
        before, after = ((0,) * rank,) * 2 if mode == "VALID" else (pads[:rank], pads[rank:])
        return stride, before, after, extra
    if not wanted and any(taps + more < step for taps, more, step in zip(
            kernel, extra, stride, strict=True)):
        raise layer.fault(f"strides {list(stride)} are larger than the kernel {list(kernel)}; with "
                          "auto_pad ONNX adds samples at the end, onnxruntime does not: state "
                          "output_shape instead")
    wanted = wanted or [length * step for length, step in zip(size, stride, strict=True)]
    if len(wanted) != rank or min(wanted) < 1:
        raise layer.malformed(f"attribute output_shape is {wanted}; it must have {rank} positive "
                              "values")
    cut = [step * (length - 1) + more + taps - want for step, length, more, taps, want in zip(
        stride, size, extra, kernel, wanted, strict=True)]
    # Where too little is made, the rest is added at the end.
    extra = tuple(more - min(total, 0) for more, total in zip(extra, cut, strict=True))
    small = tuple(max(total, 0) // 2 for total in cut)
    large = tuple(max(total, 0) - half for total, half in zip(cut, small, strict=True))
    return (stride, small, large, extra) if mode == "SAME_UPPER" else (stride, large, small, extra)


def _over_depth(weights, groups, planes, stride, before):
    """Return the kernels from every plane of the input to every plane of the output."""
    inputs, maps, taps, *kernel = weights.shape
    flat = np.zeros((inputs, planes[0], maps, planes[1], *kernel))
    for plane in range(planes[0]):
        first = plane * stride - before
        low, high = max(first, 0), min(first + taps, planes[1])
        if low < high:
            flat[:, plane, :, low:high] = weights[:, :, low - first:high - first]
    return flat.reshape(inputs * planes[0], maps * planes[1], *kernel)


#: Convolutions.
CONVOLUTION = {
    "Conv": Operator(_conv, ("auto_pad", "dilations", "group", "kernel_shape", "pads", "strides"),
                     constants=(1, 2)),
    "ConvTranspose": Operator(
        _conv_transpose, ("auto_pad", "dilations", "group", "kernel_shape", "output_padding",
                          "output_shape", "pads", "strides"), constants=(1, 2)),
}
