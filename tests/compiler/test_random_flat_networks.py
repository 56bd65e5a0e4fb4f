"""Random networks of nodes that see tensors as flat: passes, quantisation, lowering, memory."""

import random

import numpy as np
import pytest

from compiler.graph import Activation, Concat, Conv
from compiler.lower.lower import lower
from compiler.pipeline import simplify
from compiler.quantise import quantise
from compiler.serialise import decode_graph, encode_graph
from hdl.target import get_target
from sim import reference
from tests.compiler.flat_graphs import FlatGraph, maps
from tests.compiler.passes.test_passes import same
from tests.compiler.quantised import check_legal
from tests.run_functional import run_lowered


class Maker:
    """A random network in the making.

    Parameters
    ----------
    seed : int
        Decides everything.
    """

    def __init__(self, seed):
        self.rng = random.Random(seed)
        self.numbers = np.random.default_rng(seed)
        self.flat = FlatGraph({"x": (3, 4, 5), "z": (6, 2, 5)})

    def pick(self):
        names = [name for name, shape in self.flat.shapes.items() if np.prod(shape) < 2000]
        return self.rng.choice(names[-6:])

    def grow(self):
        """Add a node or two on a tensor that there is."""
        flat, rng, x = self.flat, self.rng, self.pick()
        shape = flat.shapes[x]
        match rng.randrange(9):
            case 0:
                flat.transpose(x, rng.sample(range(len(shape)), len(shape)))
            case 1:
                flat.gather(x, [self.index(size) for size in shape], rng.uniform(-1, 1))
            case 2 if shape and shape[0] > 1:
                cut = rng.randrange(1, shape[0])
                rest = [None] * (len(shape) - 1)
                flat.gather(x, [range(cut), *rest])
                flat.gather(x, [range(cut, shape[0]), *rest])
            case 3:
                axis = rng.randrange(len(shape)) if shape else None
                if axis is not None:
                    flat.concat([x, flat.transpose(x, range(len(shape))), x], axis)
            case 4:
                axes = rng.sample(range(len(shape)), rng.randint(0, len(shape)))
                count = int(np.prod([shape[axis] for axis in axes]))
                kind = rng.choice(("sum", "max", "min"))
                flat.reduce(kind, x, axes, 1 / count if kind == "sum" else 1.0)
            case 5:
                other = [size if rng.random() < 0.5 else 1 for size in shape]
                constant = flat.constant(self.numbers.uniform(-1, 1, other))
                pair = [x, constant] if rng.random() < 0.5 else [constant, x]
                flat.elementwise(rng.choice(("add", "sub", "mul", "max")), *pair)
            case 6:
                flat.elementwise("sub", x, flat.gather(x, [range(size)[::-1] for size in shape]))
            case 7:
                flat.node(Activation, [x], function=rng.choice(("relu", "tanh", "abs")))
            case 8 if len(shape) == 3:
                weights = self.numbers.normal(size=(2, shape[0], 1, 1)) / shape[0]
                y, z = (flat.add(Conv, [x], (2, *shape[1:]), weights=weights,
                                 bias=self.numbers.normal(size=2)) for _ in range(2))
                flat.add(Concat, [y, z], (4, *shape[1:]))

    def index(self, size):
        rng = self.rng
        return rng.choice((None, range(size)[::-1], [-1, *range(size)], [*range(size), -1, -1],
                           [rng.randrange(size) for _ in range(rng.randint(1, 4))]))

    def graph(self):
        """Return the graph, its last tensors and some other its outputs."""
        while len(self.flat.nodes) < self.rng.randint(4, 14):
            self.grow()
        made = [node.output for node in self.flat.nodes]
        return self.flat.graph(*dict.fromkeys([*made[-2:], self.rng.choice(made)]))


@pytest.mark.parametrize("seed", range(40))
def test_random_networks(seed):
    graph = same(Maker(seed).graph(), simplify)
    rng = np.random.default_rng(seed)
    quantised, summary = quantise(graph, {
        name: rng.uniform(-1, 1, (8, *graph.input_shapes[name][1:])) for name in graph.inputs})
    check_legal(quantised, summary)
    quantised = decode_graph(*encode_graph(quantised))
    inputs = {name: rng.integers(-32768, 32768, quantised.tensors[name].shape).astype(np.int16)
              for name in graph.inputs}
    wanted = reference.run(quantised, inputs)
    for target in ("tiny", "virtex6-lx240t"):
        lowered = lower(quantised, get_target(target))
        found = run_lowered(lowered, quantised, inputs, get_target(target))
        for name in graph.outputs:
            np.testing.assert_array_equal(found[name], wanted[name], err_msg=f"{target} {name}")


def test_shapes_of_any_rank_are_maps():
    assert [maps(shape) for shape in ((), (3,), (2, 3), (4, 2, 3), (5, 4, 2, 3))] \
        == [(1, 1, 1), (1, 1, 3), (1, 2, 3), (4, 2, 3), (20, 2, 3)]
