import numpy as np
import pytest

from compiler.errors import CompileError
from compiler.fixed import (
    ArgMax,
    Concat,
    Convolution,
    FixedGraph,
    Lookup,
    Reshape,
    Tensor,
    Upsample,
)
from compiler.lower.lower import lower
from compiler.tables import make_table
from hdl.target import get_target
from sim import reference
from tests.run_functional import run_lowered


class Network:
    """Builds a graph node by node; weights and samples are drawn from one seed."""

    def __init__(self, seed, **inputs):
        print("seed", seed)
        self.rng = np.random.default_rng(seed)
        self.nodes, self.inputs = [], inputs
        self.tensors = {name: Tensor(name, shape, 8) for name, shape in inputs.items()}

    def add(self, kind, reads, shape, **fields):
        name = f"t{len(self.nodes)}"
        self.nodes.append(kind(f"n{len(self.nodes)}", tuple(reads), name, name, **fields))
        self.tensors[name] = Tensor(name, shape, 8)
        return name

    def conv(self, source, maps, kernel=3):
        channels, rows, columns = self.tensors[source].shape
        pad = kernel // 2
        return self.add(Convolution, [source], (maps, rows, columns),
                        weights=self.rng.integers(-300, 300, (maps, channels, kernel, kernel)),
                        bias=self.rng.integers(-1 << 16, 1 << 16, maps),
                        shift=np.full(maps, 9), padding=(pad,) * 4)

    def upsample(self, source, down, across):
        channels, rows, columns = self.tensors[source].shape
        return self.add(Upsample, [source], (channels, rows * down, columns * across),
                        factors=(down, across))

    def concat(self, *sources):
        shapes = [self.tensors[name].shape for name in sources]
        return self.add(Concat, sources, (sum(shape[0] for shape in shapes), *shapes[0][1:]))

    def argmax(self, source):
        return self.add(ArgMax, [source], (1, *self.tensors[source].shape[1:]))

    def check(self, target, *outputs):
        """Compare all outputs of the lowered graph with the reference; return the program."""
        graph = FixedGraph(tuple(self.nodes), self.tensors, tuple(self.inputs), outputs)
        samples = {name: self.rng.integers(-32768, 32768, shape).astype(np.int16)
                   for name, shape in self.inputs.items()}
        lowered = lower(graph, get_target(target))
        got = run_lowered(lowered, graph, samples, get_target(target))
        expected = reference.run(graph, samples)
        for name in outputs:
            np.testing.assert_array_equal(got[name], expected[name])
        return lowered


TARGETS = ["tiny", "virtex6-lx240t"]


@pytest.mark.parametrize("target", TARGETS)
def test_three_scales_meet_in_one_tensor(target):
    net = Network(1, x=(2, 8, 12), y=(2, 4, 6), z=(2, 2, 3))
    parts = [net.conv("x", 3), net.upsample(net.conv("y", 3), 2, 2),
             net.upsample(net.conv("z", 3), 4, 4)]
    features = net.concat(*parts)
    labels = net.argmax(net.conv(features, 4, kernel=1))
    lowered = net.check(target, features, labels)
    # Enlargement is part of the drain, concatenation of the addresses: no step of their own.
    assert len(lowered.steps) == 5


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("factors", [(1, 3), (2, 1), (3, 2)])
def test_enlarges_what_memory_holds(target, factors):
    net = Network(2, x=(5, 4, 7))
    net.check(target, net.upsample("x", *factors))


def test_enlarges_behind_a_function():
    net = Network(3, x=(2, 6, 6))
    made = net.conv("x", 5)
    made = net.add(Lookup, [made], net.tensors[made].shape, function="tanh",
                   table=make_table("tanh", 12, 12))
    lowered = net.check("tiny", net.upsample(made, 2, 3))
    assert {step["layer"] for step in lowered.steps} == {"t0+t1+t2"}


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("maps", [1, 2, 9])
def test_arg_max(target, maps):
    net = Network(4, x=(maps, 5, 7))
    net.check(target, net.argmax("x"))


def test_inputs_and_shared_parts_are_copied():
    net = Network(5, x=(2, 5, 6), y=(1, 5, 6))
    made = net.conv("x", 3)
    first = net.concat("y", made, "x")
    second = net.concat(made, made, "y")
    net.check("tiny", first, second, made)


def test_concatenations_nest():
    net = Network(6, x=(2, 5, 6))
    inner = net.concat(net.conv("x", 2), net.conv("x", 1))
    outer = net.concat(net.conv("x", 2), inner)
    net.check("tiny", net.conv(outer, 2), inner)


def test_reshaped_parts():
    net = Network(7, x=(2, 4, 6))
    flat = net.add(Reshape, [net.conv("x", 2)], (4, 2, 6))
    both = net.concat(flat, net.add(Reshape, [net.conv("x", 1)], (2, 2, 6)))
    net.check("tiny", both)


def test_too_many_maps_to_number():
    net = Network(8, x=(40000, 1, 1))
    with pytest.raises(CompileError, match="^t0: 40000 maps exceed the 32768"):
        net.check("virtex6-lx240t", net.argmax("x"))
