"""ONNX pooling over one to three dimensions.

A maximum or mean over depth, rows and columns is one over rows and columns, then one over depth.
"""

import math

from .onnx_operator import Operator
from .onnx_steps import Steps
from .onnx_windows import spatial, windows_of

__all__ = ["POOLING"]


def _pool(kind):
    def handler(layer):
        shape = spatial(layer, "pooling")
        windows = _windows(layer, shape[2:])
        count_pad = bool(layer.attribute("count_include_pad", 0))
        if layer.attribute("ceil_mode", 0):
            grown = _windows(layer, shape[2:], ceil=True)
            if grown != windows and kind == "average" and count_pad:
                raise layer.fault("attribute ceil_mode is 1 and makes windows that leave the "
                                  "padded map while count_include_pad is 1; supported is either")
            windows = grown
        for axis, name in enumerate(("depth", "row", "column")[-len(windows.size):]):
            if max(windows.before[axis], windows.after[axis]) >= windows.window[axis]:
                raise layer.fault(f"{name} padding {windows.before[axis]} and "
                                  f"{windows.after[axis]} leaves windows of "
                                  f"{windows.window[axis]} with no sample of the map; supported is "
                                  "padding smaller than the window")
        name = _pooled(layer, layer.inputs[0], shape, windows, kind, count_pad)
        layer.result(name, (*shape[:2], *windows.outputs))
    return handler


def _windows(layer, size, *, ceil=False):
    window = layer.sizes("kernel_shape", (0,) * len(size))
    dilation = layer.sizes("dilations", (1,) * len(size))
    if set(dilation) != {1}:
        raise layer.fault(f"attribute dilations is {list(dilation)}; supported is 1 everywhere")
    layer.require("storage_order", 0, 0, "0 (row major)")
    return windows_of(layer, size, window, layer.sizes("strides", (1,) * len(size)), ceil=ceil)


def _pooled(layer, name, shape, windows, kind, count_pad):
    """Return the name of a pooled tensor of ONNX ``shape``."""
    steps, samples = Steps(layer), math.prod(shape[:2])
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


def _order(layer):
    """Return p of a norm."""
    order = layer.attribute("p", 2)
    if order not in (1, 2):
        raise layer.fault(f"attribute p is {order}; supported are norms of order 1 and 2")
    return order


def _powers(layer, order):
    """Return the name of what a norm sums: sizes, or squares."""
    layer.shape()
    steps, name = Steps(layer), layer.inputs[0]
    return steps.function(name, "abs") if order == 1 else steps.square(name)


def _root(layer, name, order, count):
    """Make the norm from the mean of ``count`` sizes or squares."""
    steps = Steps(layer)
    name = steps.line(name, count)
    layer.result(steps.function(name, "sqrt") if order == 2 else name, steps.shape(name))


def _lp_pool(layer):
    shape, order = spatial(layer, "pooling"), _order(layer)
    windows = _windows(layer, shape[2:], ceil=bool(layer.attribute("ceil_mode", 0)))
    name = _pooled(layer, _powers(layer, order), shape, windows, "average", True)
    _root(layer, name, order, math.prod(windows.window))


def _global_lp_pool(layer):
    order = _order(layer)
    name = _over_all(layer, _powers(layer, order), "average")
    _root(layer, name, order, math.prod(layer.shape()[2:]))


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
