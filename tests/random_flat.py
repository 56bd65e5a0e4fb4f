"""Random moves, broadcasts and reductions, for `tests.random_layers`."""

import math

from compiler.boxes import (
    broadcast_walks,
    concat_boxes,
    gather_boxes,
    reduce_walk,
    transpose_box,
)
from compiler.fixed import Constant, Elementwise, Move, Reduce

__all__ = ["FLAT", "random_flat"]


def _maps(shape):
    """Return (channels, rows, columns) of a tensor of any shape."""
    full = (1, 1, 1, *shape)
    return (math.prod(full[:-2]), *full[-2:])


def _shape(rng, most=5, rank=6):
    """Return a shape of up to ``rank`` dimensions, small but for one of them at times."""
    shape = [rng.randint(1, most) for _ in range(rng.randint(1, rank))]
    if rng.random() < 0.5:
        shape[rng.randrange(len(shape))] *= rng.randint(1, 8)
    return tuple(shape)


def _constant(build, rng, shape):
    scale = rng.choice((300, 32767))
    values = build.numbers.integers(-scale - 1, scale + 1, _maps(shape)).astype("int16")
    return build.node(Constant, [], _maps(shape), values=values)


def _index(rng, size):
    """Return what one dimension of a gather takes."""
    first, last = sorted(rng.choices(range(size), k=2))
    return rng.choice((
        None, list(range(first, last + 1)), list(range(size))[::-1], list(range(size)) * 2,
        list(range(0, size, 2)), [index // 2 for index in range(2 * size)],
        [-1] * rng.randrange(3) + list(range(size)) + [-1] * rng.randint(0, 2),
        [rng.randrange(-1, size) for _ in range(rng.randint(1, 4))],
        [2 * index // 3 for index in range(3 * size // 2)] or None))


def _gather(build, rng):
    shape = _shape(rng, 4, 4)
    indices = [_index(rng, size) for size in shape]
    made = [size if index is None else len(index)
            for size, index in zip(shape, indices, strict=True)]
    return build.node(Move, [build.input(_maps(shape)), _constant(build, rng, (1,))], _maps(made),
                      boxes=gather_boxes(shape, indices))


def _transpose(build, rng):
    shape = _shape(rng)
    order = rng.sample(range(len(shape)), len(shape))
    return build.node(Move, [build.input(_maps(shape))],
                      _maps([shape[axis] for axis in order]), boxes=(transpose_box(shape, order),))


def _join(build, rng):
    """Inputs, constants and what is computed, joined along any dimension."""
    shape = _shape(rng, 4, 4)
    axis = rng.randrange(len(shape))
    names, shapes = [], []
    for _ in range(rng.randint(1, 4)):
        shapes.append((*shape[:axis], rng.randint(1, 6), *shape[axis + 1:]))
        made = rng.choice((build.input, lambda maps: build.lookup(build.input(maps)),
                           lambda maps: _constant(build, rng, maps)))
        names.append(made(_maps(shapes[-1])))
    # One of them twice.
    names, shapes = [*names, names[0]], [*shapes, shapes[0]]
    total = (*shape[:axis], sum(one[axis] for one in shapes), *shape[axis + 1:])
    if not build.inputs:
        return _join(build, rng)
    return build.node(Move, names, _maps(total), boxes=concat_boxes(shapes, axis))


def _view(build, rng):
    """Parts of a tensor that are views of it, joined again in another order."""
    shape = (rng.randint(2, 6), rng.randint(1, 4), rng.randint(1, 5))
    source = build.lookup(build.input(shape)) if rng.random() < 0.5 else build.input(shape)
    cut = rng.randrange(1, shape[0])
    parts = [list(range(cut)), list(range(cut, shape[0]))]
    views = [build.node(Move, [source], (len(part), *shape[1:]),
                        boxes=gather_boxes(shape, [part, None, None])) for part in parts]
    shapes = [build.tensors[name].shape for name in views]
    return build.node(Move, views[::-1], shape, boxes=concat_boxes(shapes[::-1], 0))


def _operands(build, rng, shape):
    """Return two tensors that broadcast to ``shape``, and their shapes."""
    names, shapes = [], []
    for index in range(2):
        one = [size if rng.random() < 0.6 else 1 for size in shape]
        one = tuple(one[rng.randrange(len(one)):])
        if index and not build.inputs:
            names.append(build.input(_maps(one)))
        else:
            names.append(build.input(_maps(one)) if rng.random() < 0.7
                         else _constant(build, rng, one))
        shapes.append(one)
    return names, shapes


def _broadcast(build, rng, shape):
    names, shapes = _operands(build, rng, shape)
    operation = rng.choice(("add", "sub", "max", "min", "mul", "div"))
    aligned = operation not in ("mul", "div")
    counts, reads = broadcast_walks(shape, *shapes)
    return build.node(
        Elementwise, names, _maps(shape), operation=operation, counts=counts, reads=reads,
        shift_a=rng.randrange(4) if aligned else 0, shift_b=rng.randrange(4) if aligned else 0,
        shift=rng.randrange(12 if operation == "mul" else 8))


def _reduce(build, rng, source, shape, axes):
    kind = rng.choice(("sum", "sum", "max", "min", "argmax"))
    kept, reduced, read = reduce_walk(shape, axes)
    scaled = {"factor": rng.randint(1, 32767), "shift": rng.randrange(8, 24)} \
        if kind == "sum" else {}
    made = [size for axis, size in enumerate(shape) if axis not in axes]
    return build.node(Reduce, [source], _maps(made), kind=kind, kept=kept, reduced=reduced,
                      read=read, **scaled)


def random_flat(build, rng, shape):
    """Return the output of random nodes of one of the kinds in `FLAT`."""
    kind, *posts = shape.split("_")
    if kind == "reduce":
        size = _shape(rng, 6, 5)
        axes = rng.sample(range(len(size)), rng.randint(1, len(size)))
        value = _reduce(build, rng, build.input(_maps(size)), size, axes)
    elif kind == "broadcast":
        size = _shape(rng)
        value = _broadcast(build, rng, size)
        if posts[:1] == ["reduce"]:
            inner = rng.randint(1, len(size))
            value = _reduce(build, rng, value, size, range(len(size) - inner, len(size)))
    else:
        value = {"gather": _gather, "join": _join, "transpose": _transpose,
                 "view": _view}[kind](build, rng)
    return build.lookup(value) if posts[-1:] == ["lookup"] else value


#: What `random_flat` makes, by name.
FLAT = ("gather", "gather", "gather_lookup", "join", "transpose", "transpose_lookup", "view",
        "broadcast", "broadcast", "broadcast_lookup", "broadcast_reduce",
        "broadcast_reduce_lookup", "reduce", "reduce", "reduce_lookup")
