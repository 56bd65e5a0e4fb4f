"""ONNX pooling over one to three dimensions.

A maximum or mean over depth, rows and columns is one over rows and columns, then one over depth.
"""

import math
from dataclasses import replace

import numpy as np

from .onnx_operator import Operator
from .onnx_steps import Steps
from .onnx_windows import spatial, windows_of

__all__ = ["POOLING"]

#: Norm by which zeros are divided.
_LEAST = 2.0**-60


def _pool(kind):
    def handler(layer):
        shape = spatial(layer, "pooling")
        windows, dilation = _windows(layer, shape[2:])
        name = _pooled(layer, layer.inputs[0], shape, windows, dilation, kind,
                       bool(layer.attribute("count_include_pad", 0)))
        layer.result(name, (*shape[:2], *windows.outputs))
    return handler


def _windows(layer, size):
    """Return the `Windows` and the dilation of a layer."""
    kernel = layer.sizes("kernel_shape", (0,) * len(size))
    dilation = layer.sizes("dilations", (1,) * len(size))
    layer.require("storage_order", 0, 0, "0 (row major)")
    reach = tuple((taps - 1) * step + 1 for taps, step in zip(kernel, dilation, strict=True))
    windows = windows_of(layer, size, reach, layer.sizes("strides", (1,) * len(size)),
                         ceil=bool(layer.attribute("ceil_mode", 0)))
    for axis, name in enumerate(("depth", "row", "column")[-len(size):]):
        if max(windows.before[axis], windows.after[axis]) >= reach[axis]:
            raise layer.fault(f"{name} padding {windows.before[axis]} and {windows.after[axis]} "
                              f"leaves windows of {reach[axis]} with no sample of the map; "
                              "supported is padding smaller than the window")
    return windows, dilation


def _pooled(layer, name, shape, windows, dilation, kind, count_pad):
    """Return the name of a pooled tensor of ONNX ``shape``."""
    steps = Steps(layer)
    # Windows that ceil_mode lets leave the padded map do not count what is beyond.
    beyond = count_pad and windows.after != windows.stated
    if set(dilation) == {1} and not beyond:
        return _plain(steps, name, shape, windows, kind, count_pad)
    for axis in range(len(windows.size)):
        name = _along(steps, name, 2 + axis, windows.axis(axis), dilation[axis], kind, count_pad)
    return name


def _plain(steps, name, shape, windows, kind, count_pad):
    """Return a pooled tensor: over rows and columns, then over depth."""
    samples = math.prod(shape[:2])
    depths = shape[2] if len(shape) == 5 else 1
    sides, outputs = (1, *shape[2:])[-2:], (1, *windows.outputs)[-2:]
    maps = samples * depths
    made = (*shape[:2], *shape[2:-2], *windows.outputs[-2:])
    name = steps.pool(
        name, (maps, *sides), made, (maps, *outputs), kind=kind,
        window=(1, *windows.window)[-2:], stride=(1, *windows.stride)[-2:],
        padding=windows.padding, count_include_pad=count_pad)
    if len(shape) < 5:
        return name
    area = math.prod(outputs)
    return steps.pool(
        name, (samples, depths, area), (*shape[:2], *windows.outputs),
        (samples, windows.outputs[0], area), kind=kind,
        window=(windows.window[0], 1), stride=(windows.stride[0], 1),
        padding=(windows.before[0], 0, windows.after[0], 0), count_include_pad=count_pad)


def _along(steps, name, axis, windows, dilation, kind, count_pad):
    """Return a tensor pooled along one axis, its windows put one behind the other first.

    A maximum takes samples of the map again in place of padding.
    """
    size, reach, stride = windows.size[0], windows.window[0], windows.stride[0]
    before, stated, count = windows.before[0], windows.stated[0], windows.outputs[0]
    shape = steps.shape(name)
    taps = len(range(0, reach, dilation))
    steps.check_size((math.prod(shape[:axis]), count * taps, math.prod(shape[axis + 1:])))
    first = np.arange(count)[:, None] * stride - before
    taps = first + np.arange(0, reach, dilation)
    inside = (taps >= 0) & (taps < size)
    if not inside.any(axis=1).all():
        raise steps.layer.fault("some of its dilated windows see no sample of the map; supported "
                                "is less padding")
    if kind == "max":
        some = np.where(inside, taps, -1).max(axis=1, keepdims=True)
        indices = np.where(inside, taps, some)
    else:
        indices = np.where(inside, taps, -1)
    chosen = [None] * len(shape)
    chosen[axis] = indices.reshape(-1)
    name = steps.gather(name, chosen)
    outer, inner = math.prod(shape[:axis]), math.prod(shape[axis + 1:])
    made = (*shape[:axis], count, *shape[axis + 1:])
    window = indices.shape[1]
    name = steps.pool(name, (outer, count * window, inner), made, (outer, count, inner), kind=kind,
                      window=(window, 1), stride=(window, 1), count_include_pad=True)
    counted = (taps < size + stated).sum(axis=1) if count_pad else inside.sum(axis=1)
    if kind == "max" or (counted == window).all():
        return name
    share = (window / counted).reshape(-1, *(1,) * (len(shape) - axis - 1))
    return steps.with_constant("mul", name, share)


def _global_pool(kind):
    def handler(layer):
        name = _over_all(layer, layer.inputs[0], kind)
        layer.result(name, layer.importer.shapes[name])
    return handler


def _over_all(layer, name, kind):
    """Return the name of the maximum or mean over each channel of a tensor."""
    shape = layer.shape()
    if len(shape) < 3:
        raise layer.malformed(f"input {layer.inputs[0]!r} has shape {list(shape)}, without "
                              "spatial dimensions")
    maps = (math.prod(shape[:2]), math.prod(shape[2:-1]), shape[-1])
    return Steps(layer).pool(name, maps, (*shape[:2], *(1 for _ in shape[2:])), (maps[0], 1, 1),
                             kind=kind, window=maps[1:], stride=(1, 1))


def _order(layer, count):
    """Return p of a norm of ``count`` samples; those of one are all the same."""
    order = layer.attribute("p", 2)
    if order < 1:
        raise layer.malformed(f"attribute p is {order}; it must be at least 1")
    return order if count > 1 else 1


def _powers(layer, order):
    """Return the name of what a norm of order 1 or 2 sums: sizes, or their squares."""
    layer.shape()
    steps, name = Steps(layer), layer.inputs[0]
    return steps.function(name, "abs") if order == 1 else steps.square(name)


def _root(layer, name, order, count):
    """Make the norm of order 1 or 2 from the mean of ``count`` powers."""
    steps = Steps(layer)
    name = steps.line(name, count)
    layer.result(steps.function(name, "sqrt") if order == 2 else name, steps.shape(name))


def _high_norm(steps, name, axis, order):
    """Return the norm of order 3 or more along an axis, which stays with one sample.

    Sizes are divided by the largest of them: a small sum of high powers would be less than a step
    beside a large one.
    """
    size = steps.function(name, "abs")
    largest = steps.reduce(size, "max", [axis])
    # Zeros alone are 0 / 0, which the machine has as 0.
    shares = steps.join("div", size, steps.limit(largest, "max", _LEAST))
    sums = steps.reduce(steps.function(shares, "power", order), "sum", [axis])
    return steps.join("mul", steps.function(sums, "root", 1 / order), largest)


def _lp_pool(layer):
    shape = spatial(layer, "pooling")
    windows, dilation = _windows(layer, shape[2:])
    taps = math.prod(layer.sizes("kernel_shape", (0,) * len(windows.size)))
    order = _order(layer, taps)
    # Every window has as many taps, with zeros in the padding and beyond it.
    windows = replace(windows, stated=windows.after)
    if order <= 2:
        name = _pooled(layer, _powers(layer, order), shape, windows, dilation, "average", True)
        _root(layer, name, order, taps)
        return
    steps, name = Steps(layer), layer.inputs[0]
    for axis in range(2, len(shape)):
        # The norm over a rectangle is one of its rows' norms.
        name = _high_norm(steps, *_windows_along(steps, name, axis, windows.axis(axis - 2),
                                                 dilation[axis - 2]), order)
        made = steps.shape(name)
        name = steps.reshape(name, (*made[:axis + 1], *made[axis + 2:]))
    layer.result(name, steps.shape(name))


def _windows_along(steps, name, axis, windows, dilation):
    """Return (name, axis) of a tensor's windows along one axis, their taps on the next one."""
    shape, count = steps.shape(name), windows.outputs[0]
    taps = np.arange(count)[:, None] * windows.stride[0] - windows.before[0] \
        + np.arange(0, windows.window[0], dilation)
    inside = (taps >= 0) & (taps < windows.size[0])
    chosen = [None] * len(shape)
    chosen[axis] = np.where(inside, taps, -1).reshape(-1)
    name = steps.gather(name, chosen)
    return steps.reshape(name, (*shape[:axis], *taps.shape, *shape[axis + 1:])), axis + 1


def _global_lp_pool(layer):
    count = math.prod(layer.shape()[2:])
    order = _order(layer, count)
    if order <= 2:
        name = _over_all(layer, _powers(layer, order), "average")
        _root(layer, name, order, count)
        return
    steps, shape = Steps(layer), spatial(layer, "pooling")
    name = steps.reshape(layer.inputs[0], (*shape[:2], math.prod(shape[2:])))
    name = steps.reshape(_high_norm(steps, name, 2, order), (*shape[:2], *(1 for _ in shape[2:])))
    layer.result(name, steps.shape(name))


_WINDOW = ("auto_pad", "ceil_mode", "dilations", "kernel_shape", "pads", "strides")

#: Pooling.
POOLING = {
    "AveragePool": Operator(_pool("average"), (*_WINDOW, "count_include_pad")),
    "GlobalAveragePool": Operator(_global_pool("average")),
    "GlobalLpPool": Operator(_global_lp_pool, ("p",)),
    "GlobalMaxPool": Operator(_global_pool("max")),
    "LpPool": Operator(_lp_pool, (*_WINDOW, "p")),
    "MaxPool": Operator(_pool("max"), (*_WINDOW, "storage_order")),
}
