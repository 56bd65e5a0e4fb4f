from dataclasses import replace

import numpy as np
import pytest

import neuflow
from hdl.control.host_registers import ErrorCode, Status
from host.device import open_device
from host.driver import DeviceError
from sim.rtl.machine import MemoryBehaviour
from tests.host.models import SIZE, calibration, convolution

pytestmark = pytest.mark.rtl


def compiled(seed, then):
    model = convolution(then=then, seed=seed)
    return neuflow.compile(model.SerializeToString(), "tiny", calibration())


@pytest.fixture(scope="module")
def programs():
    return compiled(1, "Relu"), compiled(2, "Tanh")


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(3).uniform(-1, 1, (3, 1, SIZE, SIZE)).astype(np.float32)


@pytest.fixture(scope="module")
def expected(programs, images):
    outputs = []
    for program in programs:
        with open_device(program, "reference") as device:
            outputs.append(device.run(images, raw=True))
    assert neuflow.first_difference(*outputs)
    return outputs


def same(device, images, expected):
    return neuflow.first_difference(expected, device.run(images, raw=True)) is None


def test_rtl_equals_reference_also_back_to_back(programs, images, expected):
    with open_device("tiny", "rtl") as device:
        for which in (0, 1, 1, 0):
            device.load(programs[which])
            assert same(device, images, expected[which])
        assert device.status().status == Status.DONE
        counters, steps = device.counters(), device.steps()
        assert [step.layer for step in steps] == [
            step["layer"] for step in programs[0].manifest["steps"]]
        for step in steps:
            assert 0 < step.cycles <= counters["cycles"]
            assert abs(step.cycles - step.predicted_cycles) < 300 + 0.1 * step.predicted_cycles
        assert steps[-1].end <= counters["cycles"]


@pytest.mark.parametrize("seed", [1, 2])
def test_a_slow_disorderly_memory_changes_no_bit(programs, images, expected, seed):
    behaviour = MemoryBehaviour(stall=0.4, disorder=True, seed=seed)
    with open_device(programs[0], "rtl", behaviour=behaviour) as device:
        assert same(device, images, expected[0])


def test_reset_in_the_middle_of_a_run(programs, images, expected):
    with open_device(programs[0], "rtl") as device:
        for cycles in (50, 700, 2500, 3111):
            device.machine.write32(0x14, programs[0].manifest["program_address"])
            device.machine.write32(0x10, 1)
            device.machine.run(cycles)
            device.machine.reset()
            device.load(programs[0])
            assert same(device, images[:1], {"out": expected[0]["out"][:1]})


def test_damaged_image_is_an_error_and_the_next_program_runs(programs, images, expected):
    program, image = programs[0], bytearray(programs[0].image)
    record = int.from_bytes(image[20:24], "little")
    packets = int.from_bytes(image[record:record + 4], "little")
    image[packets + 13] ^= 4
    with open_device(replace(program, image=bytes(image)), "rtl") as device:
        with pytest.raises(DeviceError, match=r"^step 0 \(layer .*\): CRC error in") as bad:
            device.run(images)
        assert bad.value.status.error == ErrorCode.LOADER_CRC
        assert device.status().status == Status.ERROR
        device.load(program)
        assert same(device, images, expected[0])


@pytest.mark.slow  # control waits two million cycles for the port to come to rest
def test_memory_that_never_answers_is_an_error_that_names_the_step(programs, images, expected):
    program = programs[0]
    place = program.manifest["inputs"][0]["address"]
    behaviour = MemoryBehaviour(hang=(place, place + 2 * SIZE * SIZE))
    with open_device(program, "rtl", behaviour=behaviour) as device:
        with pytest.raises(DeviceError, match=r"^step 0 \(layer .*\): step did not end in") as bad:
            device.run(images)
        assert bad.value.status.error == ErrorCode.TIME_OUT
        device.machine.behave(hang=None)
        device.machine.reset()
        assert same(device, images, expected[0])


def test_wave_file(programs, images, tmp_path):
    with open_device(programs[0], "rtl", trace=tmp_path / "wave.fst") as device:
        device.run(images[:1])
    assert (tmp_path / "wave.fst").stat().st_size > 10_000
