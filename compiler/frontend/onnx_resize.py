"""ONNX enlargement and reduction of maps: which samples an output sees, and how much of each."""

import math
from dataclasses import dataclass

import numpy as np

from compiler.graph import Upsample

from .onnx_layer import LARGEST_SIDE
from .onnx_matrix import weigh
from .onnx_operator import Operator
from .onnx_steps import Steps

__all__ = ["RESIZE"]

#: Weights of one axis of a linear or cubic resize.
MOST_WEIGHTS = 1 << 22

_ROUNDING = {
    "round_prefer_floor": lambda place: np.ceil(place - 0.5),
    "round_prefer_ceil": lambda place: np.floor(place + 0.5),
    "floor": np.floor,
    "ceil": np.ceil,
}


@dataclass(frozen=True)
class _Axis:
    """One resized axis.

    Parameters
    ----------
    size, outputs : int
        Samples before and behind.
    scale : float
        Outputs per sample, before the number of outputs was rounded.
    start, end : float
        Region of interest, as shares of the axis.
    """

    size: int
    outputs: int
    scale: float
    start: float = 0.0
    end: float = 1.0

    @property
    def same(self):
        """Return whether the axis is not resized."""
        return (self.scale, self.outputs, self.start, self.end) == (1, self.size, 0, 1)

    @property
    def exact(self):
        """Return the number of outputs before it was rounded."""
        return self.scale * self.size

    def crop(self, i):
        """Return the places of outputs in the region of interest."""
        last = self.size - 1
        if self.exact == 1:
            return i * 0 + (self.start + self.end) / 2 * last
        return self.start * last + i * (self.end - self.start) * last / (self.exact - 1)


#: Where output sample i lies on the input's axis.
_COORDINATES = {
    "half_pixel": lambda axis, i: (i + 0.5) / axis.scale - 0.5,
    "half_pixel_symmetric": lambda axis, i: (
        axis.size / 2 * (1 - axis.outputs / axis.exact) + (i + 0.5) / axis.scale - 0.5),
    "pytorch_half_pixel": lambda axis, i: (
        (i + 0.5) / axis.scale - 0.5 if axis.exact > 1 else i * 0 - 0.5),
    "asymmetric": lambda axis, i: i / axis.scale,
    "tf_half_pixel_for_nn": lambda axis, i: (i + 0.5) / axis.scale,
    "align_corners": lambda axis, i: (
        i * (axis.size - 1) / (axis.exact - 1) if axis.exact != 1 else i * 0.0),
    "tf_crop_and_resize": _Axis.crop,
}


def _linear(distance, _):
    return np.maximum(1 - np.abs(distance), 0)


def _cubic(distance, a):
    """Return the weights of cubic convolution (Keys, 1981), whose parameter is ``a``."""
    x = np.abs(distance)
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
    return np.where(x <= 1, near, np.where(x < 2, far, 0))


#: Weight at a distance, and the distance from which on it is 0.
_KERNELS = {"linear": (_linear, 1), "cubic": (_cubic, 2)}


def _choice(layer, name, default, choices):
    value = layer.attribute(name, default)
    if value not in choices:
        raise layer.fault(f"attribute {name} is {value!r}; supported are {', '.join(choices)}")
    return value


def _resize(layer):
    shape, old = layer.shape(), layer.importer.opset < 11
    # Resize and Upsample of old operator sets have one rule, and no attributes for another.
    modes = {"nearest": 0, "linear": 1, "cubic": 2, **({"bilinear": 1} if old else {})}
    mode = _choice(layer, "mode", "nearest", modes)
    where = _choice(layer, "coordinate_transformation_mode",
                    "asymmetric" if old else "half_pixel", _COORDINATES)
    axes = _axes(layer, shape, where)
    steps, name = Steps(layer), layer.inputs[0]
    if mode == "nearest":
        rounding = _choice(layer, "nearest_mode", "floor" if old else "round_prefer_floor",
                           _ROUNDING)
        _nearest(layer, steps, axes, _COORDINATES[where], _ROUNDING[rounding])
        return
    order, value = list(range(len(shape))), layer.attribute("extrapolation_value", 0.0)
    for number in reversed(range(len(shape))):
        axis = axes[number]
        if axis.same:
            continue
        places = _COORDINATES[where](axis, np.arange(axis.outputs, dtype=np.float64))
        matrix = _matrix(layer, axis, places, "linear" if mode == "bilinear" else mode)
        outside = np.zeros(axis.outputs, bool)
        if where == "tf_crop_and_resize":
            outside = (places < 0) | (places > axis.size - 1)
            matrix[outside] = 0
        # The axis becomes the first, to be weighed.
        chosen = [number, *(other for other in order if other != number)]
        name = steps.transpose(name, [order.index(other) for other in chosen])
        name, order = weigh(steps, name, matrix, np.where(outside, value, 0.0)), chosen
    name = steps.transpose(name, [order.index(number) for number in range(len(shape))])
    layer.result(name, [axis.outputs for axis in axes])


def _nearest(layer, steps, axes, place, rounding):
    indices = []
    for axis in axes:
        places = place(axis, np.arange(axis.outputs, dtype=np.float64))
        index = np.clip(rounding(places), 0, axis.size - 1).astype(np.int64)
        if place is _Axis.crop:
            index[(places < 0) | (places > axis.size - 1)] = -1
        indices.append(None if axis.same else index)
    made = [axis.outputs for axis in axes]
    factors = [axis.outputs // axis.size for axis in axes]
    repeats = all(index is None or np.array_equal(index, np.arange(axis.size).repeat(times))
                  for index, axis, times in zip(indices, axes, factors, strict=True))
    if repeats and len(axes) == 4 and factors[:2] == [1, 1] and factors[2:] != [1, 1]:
        samples, channels, rows, columns = layer.shape()
        maps = (samples * channels, rows, columns)
        layer.emit(Upsample, made, [layer.view(maps)], (maps[0], *made[2:]),
                   factors=tuple(factors[2:]))
        return
    name = steps.gather(layer.inputs[0], indices, layer.attribute("extrapolation_value", 0.0))
    layer.result(name, made)


def _matrix(layer, axis, places, mode):
    """Return how much of each sample an output takes: (outputs, samples)."""
    if axis.outputs * axis.size > MOST_WEIGHTS:
        raise layer.fault(f"{axis.size} samples become {axis.outputs} by mode {mode!r}; supported "
                          f"are {MOST_WEIGHTS} pairs of such")
    kernel, radius = _KERNELS[mode]
    stretch = max(1.0, 1 / axis.scale) if layer.attribute("antialias", 0) else 1.0
    reach = math.ceil(radius * stretch)
    taps = np.floor(places).astype(np.int64)[:, None] + np.arange(1 - reach, 1 + reach)
    weights = kernel((taps - places[:, None]) / stretch, layer.attribute("cubic_coeff_a", -0.75))
    if layer.attribute("exclude_outside", 0):
        weights = np.where((taps < 0) | (taps >= axis.size), 0.0, weights)
    weights /= weights.sum(axis=1, keepdims=True)
    matrix = np.zeros((axis.outputs, axis.size))
    rows = np.broadcast_to(np.arange(axis.outputs)[:, None], taps.shape)
    # Beyond its ends an axis goes on as it ends.
    np.add.at(matrix, (rows, np.clip(taps, 0, axis.size - 1)), weights)
    return matrix


def _axes(layer, shape, where):
    """Return the `_Axis` of each dimension."""
    chosen = layer.attribute("axes", list(range(len(shape))))
    if any(not -len(shape) <= axis < len(shape) for axis in chosen):
        raise layer.malformed(f"attribute axes is {chosen}, the input has {len(shape)} dimensions")
    chosen = [axis % len(shape) for axis in chosen]
    sizes = [shape[axis] for axis in chosen]
    regions = [0.0] * len(chosen) + [1.0] * len(chosen)
    if where == "tf_crop_and_resize":
        regions = layer.constant(1, "regions of interest", rank=1).tolist()
        if len(regions) != 2 * len(chosen):
            raise layer.malformed(f"{len(regions)} bounds of regions for {len(chosen)} dimensions")
    spans = [end - start for start, end in zip(regions[:len(chosen)], regions[len(chosen):],
                                               strict=True)]
    scales, outputs = _scales(layer, sizes, spans)
    axes = [_Axis(size, size, 1.0) for size in shape]
    for number, axis in enumerate(chosen):
        if not 1 <= outputs[number] <= LARGEST_SIDE * 8:
            raise layer.fault(f"scale {scales[number]:g} makes {outputs[number]} samples of "
                              f"{sizes[number]}; supported are 1 to {LARGEST_SIDE * 8}")
        axes[axis] = _Axis(sizes[number], outputs[number], scales[number], regions[number],
                           regions[number + len(chosen)])
    return axes


def _scales(layer, sizes, spans):
    """Return outputs per sample, and outputs, of each axis."""
    opset = layer.importer.opset
    index = 1 if opset < 11 or layer.op == "Upsample" else 2
    if index == 2 and _given(layer, 3):
        wanted = layer.integers(3, "sizes")
        if len(wanted) != len(sizes):
            raise layer.malformed(f"{len(wanted)} sizes for {len(sizes)} dimensions")
        policy = _choice(layer, "keep_aspect_ratio_policy", "stretch", _POLICIES)
        scales = [want / size for want, size in zip(wanted, sizes, strict=True)]
        if policy != "stretch":
            scales = [_POLICIES[policy](scales)] * len(scales)
            wanted = [math.floor(scale * size + 0.5)
                      for scale, size in zip(scales, sizes, strict=True)]
        return scales, wanted
    scales = list(layer.attribute("scales", ())) if "scales" in layer.attributes \
        else layer.constant(index, "scales", rank=1).tolist()
    if len(scales) != len(sizes):
        raise layer.malformed(f"{len(scales)} scales for {len(sizes)} dimensions")
    if any(not 0 < scale <= LARGEST_SIDE for scale in scales):
        listed = ", ".join(f"{scale:g}" for scale in scales)
        raise layer.fault(f"scales [{listed}]; supported are positive numbers up to "
                          f"{LARGEST_SIDE}")
    return scales, [math.floor(size * span * scale) for size, span, scale in
                    zip(sizes, spans, scales, strict=True)]


_POLICIES = {"stretch": None, "not_larger": min, "not_smaller": max}


def _given(layer, index):
    """Return whether an optional constant is there; exporters write an empty one for none."""
    return layer.has(index) and not (
        layer.is_constant(index) and layer.importer.constants[layer.inputs[index]].size == 0)


#: Enlargement and reduction.
RESIZE = {
    "Resize": Operator(_resize, (
        "antialias", "axes", "coordinate_transformation_mode", "cubic_coeff_a", "exclude_outside",
        "extrapolation_value", "keep_aspect_ratio_policy", "mode", "nearest_mode"),
        constants=(1, 2, 3)),
    "Upsample": Operator(_resize, ("mode", "scales"), constants=(1,)),
}
