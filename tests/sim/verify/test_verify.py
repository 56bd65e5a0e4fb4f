import dataclasses
import importlib
import json

import numpy as np
import pytest
from onnx import helper
from typer.testing import CliRunner

from compiler.compile import compile_fixed, compile_model
from compiler.fixed import Constant, Convolution, Reshape
from examples.lenet5 import data, evaluate
from hdl.target import get_target
from host import cli
from sim import reference
from sim.verify import verify_program
from sim.verify.accumulators import LIMIT, nearest_input, nearest_sums
from sim.verify.ranges import tensor_ranges
from tests.host import models
from tests.random_layers import SHAPES, lenet5, random_layer
from tests.sim.verify.mutations import changed_register

TINY = get_target("tiny")


@pytest.fixture(scope="module")
def lenet():
    return compile_model(evaluate.MODEL, "tiny", data.calibration())


def _graph(program, **changes):
    """Return a copy of a program's graph in which convolution 'conv2' is another."""
    nodes = tuple(dataclasses.replace(node, **changes) if node.layer == "conv2" else node
                  for node in program.graph.nodes)
    return dataclasses.replace(program.graph, nodes=nodes)


def _conv(graph):
    return next(node for node in graph.nodes
                if isinstance(node, Convolution) and node.layer == "conv2")


@pytest.mark.parametrize("shape", sorted(SHAPES))
def test_random_programs_are_proved(shape):
    for seed in range(3000, 3006):
        layer = random_layer(seed, shape=shape)
        print(layer)
        for target in (TINY, get_target("virtex6-lx240t"))[:1 + (seed % 3 == 0)]:
            verdict = verify_program(compile_fixed(layer.graph, target))
            # Random tables stand for no function.
            assert all("layer_n" in fault and "table of random cannot be checked" in fault
                       for fault in verdict.faults), verdict.faults


def test_a_whole_network_is_proved(lenet):
    verdict = verify_program(lenet)
    assert verdict.proved, verdict.faults
    assert [one.layer for one in verdict.sums] == ["conv1", "conv2", "conv3", "fc"]
    claims = lenet.manifest["certificates"]["accumulators"]
    for one, claim in zip(verdict.sums, claims, strict=True):
        assert abs(one.sum) <= one.partial <= claim["bound"] < LIMIT


def test_ranges_hold_for_random_inputs_and_are_reached():
    for seed in range(40):
        layer = random_layer(seed)
        values, ranges = reference.run(layer.graph, layer.inputs), tensor_ranges(layer.graph)
        for name, array in values.items():
            low, high = ranges[name]
            assert low <= array.min() and array.max() <= high, (str(layer), name)


def test_the_nearest_input_makes_the_nearest_sum(lenet):
    for one in nearest_sums(lenet.graph):
        node = next(node for node in lenet.graph.nodes if node.name == one.node)
        samples = nearest_input(node, one).astype(np.int64)
        made = int((samples * node.weights[one.map]).sum() + node.bias[one.map])
        assert made == one.sum
        low, high = one.range
        assert min(low, 0) <= samples.min() and samples.max() <= max(high, 0)
        # No other samples make a larger one.
        other = np.random.default_rng(1).integers(low, high + 1, (200, *samples.shape))
        sums = (other[:, None] * node.weights[None]).sum((2, 3, 4)) + node.bias
        assert np.abs(sums).max() <= abs(one.sum)


def test_weights_that_overflow_are_found_in_graph_and_image(lenet):
    weights = np.full_like(_conv(lenet.graph).weights, 32767)
    graph = _graph(lenet, weights=weights)
    verdict = verify_program(dataclasses.replace(lenet, graph=graph))
    assert any(fault.startswith("layer conv2: partial sums reach") for fault in verdict.faults)
    assert any("bias, shift and weights of slot 0 are those of no map of conv2" in fault
               for fault in verdict.faults)
    # The image overflows, the graph does not.
    damaged = compile_fixed(graph, TINY)
    verdict = verify_program(dataclasses.replace(damaged, graph=lenet.graph))
    assert any("leaves the 36 bits of an accumulator" in fault for fault in verdict.faults)
    assert not any(fault.startswith("layer conv2: partial") for fault in verdict.faults)


def test_tensors_at_one_place_are_found(monkeypatch):
    graph = lenet5(1).graph
    # The package names its function as the module is called.
    lowering = importlib.import_module("compiler.lower.lower")
    monkeypatch.setattr(lowering, "allocate", lambda sizes, spans, unit: (
        dict.fromkeys(sizes, 0), max(sizes.values())))
    monkeypatch.setattr(lowering, "verify_allocation", lambda lowered, graph: None)
    faults = verify_program(compile_fixed(graph, TINY)).faults
    assert any("which the step reads, too" in fault for fault in faults)
    assert any(fault.startswith("certificate: tensors") for fault in faults)


def test_a_reshaped_constant_may_stand_in_the_image():
    """Slopes by column become the second operand of a product, which has its samples in a row."""
    nodes = [helper.make_node("Conv", ["image", "weight"], ["sums"], kernel_shape=[1]),
             helper.make_node("PRelu", ["sums", "slopes"], ["out"])]
    proto = models.model(nodes, {"weight": [[[0.5]]], "slopes": [[[-0.2, -0.9]]]},
                         shape=(1, 1, 2), output_shape=(1, 1, 2))
    program = compile_model(proto, "tiny")
    views = [node for node in program.graph.nodes if isinstance(node, Reshape)
             and any(isinstance(maker, Constant) and maker.output in node.inputs
                     for maker in program.graph.nodes)]
    assert views
    verdict = verify_program(program)
    assert verdict.proved, verdict.faults


def test_a_tensor_that_dies_too_early_is_found(monkeypatch):
    """Three layers in a row, and a sum that reads the first one's output again."""
    lowering = importlib.import_module("compiler.lower.lower")

    def short(stages, sharing, inputs, outputs):
        spans = lifetimes(stages, sharing, inputs, outputs)
        return {name: (first, first) if name not in (*inputs, *outputs) else (first, last)
                for name, (first, last) in spans.items()}

    lifetimes = lowering.lifetimes
    nodes = [helper.make_node("AveragePool", ["image"], ["a"], kernel_shape=[3, 3],
                              strides=[1, 1], pads=[1, 1, 1, 1]),
             *(helper.make_node("AveragePool", [source], [output], kernel_shape=[3, 3],
                                strides=[1, 1], pads=[1, 1, 1, 1])
               for source, output in (("a", "b"), ("b", "c"), ("c", "d"))),
             helper.make_node("Add", ["a", "d"], ["out"])]
    proto = models.model(nodes, {}, output_shape=(1, 1, 6, 6))
    assert verify_program(compile_model(proto)).proved
    monkeypatch.setattr(lowering, "lifetimes", short)
    monkeypatch.setattr(lowering, "verify_allocation", lambda lowered, graph: None)
    faults = verify_program(compile_model(proto)).faults
    assert any("reads tensor" in fault and "where it needs" in fault for fault in faults), faults


PORT = TINY.tiles


@pytest.mark.parametrize(("change", "fault"), [
    ((0, PORT, "write", "base", lambda base: base + 1), "port 0 writes"),
    ((0, PORT, "write", "base", lambda base: 8), "port 0 writes 0x10, outside of"),
    ((1, PORT, "read_table", "base", lambda base: base + 4000), "port 0 reads nothing at"),
    ((0, PORT, "write", "count", lambda count: count - 1, 0), "waits for"),
    ((0, 0, "convolver", "entries", lambda entries: entries + 1), "waits for"),
    ((0, 0, "router", "source", lambda source: 0, 4), "waits for dma, which nothing feeds"),
])
def test_a_changed_register_is_found(lenet, change, fault):
    faults = verify_program(changed_register(lenet, *change)).faults
    assert any(fault in one for one in faults), faults


def test_a_damaged_image_is_found(lenet):
    image = bytearray(lenet.image)
    image[-20] ^= 1
    faults = verify_program(dataclasses.replace(lenet, image=bytes(image))).faults
    assert any("the machine would refuse the image" in fault for fault in faults)


@pytest.mark.parametrize(("change", "fault"), [
    (lambda claims: claims["accumulators"].pop(0), "no certificate for its accumulators"),
    (lambda claims: claims["accumulators"][1].update(range=[-1, 1]), "takes samples for"),
    (lambda claims: claims["accumulators"][1].update(bound=5), "bounds sums by 5"),
    (lambda claims: claims["memory"].pop(), "no block of memory is claimed"),
    (lambda claims: claims["memory"][0].update(bytes=1 << 20), "overlap while both are live"),
])
def test_a_certificate_that_does_not_hold(lenet, change, fault):
    manifest = json.loads(json.dumps(lenet.manifest))
    change(manifest["certificates"])
    faults = verify_program(dataclasses.replace(lenet, manifest=manifest)).faults
    assert faults and any(fault in one for one in faults), faults


def test_the_command(lenet, tmp_path):
    lenet.save(tmp_path / "lenet5.neuflow")
    run = CliRunner().invoke(cli.app, ["verify", str(tmp_path / "lenet5.neuflow")])
    assert run.exit_code == 0 and "proved for tiny. No sum can leave" in run.stdout
    told = json.loads(CliRunner().invoke(
        cli.app, ["verify", str(tmp_path / "lenet5.neuflow"), "--json"]).stdout)
    assert told["proved"] and told["sums"][1]["layer"] == "conv2"
    manifest = json.loads(json.dumps(lenet.manifest))
    manifest["certificates"]["accumulators"].clear()
    dataclasses.replace(lenet, manifest=manifest).save(tmp_path / "bad.neuflow")
    run = CliRunner().invoke(cli.app, ["verify", str(tmp_path / "bad.neuflow")])
    assert run.exit_code == 1 and "NOT proved, 4 faults" in run.stdout
