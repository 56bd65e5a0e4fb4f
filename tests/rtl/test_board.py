"""The design of the ECP5 boards runs programs over its line; every bit is the reference's."""

import numpy as np
import pytest

import neuflow
from examples.lenet5 import data
from hdl.target import get_target
from host.device import ReferenceDevice
from host.driver import Driver
from host.samples import split_inputs
from host.transports.link import LinkError
from tests.hdl.boards.machines import small
from tests.host.models import SIZE, calibration, convolution
from tests.rtl.board_bench import board_transport

pytestmark = pytest.mark.rtl


def same(program, target, driver, inputs):
    """Check that the board gives the reference's outputs, on every bit."""
    driver.load(program)
    with ReferenceDevice(target) as reference:
        reference.load(program)
        for samples in split_inputs(program.graph, inputs)[0]:
            expected, got = reference.run_samples(samples), driver.run(samples)
            assert set(expected) == set(got)
            assert all(np.array_equal(expected[name], got[name]) for name in expected)


def test_small_machine():
    target = small()
    transport = board_transport(target)
    images = np.random.default_rng(3).uniform(-1, 1, (2, 1, SIZE, SIZE)).astype(np.float32)
    try:
        driver = Driver(transport, target=target)
        assert driver.fingerprint == target.fingerprint
        for seed, then in ((1, "Relu"), (2, "Tanh")):
            program = neuflow.compile(convolution(then=then, seed=seed).SerializeToString(),
                                      target=target, calibration=calibration())
            same(program, target, driver, images)
        # The last word of memory is there, the one behind it is refused.
        transport.write_memory(target.memory.size - 4, b"last")
        assert transport.read_memory(target.memory.size - 4, 4) == b"last"
        with pytest.raises(LinkError, match="from 0x10000 on: refused"):
            transport.read_memory(target.memory.size, 4)
    finally:
        transport.close()


@pytest.mark.slow
def test_lenet5_on_the_machine_of_the_boards():
    target = get_target("ecp5-85k")
    program = neuflow.compile("examples/lenet5/lenet5.onnx", target=target,
                              calibration=data.calibration())
    transport = board_transport(target)
    try:
        images, _ = data.load_test()
        same(program, target, Driver(transport), {"image": images[:3]})
    finally:
        transport.close()
