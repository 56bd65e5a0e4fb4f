"""Random nodes that move samples, for `tests.compiler.onnx_graphs`."""

import math
from fractions import Fraction

import numpy as np
from hypothesis import strategies as st

__all__ = ["MAP_MOVES", "MOVES"]


def _transpose(make, name, shape):
    order = make.draw(st.permutations(range(len(shape))))
    make.add("Transpose", [name], tuple(shape[axis] for axis in order), perm=order)


def _flatten(make, name, shape):
    axis = make.whole(0, len(shape))
    make.add("Flatten", [name], (math.prod(shape[:axis]), math.prod(shape[axis:])), axis=axis)


def _reshape(make, name, shape):
    cut = make.whole(0, len(shape) - 1)
    # Two neighbours become one dimension, or a dimension of 1 comes between them.
    made = (*shape[:cut], math.prod(shape[cut:cut + 2]), *shape[cut + 2:]) if make.whole(0, 1) \
        else (*shape[:cut], 1, *shape[cut:])
    if len(made) > 6:
        return
    asked = list(made)
    asked[make.axis(made)] = -1
    make.add("Reshape", [name, make.whole_numbers(*asked)], made)


def _squeeze(make, name, shape):
    single = [axis for axis, size in enumerate(shape) if size == 1]
    if single and len(shape) > 1:
        axis = make.one_of(single)
        make.add("Squeeze", [name, make.whole_numbers(axis)],
                 (*shape[:axis], *shape[axis + 1:]))
    elif len(shape) < 6:
        axis = make.whole(0, len(shape))
        make.add("Unsqueeze", [name, make.whole_numbers(axis)], (*shape[:axis], 1, *shape[axis:]))


def _cut(make, name, shape):
    """A Slice along one axis or two, forwards, backwards, in steps, by negative bounds."""
    axes = sorted(make.draw(st.sets(st.integers(0, len(shape) - 1), min_size=1, max_size=2)))
    made, bounds = list(shape), []
    for axis in axes:
        size, step = shape[axis], make.one_of((1, 1, 2, -1, -2))
        first, last = sorted((make.whole(0, size - 1), make.whole(0, size - 1)))
        kept = range(first, last + 1, step) if step > 0 else range(last, first - 1, step)
        stop = kept.stop if kept.stop >= 0 else -99
        if step > 0 and make.whole(0, 1):
            stop = kept.stop - size or 2**31
        made[axis] = len(kept)
        bounds.append((kept.start, stop, axis - make.one_of((0, len(shape))), step))
    make.add("Slice", [name, *(make.whole_numbers(*values)
                               for values in zip(*bounds, strict=True))], tuple(made))


def _pad(make, name, shape):
    """A Pad of any mode; negative pads leave samples out."""
    mode = make.one_of(("constant", "constant", "edge", "reflect")
                       + (("wrap",) if make.opset > 18 else ()))
    most = [min(2, size - 1 if mode == "reflect" else size) for size in shape]
    pads = [make.whole(0, one) for one in (*most, *most)]
    if mode == "constant":
        axis = make.axis(shape)
        if shape[axis] > 1 and make.whole(0, 1):
            pads[axis] = -1
    made = tuple(before + size + after for before, size, after in zip(
        pads, shape, pads[len(shape):], strict=False))
    inputs = [name, make.whole_numbers(*pads)]
    if mode == "constant" and make.whole(0, 1):
        inputs.append(make.constant(np.float32(make.numbers.uniform(-1, 1))))
    make.add("Pad", inputs, made, mode=mode)


def _concat(make, name, shape):
    axis = make.axis(shape)
    others = [other for other, size in make.shapes.items() if len(size) == len(shape)
              and size[:axis] + size[axis + 1:] == shape[:axis] + shape[axis + 1:]]
    names = [name, *(make.one_of(others) for _ in range(make.whole(1, 2)))]
    total = sum(make.shapes[one][axis] for one in names)
    make.add("Concat", names, (*shape[:axis], total, *shape[axis + 1:]), axis=axis)


def _split(make, name, shape):
    axis = make.axis(shape)
    if shape[axis] > 1:
        cuts = make.draw(st.sets(st.integers(1, shape[axis] - 1), min_size=1, max_size=2))
        parts = np.diff([0, *sorted(cuts), shape[axis]])
        make.add("Split", [name, make.whole_numbers(*parts)],
                 *((*shape[:axis], int(part), *shape[axis + 1:]) for part in parts), axis=axis)


def _gather(make, name, shape):
    axis = make.axis(shape)
    places = [make.whole(-shape[axis], shape[axis] - 1) for _ in range(make.whole(1, 4))]
    make.add("Gather", [name, make.whole_numbers(*places)],
             (*shape[:axis], len(places), *shape[axis + 1:]), axis=axis)


def _repeat(make, name, shape):
    """A Tile, or an Expand of the dimensions of 1."""
    if make.whole(0, 1):
        times = [make.whole(1, 2) for _ in shape]
        make.add("Tile", [name, make.whole_numbers(*times)],
                 tuple(size * count for size, count in zip(shape, times, strict=True)))
    else:
        made = tuple(make.whole(1, 4) if size == 1 else size for size in shape)
        make.add("Expand", [name, make.whole_numbers(*made)], made)


def _depth(make, name, shape):
    """Maps to blocks of 2 x 2 samples, or back."""
    if len(shape) != 4:
        return
    count, maps, rows, columns = shape
    if maps % 4 == 0:
        make.add("DepthToSpace", [name], (count, maps // 4, 2 * rows, 2 * columns), blocksize=2,
                 mode=make.one_of(("DCR", "CRD")))
    elif rows % 2 == columns % 2 == 0:
        make.add("SpaceToDepth", [name], (count, 4 * maps, rows // 2, columns // 2), blocksize=2)


def _decided(size, made, where, rounding):
    """Return whether no output lies where the rounding of a float would choose its sample.

    Multiples and fractions by powers of two are exact in floats.
    """
    scale = Fraction(made, size)
    if scale.numerator & (scale.numerator - 1) == scale.denominator & (scale.denominator - 1) == 0:
        return True
    half = Fraction(0 if where == "asymmetric" else 1, 2)
    between = Fraction(1 if rounding == "round_prefer_floor" else 0, 2)
    places = [(place + half) / scale - half for place in range(made)]
    return all((place - between).denominator > 1 for place in places
               if place or where != "asymmetric")


def _resize(make, name, shape):
    """A Resize to larger or smaller maps, to the nearest sample or linear between samples."""
    linear = make.whole(0, 1)
    sizes = [*shape[:2], *(make.whole(1, 2 * size) for size in shape[2:])]
    where = make.one_of(("half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel"))
    options = {"mode": "linear"} if linear else {
        "mode": "nearest", "nearest_mode": make.one_of(("floor", "ceil", "round_prefer_floor"))}
    if not linear and where == "align_corners":
        where = "asymmetric"
    if not linear and not all(_decided(*sides, where, options["nearest_mode"])
                              for sides in zip(shape[2:], sizes[2:], strict=True)):
        sizes = [*shape[:2], *(2 * size for size in shape[2:])]
    make.add("Resize", [name, "", "", make.whole_numbers(*sizes)], tuple(sizes),
             coordinate_transformation_mode=where, **options)


def _enlarge(make, name, shape):
    scales = [1, 1, *(make.whole(1, 2) for _ in shape[2:])]
    made = tuple(size * scale for size, scale in zip(shape, scales, strict=True))
    make.add("Resize", [name, "", make.constant(np.array(scales, np.float32))], made,
             mode=make.one_of(("nearest", "linear")))


#: What moves samples of any tensor, and what needs maps: (batch, channels, ...).
MOVES = (_transpose, _flatten, _reshape, _squeeze, _cut, _cut, _pad, _pad, _concat, _split,
         _gather, _repeat)
MAP_MOVES = (_depth, _resize, _enlarge)
