"""ONNX operators that join, repeat and choose among maps."""

import numpy as np

from compiler.graph import ArgMax, Concat, Identity, Pad, Upsample

from .onnx_layer import LARGEST_SIDE, maps_shape
from .onnx_operator import Operator

__all__ = ["MAPS"]

#: Maps that an ArgMax can number: 0 to the largest sample.
MOST_CHOICES = 1 << 15

#: Where output sample i of a resized axis of n outputs, enlarged s times, lies on the input's axis.
_COORDINATES = {
    "half_pixel": lambda i, s, n: (i + 0.5) / s - 0.5,
    "half_pixel_symmetric": lambda i, s, n: (i + 0.5) / s - 0.5,
    "pytorch_half_pixel": lambda i, s, n: (i + 0.5) / s - 0.5 if n > 1 else 0 * i,
    "asymmetric": lambda i, s, n: i / s,
    "tf_half_pixel_for_nn": lambda i, s, n: (i + 0.5) / s,
    "align_corners": lambda i, s, n: i * (n / s - 1) / max(n - 1, 1),
}

_ROUNDING = {
    "round_prefer_floor": lambda place: np.ceil(place - 0.5),
    "round_prefer_ceil": lambda place: np.floor(place + 0.5),
    "floor": np.floor,
    "ceil": np.ceil,
}


def _channel_axis(layer, default):
    """Check that a layer works along the channels; return the shape of input 0."""
    shape = layer.shape(0)
    axis = layer.attribute("axis", default)
    if not -len(shape) <= axis < len(shape):
        raise layer.malformed(f"attribute axis is {axis}, the input has {len(shape)} dimensions")
    if axis % len(shape) != 1 or shape[0] != 1:
        raise layer.fault(f"attribute axis is {axis} for a tensor of shape {list(shape)}; "
                          "supported is axis 1, the channels, of one image")
    return shape


def _concat(layer):
    shapes = [layer.shape(index) for index in range(len(layer.inputs))]
    shape = _channel_axis(layer, 0)
    for name, other in zip(layer.inputs, shapes, strict=True):
        if (*other[:1], *other[2:]) != (*shape[:1], *shape[2:]):
            raise layer.malformed(f"input {name!r} of shape {list(other)} does not fit input "
                                  f"{layer.inputs[0]!r} of shape {list(shape)}")
    joined = (1, sum(other[1] for other in shapes), *shape[2:])
    views = [layer.view(maps_shape(other), index) for index, other in enumerate(shapes)]
    maps = (sum(layer.importer.maps[name][0] for name in views), *maps_shape(shape)[1:])
    layer.emit(Concat if len(shapes) > 1 else Identity, joined, views, maps)


def _resize(layer):
    shape = layer.shape(0)
    if len(shape) != 4 or shape[0] != 1:
        raise layer.fault(f"input {layer.inputs[0]!r} has shape {list(shape)}; supported is "
                          "nearest enlargement over (1, channels, rows, columns)")
    _, channels, rows, columns = shape
    mode = layer.attribute("mode", "nearest")
    if mode != "nearest":
        raise layer.fault(f"attribute mode is {mode!r}; supported is 'nearest'")
    layer.require("antialias", 0, 0, "0")
    layer.require("exclude_outside", 0, 0, "0")
    policy = layer.attribute("keep_aspect_ratio_policy", "stretch")
    if policy != "stretch":
        raise layer.fault(f"attribute keep_aspect_ratio_policy is {policy!r}; supported is "
                          "'stretch'")
    factors = _factors(layer, (1, channels, rows, columns))
    # Resize and Upsample of old operator sets have one rule, and no attributes for another.
    old = layer.importer.opset < 11
    where = layer.attribute("coordinate_transformation_mode", "asymmetric" if old else "half_pixel")
    rounding = layer.attribute("nearest_mode", "floor" if old else "round_prefer_floor")
    for size, factor in ((rows, factors[0]), (columns, factors[1])):
        # An axis that is not enlarged stays as it is, whatever the rule.
        if factor > 1 and (where not in _COORDINATES or rounding not in _ROUNDING
                           or not _repeats(where, rounding, size, factor)):
            raise layer.fault(
                f"coordinate_transformation_mode {where!r} with nearest_mode {rounding!r} does not "
                f"repeat every sample {factor} times; supported are modes that do, such as "
                "'asymmetric' with 'floor', or 'half_pixel' with 'round_prefer_floor'")
    shape = (1, channels, rows * factors[0], columns * factors[1])
    if factors == (1, 1):
        layer.emit(Identity, shape)
    else:
        layer.emit(Upsample, shape, [layer.view((channels, rows, columns))], shape[1:],
                   factors=factors)


def _factors(layer, shape):
    """Return how many times (rows, columns) a layer enlarges a tensor."""
    opset = layer.importer.opset
    if "scales" in layer.attributes:
        scales = list(layer.attribute("scales", ()))
    else:
        index = 1 if opset < 11 or layer.op == "Upsample" else 2
        if index == 2 and _given(layer, 3):
            sizes = layer.integers(3, "sizes")
            if len(sizes) != len(shape):
                raise layer.malformed(f"{len(sizes)} sizes for {len(shape)} dimensions")
            scales = [size / before for size, before in zip(sizes, shape, strict=True)]
        else:
            scales = layer.constant(index, "scales", rank=1).tolist()
    if len(scales) != len(shape):
        raise layer.malformed(f"{len(scales)} scales for {len(shape)} dimensions")
    whole = all(1 <= scale <= LARGEST_SIDE and float(scale).is_integer() for scale in scales)
    if scales[:2] != [1, 1] or not whole:
        listed = ", ".join(f"{scale:g}" for scale in scales)
        raise layer.fault(f"scales [{listed}]; supported are 1 for batch and channels, whole "
                          "numbers for rows and columns")
    return int(scales[2]), int(scales[3])


def _given(layer, index):
    """Return whether an optional constant is there; exporters write an empty one for none."""
    return layer.has(index) and not (
        layer.is_constant(index) and layer.importer.constants[layer.inputs[index]].size == 0)


def _repeats(where, rounding, size, factor):
    """Return whether a rule for an axis takes every input sample ``factor`` times in a row."""
    outputs = np.arange(min(size * factor, 1 << 16))
    place = _ROUNDING[rounding](_COORDINATES[where](outputs, factor, size * factor))
    return bool((np.clip(place, 0, size - 1) == outputs // factor).all())


def _arg_max(layer):
    shape = _channel_axis(layer, 0)
    layer.require("select_last_index", 0, 0, "0, the first of equals")
    if shape[1] > MOST_CHOICES:
        raise layer.fault(f"{shape[1]} channels; supported are at most {MOST_CHOICES}")
    keep = layer.attribute("keepdims", 1)
    maps = (1, *shape[2:], 1, 1)[:3]
    layer.emit(ArgMax, (1, 1, *shape[2:]) if keep else (1, *shape[2:]),
               [layer.view(maps_shape(shape))], maps)
    layer.importer.integers.add(layer.outputs[0])


def _pad(layer):
    shape = layer.shape()
    mode = layer.attribute("mode", "constant")
    if mode != "constant":
        raise layer.fault(f"attribute mode is {mode!r}; supported is 'constant', with 0")
    if layer.importer.opset < 11:
        pads, value = layer.attribute("pads", []), layer.attribute("value", 0.0)
    else:
        pads, value = layer.integers(1, "pads"), layer.scalar(2, "constant_value", 0.0)
    if layer.has(3):
        raise layer.fault("axes are given; supported are pads of all dimensions")
    if len(pads) != 2 * len(shape):
        raise layer.malformed(f"{len(pads)} pads for {len(shape)} dimensions")
    if len(shape) != 4 or value or min(pads) < 0 or any(pads[axis] for axis in (0, 1, 4, 5)):
        raise layer.fault(f"pads {pads} with {value:g} of shape {list(shape)}; supported are zeros "
                          "around the rows and columns of (1, channels, rows, columns)")
    top, left, bottom, right = pads[2], pads[3], pads[6], pads[7]
    maps = maps_shape(shape)
    made = (maps[0], top + shape[2] + bottom, left + shape[3] + right)
    layer.emit(Pad, (*shape[:2], *made[1:]), [layer.view(maps)], made,
               padding=(top, left, bottom, right))


#: Operators on maps.
MAPS = {
    "ArgMax": Operator(_arg_max, ("axis", "keepdims", "select_last_index")),
    "Concat": Operator(_concat, ("axis",)),
    "Pad": Operator(_pad, ("mode", "pads", "value"), constants=(1, 2, 3)),
    "Resize": Operator(_resize, (
        "antialias", "coordinate_transformation_mode", "cubic_coeff_a", "exclude_outside",
        "extrapolation_value", "keep_aspect_ratio_policy", "mode", "nearest_mode"),
        constants=(1, 2, 3)),
    "Upsample": Operator(_resize, ("mode", "scales"), constants=(1,)),
}
