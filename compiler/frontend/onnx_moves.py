"""ONNX operators that bring samples to other places."""

import math

import numpy as np

from compiler.graph import Concat, Pad

from .onnx_layer import maps_shape
from .onnx_operator import Operator
from .onnx_steps import MOST_SAMPLES, Steps

__all__ = ["MOVES"]


def _gathered(layer, indices, fill=0.0):
    """Make output 0 of lists of indices, one a dimension; None for all in order."""
    shape = layer.shape()
    made = [size if index is None else len(index)
            for size, index in zip(shape, indices, strict=True)]
    if min(made, default=1) < 1:
        raise layer.fault(f"its output would have shape {made}; every dimension must be at least 1")
    name = Steps(layer).gather(layer.inputs[0], indices, fill)
    layer.result(name, made)


def _transpose(layer):
    shape = layer.shape()
    order = layer.attribute("perm", list(range(len(shape)))[::-1])
    if sorted(order) != list(range(len(shape))):
        raise layer.malformed(f"attribute perm is {order}; it must hold 0 to {len(shape) - 1}")
    name = Steps(layer).transpose(layer.inputs[0], order)
    layer.result(name, [shape[axis] for axis in order])


def _concat(layer):
    steps = Steps(layer)
    names = [steps.operand(index) for index in range(len(layer.inputs))]
    shape = steps.shape(names[0])
    axis = layer.axis(shape, 1 if layer.importer.opset < 4 else 0)
    for name, given in zip(names, layer.inputs, strict=True):
        other = steps.shape(name)
        if (*other[:axis], *other[axis + 1:]) != (*shape[:axis], *shape[axis + 1:]):
            raise layer.malformed(f"input {given!r} of shape {list(other)} does not fit input "
                                  f"{layer.inputs[0]!r} of shape {list(shape)}")
    made = list(shape)
    made[axis] = sum(steps.shape(name)[axis] for name in names)
    if len(names) == 1:
        layer.result(names[0], made)
    elif math.prod(shape[:axis]) == 1:
        # Whole tensors one behind the other.
        inner = math.prod(shape[axis + 1:])
        sides = maps_shape(made)[1:]
        sides = sides if math.prod(sides) == inner else (1, 1)
        views = [layer.reshaped(name, (math.prod(steps.shape(name)) // math.prod(sides), *sides))
                 for name in names]
        maps = (math.prod(made) // math.prod(sides), *sides)
        layer.emit(Concat, made, views, maps)
    else:
        layer.result(steps.concat(names, axis), made)


def _slices(layer, shape):
    """Return a `slice` for each dimension."""
    if layer.importer.opset < 10:
        starts, ends = layer.attribute("starts", []), layer.attribute("ends", [])
        axes, steps = layer.attribute("axes", []), []
    else:
        starts, ends = layer.integers(1, "starts"), layer.integers(2, "ends")
        axes = layer.integers(3, "axes") if layer.has(3) else []
        steps = layer.integers(4, "steps") if layer.has(4) else []
    axes, steps = axes or list(range(len(starts))), steps or [1] * len(starts)
    if not len(starts) == len(ends) == len(axes) == len(steps) or 0 in steps \
            or any(not -len(shape) <= axis < len(shape) for axis in axes):
        raise layer.malformed(f"starts {starts}, ends {ends}, axes {axes} and steps {steps} do not "
                              f"fit shape {list(shape)}")
    slices = [slice(None)] * len(shape)
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        slices[axis] = slice(start, end, step)
    return slices


def _slice(layer):
    shape = layer.shape()
    _gathered(layer, [range(size)[part] for size, part in zip(shape, _slices(layer, shape),
                                                              strict=True)])


def _split(layer):
    shape, count = layer.shape(), len(layer.outputs)
    axis = layer.axis(shape, 0)
    size = shape[axis]
    sizes = layer.integers(1, "split") if layer.has(1) else layer.attribute("split", [])
    if not sizes:
        parts = layer.attribute("num_outputs", count)
        if parts != count:
            raise layer.malformed(f"attribute num_outputs is {parts} for {count} outputs")
        largest = -(-size // parts)
        sizes = [largest] * (parts - 1) + [size - largest * (parts - 1)]
    if len(sizes) != count or sum(sizes) != size or min(sizes) < 0:
        raise layer.malformed(f"{size} samples along axis {axis} cannot be split into {sizes} for "
                              f"{count} outputs")
    steps, first = Steps(layer), 0
    for output, part in enumerate(sizes):
        if part == 0:
            raise layer.fault(f"output {layer.outputs[output]!r} would be empty; every dimension "
                              "must be at least 1")
        indices = [None] * len(shape)
        indices[axis] = range(first, first + part)
        name = steps.gather(layer.inputs[0], indices)
        layer.result(name, steps.shape(name), output)
        first += part


def _pads(layer, rank):
    """Return what is added before and after each dimension, and the constant."""
    if layer.importer.opset < 11:
        pads, value = layer.attribute("pads", []), layer.attribute("value", 0.0)
        axes = list(range(rank))
    else:
        pads = layer.integers(1, "pads")
        value = layer.scalar(2, "constant_value", 0.0) if layer.has(2) else 0.0
        axes = layer.integers(3, "axes") if layer.has(3) else list(range(rank))
    if len(pads) != 2 * len(axes):
        raise layer.malformed(f"{len(pads)} pads for {len(axes)} dimensions")
    if len({axis % rank for axis in axes if -rank <= axis < rank}) != len(axes):
        raise layer.malformed(f"axes {axes} do not fit {rank} dimensions")
    before, after = [0] * rank, [0] * rank
    for axis, first, last in zip(axes, pads[:len(axes)], pads[len(axes):], strict=True):
        before[axis], after[axis] = first, last
    return before, after, value


def _pad(layer):
    shape, mode = layer.shape(), layer.attribute("mode", "constant")
    if mode not in _MODES:
        raise layer.fault(f"attribute mode is {mode!r}; supported are {', '.join(_MODES)}")
    before, after, value = _pads(layer, len(shape))
    made = [first + size + last for first, size, last in zip(before, shape, after, strict=True)]
    if math.prod(max(size, 0) for size in made) > MOST_SAMPLES:
        raise layer.fault(f"its output would have shape {made}; supported are {MOST_SAMPLES} "
                          "samples")
    zeros = mode == "constant" and value == 0 and min(before + after) >= 0
    if zeros and len(shape) == 4 and not any(before[:2] + after[:2]):
        maps = maps_shape(shape)
        layer.emit(Pad, made, [layer.view(maps)], (maps[0], *made[2:]),
                   padding=(*before[2:], *after[2:]))
        return
    _gathered(layer, [_padded(layer, size, *pads, mode) for size, *pads in
                      zip(shape, before, after, strict=True)], value)


def _padded(layer, size, before, after, mode):
    """Return the indices of a padded dimension."""
    if mode == "reflect" and max(before, after) >= size > 0 and max(before, after) > 0:
        raise layer.malformed(f"reflects {max(before, after)} samples of a dimension of {size}")
    index = np.arange(size)
    grown = (max(before, 0), max(after, 0))
    index = np.pad(index, grown, constant_values=-1) if mode == "constant" \
        else np.pad(index, grown, _MODES[mode])
    return index[max(-before, 0):len(index) - max(-after, 0)]


_MODES = {"constant": "constant", "reflect": "reflect", "edge": "edge", "wrap": "wrap"}


def _expand(layer):
    shape, wanted = layer.shape(), layer.integers(1, "the new shape")
    try:
        made = np.broadcast_shapes(shape, tuple(wanted))
    except ValueError:
        raise layer.malformed(f"shape {list(shape)} cannot become {wanted}") from None
    _repeat(layer, [made_size // size for made_size, size in zip(
        made, (1,) * (len(made) - len(shape)) + shape, strict=True)])


def _tile(layer):
    shape, repeats = layer.shape(), layer.integers(1, "repeats")
    if len(repeats) != len(shape) or min(repeats, default=1) < 0:
        raise layer.malformed(f"repeats {repeats} do not fit shape {list(shape)}")
    _repeat(layer, repeats)


def _repeat(layer, repeats):
    """Make input 0 repeated along each dimension; there may be new ones in front."""
    steps, shape = Steps(layer), layer.shape()
    full = (1,) * (len(repeats) - len(shape)) + shape
    made = [size * times for size, times in zip(full, repeats, strict=True)]
    if math.prod(made) > MOST_SAMPLES:
        raise layer.fault(f"its output would have shape {made}; supported are {MOST_SAMPLES} "
                          "samples")
    if min(made, default=1) < 1:
        raise layer.fault(f"its output would have shape {made}; every dimension must be at least 1")
    name = steps.reshape(layer.inputs[0], full)
    layer.result(steps.gather(name, [np.tile(np.arange(size), times)
                                     for size, times in zip(full, repeats, strict=True)]), made)


def _gather(layer):
    shape = layer.shape()
    axis = layer.axis(shape, 0)
    places = layer.whole_numbers(1, "indices")
    size = shape[axis]
    if places.size == 0 or places.min() < -size or places.max() >= size:
        raise layer.malformed(f"indices of {size} samples are from {-size} to {size - 1}")
    indices = [None] * len(shape)
    indices[axis] = (places % size).reshape(-1)
    steps = Steps(layer)
    made = (*shape[:axis], *places.shape, *shape[axis + 1:])
    layer.result(steps.reshape(steps.gather(layer.inputs[0], indices), made), made)


def _depth_to_space(layer):
    samples, channels, rows, columns = _four(layer)
    block, mode = _block(layer), layer.attribute("mode", "DCR")
    if channels % block**2:
        raise layer.malformed(f"{channels} channels are not in blocks of {block}x{block}")
    maps = channels // block**2
    split = {"DCR": (samples, block, block, maps, rows, columns),
             "CRD": (samples, maps, block, block, rows, columns)}
    orders = {"DCR": (0, 3, 4, 1, 5, 2), "CRD": (0, 1, 4, 2, 5, 3)}
    _blocks(layer, mode, split, orders, (samples, maps, rows * block, columns * block))


def _space_to_depth(layer):
    samples, channels, rows, columns = _four(layer)
    block, mode = _block(layer), layer.attribute("mode", "DCR")
    if rows % block or columns % block:
        raise layer.malformed(f"{rows} rows and {columns} columns are not in blocks of "
                              f"{block}x{block}")
    high, wide = rows // block, columns // block
    split = dict.fromkeys(("DCR", "CRD"), (samples, channels, high, block, wide, block))
    orders = {"DCR": (0, 3, 5, 1, 2, 4), "CRD": (0, 1, 3, 5, 2, 4)}
    _blocks(layer, mode, split, orders, (samples, channels * block**2, high, wide))


def _blocks(layer, mode, split, orders, made):
    if mode not in orders:
        raise layer.malformed(f"attribute mode is {mode!r}; it must be DCR or CRD")
    steps = Steps(layer)
    name = steps.transpose(steps.reshape(layer.inputs[0], split[mode]), orders[mode])
    layer.result(steps.reshape(name, made), made)


def _four(layer):
    shape = layer.shape()
    if len(shape) != 4:
        raise layer.malformed(f"input {layer.inputs[0]!r} has shape {list(shape)}; it must have "
                              "four dimensions")
    return shape


def _block(layer):
    block = layer.attribute("blocksize", 0)
    if block < 1:
        raise layer.malformed(f"attribute blocksize is {block}; it must be at least 1")
    return block


#: Moves.
MOVES = {
    "Concat": Operator(_concat, ("axis",)),
    "DepthToSpace": Operator(_depth_to_space, ("blocksize", "mode")),
    "Expand": Operator(_expand, constants=(1,)),
    "Gather": Operator(_gather, ("axis",), constants=(1,)),
    "Pad": Operator(_pad, ("mode", "pads", "value"), constants=(1, 2, 3)),
    "Slice": Operator(_slice, ("axes", "ends", "starts"), constants=(1, 2, 3, 4)),
    "SpaceToDepth": Operator(_space_to_depth, ("blocksize", "mode")),
    "Split": Operator(_split, ("axis", "num_outputs", "split"), constants=(1,), outputs=0),
    "Tile": Operator(_tile, constants=(1,)),
    "Transpose": Operator(_transpose, ("perm",)),
}
