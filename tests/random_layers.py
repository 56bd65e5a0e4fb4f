"""Random layers as fixed-point graphs, each from one seed: for the simulators and the RTL."""

import random
from dataclasses import dataclass

import numpy as np

from compiler.fixed import (
    Convolution,
    Elementwise,
    FixedGraph,
    Lookup,
    LookupTable,
    Pool,
    Reshape,
    Tensor,
)
from tests.random_flat import FLAT, random_flat

#: What `random_layer` makes, by name.
SHAPES = ("conv", "conv", "conv", "conv_lookup", "conv_pool", "conv_lookup_pool",
          "conv_pool_lookup", "grouped", "depthwise", "dense", "pool", "lookup", "add",
          "add_lookup", "chain", *FLAT)


@dataclass(frozen=True)
class Layer:
    """A graph, its inputs, and what to say when it fails."""

    seed: int
    shape: str
    graph: FixedGraph
    inputs: dict

    def __str__(self):
        nodes = ", ".join(
            f"{type(node).__name__} "
            f"{','.join(str(self.graph.tensors[name].shape) for name in node.inputs)}->"
            f"{self.graph.tensors[node.output].shape}"
            + (f" k{node.weights.shape} s{node.stride} p{node.padding} g{node.groups}"
               if isinstance(node, Convolution) else "")
            + (f" {node.kind} w{node.window} s{node.stride} p{node.padding}"
               if isinstance(node, Pool) else "")
            for node in self.graph.nodes)
        return f"seed {self.seed} ({self.shape}): {nodes}"


class _Builder:
    """Builds a graph node by node."""

    def __init__(self, rng):
        self.rng = rng
        self.numbers = np.random.default_rng(rng.randrange(1 << 32))
        self.tensors, self.nodes, self.inputs, self.scales = {}, [], {}, {}

    def tensor(self, shape):
        name = f"t{len(self.tensors)}"
        self.tensors[name] = Tensor(name, tuple(shape), 8)
        return name

    def input(self, shape):
        name = self.tensor(shape)
        scale = self.rng.choice((300, 3000, 32767))
        values = self.numbers.integers(-scale - 1, scale + 1, shape)
        self.inputs[name] = values.astype(np.int16)
        self.scales[name] = scale
        return name

    def node(self, make, inputs, shape, **values):
        output = self.tensor(shape)
        name = f"n{len(self.nodes)}"
        self.nodes.append(make(name, tuple(inputs), output, f"layer_{name}", **values))
        return output

    def conv(self, source, maps, kernel, stride=(1, 1), padding=(0, 0, 0, 0), groups=1):
        channels, rows, columns = self.tensors[source].shape
        inputs = channels // groups
        taps = inputs * kernel[0] * kernel[1]
        # No sum may leave 36 bits: |bias| + taps * |w| * 2**15 < 2**35.
        largest = min(32767, (1 << 34) // (taps << 15))
        largest = self.rng.choice((largest, max(1, largest // 100)))
        weights = self.numbers.integers(-largest - 1, largest + 1, (maps, inputs, *kernel))
        # Typical sums end at a quarter of full scale, some beyond it.
        typical = largest * self.scales.get(source, 10000) * taps ** 0.5 / 3
        bias = self.numbers.integers(-int(typical) - 1, int(typical) + 1, maps)
        shift = np.clip(int(typical).bit_length() - 13 + self.numbers.integers(-2, 5, maps), 0, 35)
        made = [(size + before + after - length) // step + 1
                for size, before, after, length, step in zip(
                    (rows, columns), padding[:2], padding[2:], kernel, stride, strict=True)]
        return self.node(Convolution, [source], (maps, *made), weights=weights, bias=bias,
                         shift=shift, stride=stride, padding=padding, groups=groups)

    def lookup(self, source):
        return self.node(Lookup, [source], self.tensors[source].shape, function="random",
                         table=_random_table(self.rng))

    def pool(self, source, window, stride, padding=(0, 0, 0, 0)):
        channels, rows, columns = self.tensors[source].shape
        made = [(size + before + after - length) // step + 1
                for size, before, after, length, step in zip(
                    (rows, columns), padding[:2], padding[2:], window, stride, strict=True)]
        kind = self.rng.choice(("max", "average"))
        return self.node(Pool, [source], (channels, *made), kind=kind, window=window,
                         stride=stride, padding=padding,
                         count_include_pad=self.rng.random() < 0.5)

    def add(self, a, b):
        return self.node(Elementwise, [a, b], self.tensors[a].shape, operation="add",
                         shift_a=self.rng.randrange(4), shift_b=self.rng.randrange(4),
                         shift=self.rng.randrange(4))

    def constant(self, source):
        operation = self.rng.choice(("add", "sub", "max", "min", "mul", "div"))
        aligned = operation not in ("mul", "div")
        shifts = [self.rng.randrange(4) if aligned else 0 for _ in range(2)]
        return self.node(Elementwise, [source], self.tensors[source].shape, operation=operation,
                         shift_a=shifts[0], shift_b=shifts[1], shift=self.rng.randrange(8),
                         constant=self.rng.randint(-32768, 32767))

    def graph(self, output):
        return FixedGraph(tuple(self.nodes), self.tensors, tuple(self.inputs), (output,),
                          {name: (1, *self.tensors[name].shape) for name in self.inputs},
                          {output: (1, *self.tensors[output].shape)})


def _random_table(rng):
    logarithmic = rng.random() < 0.3
    count = 208 if logarithmic else 64
    low = -32768 if rng.random() < 0.5 else rng.randrange(-20000, 0)
    return LookupTable(
        low=low, high=rng.randrange(1000, 32768), origin=-32768, logarithmic=logarithmic,
        segment_shift=10, square_shift=rng.randrange(4, 10), shift=rng.randrange(8, 20),
        a=tuple(rng.randrange(-32768, 32768) for _ in range(count)),
        b=tuple(rng.randrange(-32768, 32768) for _ in range(count)),
        c=tuple(rng.randrange(-(1 << 31), 1 << 31) for _ in range(count)))


def _geometry(rng, most_size):
    """Return size, kernel, stride and padding of a convolution that makes an output."""
    while True:
        kernel = rng.randint(1, 7), rng.randint(1, 7)
        stride = rng.choice((1, 1, 1, 2, 3)), rng.choice((1, 1, 1, 2, 3))
        padding = tuple(rng.choice((0, 0, 1, 2, 3, -1)) for _ in range(4))
        size = [rng.choice((taps, taps + 1, rng.randint(1, most_size), rng.randint(1, most_size)))
                for taps in kernel]
        if all(length + before + after >= taps and length + min(before, 0) + min(after, 0) > 0
               for length, before, after, taps in zip(
                   size, padding[:2], padding[2:], kernel, strict=True)):
            return size, kernel, stride, padding


def _window(rng, size, padded):
    window = tuple(rng.randint(1, min(3, length)) for length in size)
    stride = tuple(rng.randint(1, 3) for _ in size)
    padding = tuple(rng.randint(0, length - 1) for length in (*window, *window)) if padded else \
        (0, 0, 0, 0)
    return window, stride, padding


def _convolution(build, rng, shape, most_size, most_maps):
    size, kernel, stride, padding = _geometry(rng, most_size)
    inputs, maps, groups = rng.randint(1, most_maps), rng.randint(1, most_maps), 1
    if shape == "grouped":
        groups = rng.randint(2, 4)
        inputs, maps = groups * rng.randint(1, 3), groups * rng.randint(1, 4)
    if shape == "depthwise":
        inputs = groups = maps = rng.randint(2, 2 * most_maps)
    value = build.conv(build.input((inputs, *size)), maps, kernel, stride, padding, groups)
    for post in shape.split("_")[1:]:
        if post == "lookup":
            value = build.lookup(value)
        else:
            value = build.pool(value, *_window(rng, build.tensors[value].shape[1:], False))
    return value


def _dense(build, rng, most_maps):
    shape = (rng.randint(1, 2 * most_maps), rng.randint(1, 4), rng.randint(1, 4))
    value = build.input(shape)
    maps = rng.randint(1, 4 * most_maps)
    if rng.random() < 0.5:
        flat = (shape[0] * shape[1] * shape[2], 1, 1)
        value = build.node(Reshape, [value], flat)
        return build.conv(value, maps, (1, 1))
    return build.conv(value, maps, shape[1:])


def _chain(build, rng, most_size, most_maps):
    """Two convolutions, the second on a map that is read again by an addition."""
    channels = rng.randint(1, most_maps)
    size = rng.randint(3, most_size), rng.randint(3, most_size)
    value = build.input((channels, *size))
    first = build.lookup(build.conv(value, channels, (3, 3), padding=(1, 1, 1, 1)))
    second = build.conv(first, channels, (1, 1))
    return build.pool(build.add(first, second), *_window(rng, size, True))


def lenet5(seed=1):
    """Return a `Layer` of LeNet-5's shape with random weights and tables."""
    build = _Builder(random.Random(seed))
    value = build.input((1, 32, 32))
    for maps in (6, 12):
        value = build.lookup(build.conv(value, maps, (5, 5)))
        value = build.pool(value, (2, 2), (2, 2))
    value = build.lookup(build.conv(value, 100, (5, 5)))
    return Layer(seed, "lenet5", build.graph(build.conv(value, 10, (1, 1))), build.inputs)


def one_convolution(shape, maps, kernel, stride=(1, 1), padding=(0, 0, 0, 0), groups=1, seed=1):
    """Return the `Layer` of one convolution over a random map of ``shape``."""
    build = _Builder(random.Random(seed))
    value = build.conv(build.input(shape), maps, kernel, stride, padding, groups)
    return Layer(seed, "conv", build.graph(value), build.inputs)


def pooled_convolution(shape, maps, kernel, padding, window, seed=1):
    """Return the `Layer` of a convolution, a table, and a pooling whose windows meet."""
    build = _Builder(random.Random(seed))
    value = build.lookup(build.conv(build.input(shape), maps, kernel, padding=padding))
    return Layer(seed, "conv_lookup_pool", build.graph(build.pool(value, window, window)),
                 build.inputs)


def random_layer(seed, *, shape=None, most_size=17, most_maps=6):
    """Return the `Layer` of a seed.

    Parameters
    ----------
    seed : int
        Same seed, same layer.
    shape : str or None
        One of `SHAPES`, or "constant"; drawn from `SHAPES` by the seed when None.
    most_size, most_maps : int
        About the largest rows, columns and maps.
    """
    rng = random.Random(seed)
    drawn = rng.choice(SHAPES)
    shape = shape or drawn
    build = _Builder(rng)
    size = [rng.randint(1, most_size), rng.randint(1, most_size)]
    source = (rng.randint(1, most_maps), *size)
    if shape == "dense":
        value = _dense(build, rng, most_maps)
    elif shape == "pool":
        value = build.pool(build.input(source), *_window(rng, size, rng.random() < 0.7))
    elif shape == "lookup":
        value = build.lookup(build.input(source))
    elif shape == "constant":
        value = build.lookup(build.constant(build.input(source)))
    elif shape.startswith("add"):
        value = build.add(build.input(source), build.input(source))
        if shape == "add_lookup":
            value = build.lookup(value)
    elif shape in FLAT:
        value = random_flat(build, rng, shape)
    elif shape == "chain":
        value = _chain(build, rng, most_size, most_maps)
    else:
        value = _convolution(build, rng, shape, most_size, most_maps)
    return Layer(seed, shape, build.graph(value), build.inputs)
