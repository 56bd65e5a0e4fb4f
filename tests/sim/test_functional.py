import dataclasses
import struct

import numpy as np
import pytest

from compiler.lower import lower
from compiler.lower.packets import encode_packet
from hdl.registers import FIFO_MODES, OPERATIONS
from hdl.target import get_target
from sim.functional import FunctionalError, FunctionalMachine
from sim.functional.convolver import convolve
from sim.functional.units import Endless, fifo, operate
from sim.reference import run
from tests.golden import arithmetic
from tests.random_layers import SHAPES, lenet5, random_layer
from tests.run_functional import run_lowered, tensor_of

TINY = get_target("tiny")


def _machine(lowered):
    machine = FunctionalMachine(TINY)
    machine.load(0, lowered.image)
    return machine


@pytest.mark.parametrize("seed", range(2000, 2040, 10))
def test_several_images_at_a_time(seed):
    for offset in range(10):
        layer = random_layer(seed + offset)
        print(layer)
        lowered, rng = lower(layer.graph, TINY), np.random.default_rng(seed)
        images = [{name: rng.permutation(values.ravel()).reshape(values.shape)
                   for name, values in layer.inputs.items()} for _ in range(3)]
        inputs = [(lowered.tensors[name], np.stack([image[name] for image in images]))
                  for name in layer.graph.inputs]
        outputs = [(lowered.tensors[name], layer.graph.tensors[name].shape)
                   for name in layer.graph.outputs]
        machine = _machine(lowered)
        before = machine.memory.copy()
        chunk, = machine.run_images(machine.prepare(), inputs, outputs)
        np.testing.assert_array_equal(machine.memory, before)
        for index, image in enumerate(images):
            wanted = run(layer.graph, image)
            for name, got in zip(layer.graph.outputs, chunk, strict=True):
                np.testing.assert_array_equal(got[index], wanted[name], str(layer))


def test_weights_that_differ_from_image_to_image():
    sequence = _Sequence()
    other = sequence.weights.copy()
    other[8:11] = 7
    together = convolve(sequence.registers, sequence.macs, TINY,
                        (np.stack([sequence.map, sequence.map.T.reshape(5, 6)]), None),
                        np.stack([sequence.weights, other]))[0]
    assert together[0].tolist() == sequence.run()[0].tolist()
    sequence.map, sequence.weights = sequence.map.T.reshape(5, 6), other
    assert together[1].tolist() == sequence.run()[0].tolist()


def _compare(seed, target, shape=None):
    layer = random_layer(seed, shape=shape)
    print(layer)
    lowered = lower(layer.graph, target)
    got = run_lowered(lowered, layer.graph, layer.inputs, target)
    wanted = run(layer.graph, layer.inputs)
    for name in layer.graph.outputs:
        np.testing.assert_array_equal(got[name], wanted[name], str(layer))


@pytest.mark.parametrize("seed", range(0, 300, 10))
def test_random_layers_on_tiny(seed):
    for offset in range(10):
        _compare(seed + offset, TINY)


@pytest.mark.parametrize("shape", sorted({*SHAPES, "constant"}))
def test_every_shape_of_layer(shape):
    for seed in range(1000, 1008):
        _compare(seed, TINY, shape)


@pytest.mark.parametrize("name", ["virtex6-lx240t", "asic-45nm", "ecp5-85k"])
def test_random_layers_on_larger_targets(name):
    for seed in range(12):
        _compare(seed, get_target(name))


def test_a_program_runs_again_and_after_another():
    first, second = lenet5(1), lenet5(2)
    lowered = lower(first.graph, TINY)
    machine = FunctionalMachine(TINY)
    results = []
    for layer in (first, second, first):
        machine.load(0, lowered.image)
        machine.load(lowered.tensors["t0"], layer.inputs["t0"].tobytes())
        machine.run()
        name = first.graph.outputs[0]
        results.append(tensor_of(machine.memory, lowered, first.graph, name).copy())
    np.testing.assert_array_equal(results[0], results[2])
    assert (results[0] != results[1]).any()


def _program():
    layer = random_layer(4, shape="conv_lookup")
    return bytearray(lower(layer.graph, TINY).image)


def _run(image):
    machine = FunctionalMachine(TINY)
    machine.load(0, bytes(image))
    machine.run()


def _first_packet(image):
    records, = struct.unpack_from("<I", image, 20)
    return struct.unpack_from("<2I", image, records)


def _replace_first_packet(image, **changes):
    """Write another first packet of the same length."""
    address, _ = _first_packet(image)
    head, mask = struct.unpack_from("<2I", image, address)
    count = head & 0x7FF
    values = {"unit": head >> 21 & 15, "offset": head >> 11 & 0x3FF, "sequence": head >> 25,
              "mask": mask, "words": list(struct.unpack_from(f"<{count}I", image, address + 8))}
    packet = encode_packet(*(values | changes).values())
    image[address:address + len(packet)] = packet


@pytest.mark.parametrize(("offset", "value", "message"), [
    (0, 1, "no program at 0x0: magic is 0x00000001"),
    (4, 2, "program of format version 2, not 1"),
    (8, 1, "program for target 0x"),
    (32, 1, "words 8 to 15 of the header are not zero"),
    (20, 2, "not aligned"),
])
def test_bad_header(offset, value, message):
    image = _program()
    struct.pack_into("<I", image, offset, value)
    with pytest.raises(FunctionalError, match=message):
        _run(image)


def test_flipped_bit_in_a_packet():
    image = _program()
    image[_first_packet(image)[0] + 9] ^= 4
    with pytest.raises(FunctionalError, match="^step 0, packet 0: CRC is wrong"):
        _run(image)


@pytest.mark.parametrize(("changes", "message"), [
    ({"sequence": 3}, "packet 0: sequence number is 3"),
    ({"mask": 1 << 30}, "names nodes that do not exist"),
    ({"unit": 9}, "has no unit 9"),
    ({"offset": 1000}, "words, not 10"),
    ({"words": [99] * 11}, "node 4: word 0 of unit read cannot be 99"),
])
def test_packets_that_the_loader_refuses(changes, message):
    image = _program()
    _replace_first_packet(image, **changes)
    with pytest.raises(FunctionalError, match=message):
        _run(image)


def test_registers_start_at_zero():
    image = _program()
    _replace_first_packet(image, mask=1 << 5)
    # The read channel that would have been started stays off.
    with pytest.raises(FunctionalError, match="waits for 102 samples on stream A, 0 come"):
        _run(image)


def test_load_outside_of_memory():
    with pytest.raises(FunctionalError, match="exceed the memory"):
        FunctionalMachine(TINY).load(TINY.memory.size - 1, b"12")


class _Sequence:
    """A 3x3 convolution of one 6x5 map with padding 1, straight from the documents."""

    def __init__(self):
        self.rng = np.random.default_rng(5)
        self.map = self.rng.integers(-100, 100, (5, 6)).astype(np.int16)
        self.kernel = self.rng.integers(-100, 100, (3, 3)).astype(np.int16)
        self.registers = {
            "enable": 1, "passes": 1, "entries": 1, "interleave": 1, "lanes": 2, "two_streams": 0,
            "frame_width": 6, "frame_height": 5, "data_width": 6, "data_height": 5,
            "line_delay": 10, "lead": 0, "skip": 7, "out_width": 6, "out_height": 5,
            "out_size": 30, "kinds": 1, "kind_x": np.zeros(16, int), "kind_y": np.zeros(16, int),
            "kind_width": np.full(16, 6), "kind_height": np.full(16, 5),
            "drain_count": np.array([30, 1, 1, 1]), "drain_stride": np.array([1, 0, 0, 0]),
            "drain_first": np.array([0, 0]), "drain_lanes": np.array([1, 0]),
            "drain_last_lanes": np.array([2, 0])}
        # Lanes of 12 MACs: three rows of four, the last row and column first.
        row, column = np.divmod(np.arange(25) % 12, 4)
        heads = [1 + TINY.row_buses(mac).index(mac % 12 // 4) if mac % 4 == 0 else 0
                 for mac in range(24)]
        self.macs = {"bus": np.array([*heads, 0]),
                     "column": np.array([2, 0, 1, 0])[column], "row": np.array([2, 0, 1])[row]}
        row = np.pad(self.kernel[::-1, ::-1], ((0, 0), (0, 1))).ravel().tolist()
        self.weights = np.array([5, 0, 0, 3, 0, 0, 0, 0, *row, *[-w for w in row]], np.int16)

    def run(self, **changes):
        drains = convolve(self.registers | changes, self.macs, TINY, (self.map[None], None),
                          self.weights[None])
        return tuple(None if drain is None else drain[0] for drain in drains)


def test_same_convolution_on_two_lanes():
    sequence = _Sequence()
    drained, off = sequence.run()
    assert off is None
    padded = np.pad(sequence.map.astype(int), 1)
    wanted = []
    for sign, bias, shift in ((1, 5, 3), (-1, 0, 0)):
        for y, x in np.ndindex(5, 6):
            total = bias + sign * int((padded[y:y + 3, x:x + 3] * sequence.kernel).sum())
            wanted.append(arithmetic.requantise(total, shift))
    assert drained.tolist() == wanted


@pytest.mark.parametrize(("changes", "message"), [
    ({"lanes": 5}, "5 lanes"),
    ({"interleave": 9}, "9 groups on 2 lanes exceed 16 biases"),
    ({"entries": 0}, "must be at least 1"),
    ({"out_size": 29}, "out_size is not"),
    ({"out_width": 7, "out_size": 35}, "outputs exceed the frame"),
    ({"data_width": 5}, "waits for 25 samples on stream A, 30 come"),
    ({"kind_x": np.ones(16, int)}, "data of kind 0 leaves the frame"),
    ({"passes": 2}, "waits for 60 samples"),
    ({"drain_stride": np.array([2, 0, 0, 0])}, "drain order leaves"),
    ({"drain_first": np.array([1, 0])}, "drain stream 0 has lanes that do not exist"),
    ({"lead": 1}, "works on samples of another frame"),
    ({"frame_width": 5}, "outputs exceed the frame"),
])
def test_convolver_refuses_what_would_break_its_contract(changes, message):
    with pytest.raises(FunctionalError, match=message):
        _Sequence().run(**changes)


def test_sums_must_be_written_before_they_are_read():
    sequence = _Sequence()
    changes = {"frame_height": 3, "data_height": 3, "out_height": 3, "out_size": 18}
    with pytest.raises(FunctionalError, match="read again before it is written"):
        sequence.run(**changes)


def _registers(operation, **values):
    return {"operation": OPERATIONS.index(operation), "constant_enable": 0, "constant": 0,
            "shift_a": 0, "shift_b": 0, "shift": 0, "count": 0, "width": 0, "height": 0,
            "step_x": 0, "step_y": 0} | values


def test_division_rounds_and_saturates_by_sign():
    a = np.array([[7, -7, 5, -5, 0, 32767, 3]], np.int16)
    b = np.array([[2, 2, 0, 0, 0, 1, -2]], np.int16)
    got = operate(_registers("div", shift=1), a, b)
    assert got.tolist() == [[7, -7, 32767, -32768, 0, 32767, -3]]


def test_operations():
    a, b = np.array([[5, -9, 300]], np.int16), np.array([[2, 4, -300]], np.int16)
    assert operate(_registers("sub", shift_a=1), a, b).tolist() == [[8, -22, 900]]
    assert operate(_registers("mul", shift=2), a, b).tolist() == [[3, -9, -22500]]
    assert operate(_registers("max"), a, b).tolist() == [[5, 4, 300]]
    limited = operate(_registers("min", constant_enable=1, constant=3), a, None)
    assert limited.tolist() == [[3, -9, 3]]
    assert operate(_registers("add"), a, Endless(b[:, :2])).tolist() == [[7, -5, 302]]
    assert operate(_registers("reduce_min", count=3), a, None).tolist() == [[-9]]


def test_operator_hangs_without_its_second_stream():
    with pytest.raises(FunctionalError, match="operator waits: 3 samples of a, 0 of b"):
        operate(_registers("add"), np.zeros((1, 3), np.int16), None)
    with pytest.raises(FunctionalError, match="reduces 2 samples at a time, 3 come"):
        operate(_registers("reduce_max", count=2), np.zeros((1, 3), np.int16), None)


def test_decimator_keeps_every_second_column_and_row():
    a = np.arange(16, dtype=np.int16)[None]
    registers = _registers("max", constant_enable=1, constant=-1, width=4, height=4, step_x=2,
                           step_y=2)
    assert operate(registers, a, None).tolist() == [[0, 2, 8, 10]]
    with pytest.raises(FunctionalError, match="decimator has a width but"):
        operate(registers | {"step_x": 0}, a, None)


def test_fifo_modes():
    samples = np.array([[1, 2]], np.int16)
    registers = {"mode0": FIFO_MODES.index("delay"), "last0": 9, "count0": 2}
    assert fifo(registers, 0, samples).tolist() == [[0, 0, 1, 2]]
    registers |= {"mode0": FIFO_MODES.index("loop"), "last0": 1, "count0": 0}
    assert fifo(registers, 0, samples).samples.tolist() == [[1, 2]]
    assert fifo(registers | {"count0": 2}, 0, samples).tolist() == [[1, 2, 1, 2]]
    assert fifo(registers | {"mode0": FIFO_MODES.index("buffer")}, 0, samples) is samples
    with pytest.raises(FunctionalError, match="FIFO 0 is off but samples come"):
        fifo(registers | {"mode0": 0}, 0, samples)
    with pytest.raises(FunctionalError, match="loops over 3 samples, 2 come"):
        fifo(registers | {"last0": 2}, 0, samples)


def test_a_program_for_another_target_is_refused():
    machine = FunctionalMachine(dataclasses.replace(TINY, macs=26))
    machine.load(0, bytes(_program()))
    with pytest.raises(FunctionalError, match="program for target 0x"):
        machine.run()
