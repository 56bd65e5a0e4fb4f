"""Whole networks on the whole machine: every bit of the RTL against the reference."""

import dataclasses
import random
import re

import numpy as np
import pytest

from compiler.compile import compile_model
from compiler.fixed import Convolution
from examples.lenet5 import data, evaluate
from hdl import verilog
from hdl.control.host_registers import HOST_REGISTER
from hdl.target import get_target
from host.compare import first_difference
from host.device import open_device
from host.driver import Driver
from host.transports.simulation import SimulationTransport
from sim import reference
from sim.rtl.machine import Machine
from tests.graph_programs import graph_program
from tests.random_layers import one_convolution, pooled_convolution, random_layer

TARGET = get_target("tiny")
DIGITS = 20
LAYERS = 200


@pytest.fixture(scope="module")
def program():
    """Return LeNet-5 for `tiny`."""
    return compile_model(evaluate.MODEL, TARGET.name, data.calibration())


@pytest.fixture(scope="module")
def expected(program):
    """Return the reference's samples for all test digits, as one array a digit."""
    images, _ = data.load_test()
    with open_device(program, "reference") as device:
        return device.run({data.INPUT_NAME: images}, raw=True)


@pytest.fixture
def device():
    """Return the simulated machine, fresh from reset."""
    with open_device(TARGET, "rtl") as device:
        yield device


def digit(index):
    """Return the input of one test digit."""
    images, _ = data.load_test()
    return {data.INPUT_NAME: images[index:index + 1]}


def of_digit(expected, index):
    """Return the reference's outputs for one test digit."""
    return {name: array[index:index + 1] for name, array in expected.items()}


@pytest.mark.rtl
def test_lenet5_on_the_rtl_equals_the_reference(program, expected, device):
    images, labels = data.load_test()
    device.load(program)
    outputs = device.run({data.INPUT_NAME: images[:DIGITS]}, raw=True)
    wanted = {name: array[:DIGITS] for name, array in expected.items()}
    assert first_difference(wanted, outputs) is None
    assert np.mean(outputs[data.OUTPUT_NAME].argmax(axis=1) == labels[:DIGITS]) >= 0.9


def test_16_bits_lose_no_accuracy(expected):
    images, labels = data.load_test()
    exact = evaluate.classify(evaluate.MODEL, images).argmax(axis=1) == labels
    fixed = expected[data.OUTPUT_NAME].argmax(axis=1) == labels
    assert abs(100 * exact.mean() - 100 * fixed.mean()) <= 0.3


@pytest.mark.rtl
def test_no_state_is_left_from_program_to_program(program, expected, device):
    layer = random_layer(11, shape="conv_lookup_pool")
    other = graph_program(layer.graph, TARGET)
    alone = reference.run(layer.graph, layer.inputs)
    wanted = {name: alone[name] for name in layer.graph.outputs}
    for first in ("lenet5", "lenet5", "other", "other", "lenet5"):
        if first == "lenet5":
            device.load(program)
            for index in (0, 0, 1):
                outputs = device.run(digit(index), raw=True)
                assert first_difference(of_digit(expected, index), outputs) is None
        else:
            device.load(other)
            assert first_difference(wanted, device.run_samples(layer.inputs)) is None


@pytest.mark.rtl
def test_a_reset_at_any_cycle_leaves_nothing_behind(program, expected, device):
    seed = 3
    rng = random.Random(seed)
    device.load(program)
    device.run(digit(0), raw=True)
    cycles = device.counters()["cycles"]
    for _ in range(6):
        moment = rng.randrange(1, cycles)
        print(f"seed {seed}: reset in cycle {moment} of {cycles}")
        device.machine.write32(HOST_REGISTER["PROGRAM"].address,
                               program.manifest["program_address"])
        device.machine.write32(HOST_REGISTER["CONTROL"].address, 1)
        device.machine.run(moment)
        device.machine.reset()
        device.load(program)
        outputs = device.run(digit(1), raw=True)
        assert first_difference(of_digit(expected, 1), outputs) is None, moment


@pytest.mark.rtl
def test_random_layers_on_the_rtl_equal_the_reference(device):
    for seed in range(LAYERS):
        layer = random_layer(seed)
        print(layer)
        wanted = reference.run(layer.graph, layer.inputs)
        device.load(graph_program(layer.graph, TARGET))
        outputs = device.run_samples(layer.inputs)
        difference = first_difference({name: wanted[name] for name in layer.graph.outputs},
                                      outputs)
        assert difference is None, f"{layer}: {difference}"


@pytest.mark.rtl
@pytest.mark.parametrize("layer", [
    one_convolution((300, 9, 9), 2, (5, 5), (2, 2), (2, 2, 2, 2)),
    one_convolution((2, 4, 600), 3, (3, 3), padding=(1, 1, 1, 1)),
    one_convolution((1, 2, 3000), 2, (1, 1)),
    pooled_convolution((1, 42, 42), 2, (3, 3), (0, 0, 0, 0), (40, 40))],
    ids=["padded in memory", "columns", "more blocks than the table", "window apart"])
def test_layers_that_exceed_a_limit_on_the_rtl(device, layer):
    wanted = reference.run(layer.graph, layer.inputs)
    device.load(graph_program(layer.graph, TARGET))
    outputs = device.run_samples(layer.inputs)
    assert first_difference({name: wanted[name] for name in layer.graph.outputs}, outputs) is None


def test_the_comparison_finds_one_bit_of_the_expected_output(expected):
    altered = {name: array.copy() for name, array in expected.items()}
    altered[data.OUTPUT_NAME][7, 3] ^= 1
    difference = first_difference(altered, expected)
    right = int(expected[data.OUTPUT_NAME][7, 3])
    assert str(difference) == (f"output 'logits' at [7, 3]: expected {right ^ 1}, got {right}; "
                               f"1 of {expected[data.OUTPUT_NAME].size} values differ")


def names_the_place(difference, expected, outputs):
    """Check that a difference names output, position and both values."""
    assert difference is not None
    name, position = difference.output, difference.position
    assert difference.expected == expected[name][position]
    assert difference.actual == outputs[name][position]
    for part in (repr(name), str(list(position)), f"expected {difference.expected}",
                 f"got {difference.actual}"):
        assert part in str(difference)


def flip_weight(program):
    """Return the program with one bit flipped in its image: of a weight of the last layer."""
    conv = [node for node in program.graph.nodes if isinstance(node, Convolution)][-1]
    weights = conv.weights.copy()
    weights[4, 3, 0, 0] ^= 1 << 12
    changed = dataclasses.replace(conv, weights=weights)
    graph = dataclasses.replace(program.graph, nodes=tuple(
        changed if node is conv else node for node in program.graph.nodes))
    image = graph_program(graph, TARGET).image
    before, after = (np.frombuffer(one, np.uint8) for one in (program.image, image))
    assert int(np.bitwise_count(before ^ after).sum()) == 1
    return dataclasses.replace(program, image=image)


@pytest.mark.rtl
def test_the_comparison_finds_one_bit_of_a_weight(program, expected, device):
    device.load(flip_weight(program))
    outputs = device.run(digit(0), raw=True)
    difference = first_difference(of_digit(expected, 0), outputs)
    names_the_place(difference, of_digit(expected, 0), outputs)
    assert (difference.output, difference.position) == (data.OUTPUT_NAME, (0, 4))


@pytest.mark.rtl
@pytest.mark.slow
def test_the_comparison_finds_one_register_of_the_verilog(program, expected):
    texts = verilog.generate(TARGET)
    # A register of the mapper that holds a word of its table: one bit of it inverted.
    broken, count = re.subn(r"(<= read__data\[63:32\]);", r"\1 ^ 32'h00100000;",
                            texts["neuflow_mapper.v"])
    assert count == 1
    machine = Machine({**texts, "neuflow_mapper.v": broken}, memory=TARGET.memory,
                      clock_hz=TARGET.clock_hz, data_width=TARGET.data_width)
    with machine:
        driver = Driver(SimulationTransport(machine), target=TARGET)
        driver.load(program)
        images = digit(0)[data.INPUT_NAME]
        tensor = program.graph.tensors[data.INPUT_NAME]
        samples = np.floor(np.ldexp(images[0].astype(float), tensor.fraction) + 0.5)
        outputs = driver.run({data.INPUT_NAME: samples.astype(np.int16)})
    outputs = {name: array.reshape(1, -1) for name, array in outputs.items()}
    names_the_place(first_difference(of_digit(expected, 0), outputs), of_digit(expected, 0),
                    outputs)
