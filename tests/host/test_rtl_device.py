import re
from dataclasses import replace

import numpy as np
import pytest

import neuflow
from hdl.control.host_registers import HOST_REGISTER, ErrorCode, Status
from hdl.target import get_target
from host.device import open_device
from host.diagnosis import step_registers
from host.driver import DeviceError
from sim.rtl.machine import MemoryBehaviour
from tests.host import models
from tests.host.models import SIZE, calibration, convolution

pytestmark = pytest.mark.rtl

TINY = get_target("tiny")


def compiled(seed, then):
    model = convolution(then=then, seed=seed)
    return neuflow.compile(model.SerializeToString(), target="tiny",
                             calibration=calibration())


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
        with pytest.raises(DeviceError, match=r"^step 0 '.*' \(layer .*\): CRC error") as bad:
            device.run(images)
        assert bad.value.status.error == ErrorCode.LOADER_CRC
        assert device.status().status == Status.ERROR
        device.load(program)
        assert same(device, images, expected[0])


def hanging(program, port, unit, step=0):
    """Return the memory in which what a channel of a port moves in a step is never answered."""
    units = step_registers(program, TINY, step)[TINY.tiles + port]
    base = units["read_table"][0][0] if unit == "read" else units[unit]["base"]
    return MemoryBehaviour(hang=(2 * int(base), 2 * int(base) + 2))


def answer_after_the_error(device):
    """Let memory answer what hangs as soon as the watchdog has spoken."""
    def progress(*_):
        if device.machine.read32(HOST_REGISTER["ERROR"].address):
            device.machine.behave(hang=None)

    device.driver.progress = progress


TIMED_OUT = ("step 0 'first+second' (layer first+second): step did not end within MANY cycles; "
             "not done: DMA port 0 (tile 0): ")
NOTHING_WRITTEN = "write channel (0 of 32 samples have come from the tile)"


@pytest.mark.parametrize("unit, says", [
    ("read", ("read channel (0 of 36 samples have come from memory, the tile waited MANY cycles "
              f"for memory) and {NOTHING_WRITTEN}; convolver of tile 0")),
    ("write", ("write channel (all 32 samples have come from the tile, memory has not confirmed "
               "the last of them)")),
    ("weights", ("read channel (SOME of 36 samples have come from memory, SOME) and "
                 f"{NOTHING_WRITTEN} and weights channel (32 samples, the tile waited MANY cycles "
                 "for memory); convolver of tile 0"))])
def test_the_watchdog_names_step_and_port_and_the_machine_runs_on(
        programs, images, expected, unit, says):
    with open_device(programs[0], "rtl", behaviour=hanging(programs[0], 0, unit)) as device:
        answer_after_the_error(device)
        with pytest.raises(DeviceError) as bad:
            device.run(images)
        pattern = re.escape(TIMED_OUT + says).replace("MANY", r"1\d\d,\d{3}").replace("SOME", ".*")
        assert re.fullmatch(pattern, str(bad.value)), bad.value
        assert bad.value.status.error == ErrorCode.TIME_OUT
        # Not reset, nothing written anew but the program.
        for which in (1, 0):
            device.load(programs[which])
            assert same(device, images, expected[which])


def test_the_watchdog_counts_from_the_start_of_the_step():
    network = models.two_convolutions()
    program = neuflow.compile(network.SerializeToString(), target="tiny",
                             calibration=calibration())
    image = calibration(1, seed=4)["image"]
    with open_device(program, "reference") as device:
        wanted = device.run(image, raw=True)
    assert len(program.manifest["steps"]) == 2
    with open_device(program, "rtl", behaviour=hanging(program, 0, "weights", 1)) as device:
        answer_after_the_error(device)
        with pytest.raises(DeviceError) as bad:
            device.run(image)
        # The first step read 36 samples and wrote 32, which count no more.
        assert re.fullmatch(
            r"step 1 'second' \(layer second\): .*: read channel \(\d+ of 32 samples .*write "
            r"channel \(0 of 8 samples .*weights channel \(.*", str(bad.value)), bad.value
        assert same(device, image, wanted)


@pytest.mark.slow  # control waits two million cycles for the port to come to rest, twice
def test_memory_that_never_answers_ends_every_run_with_an_error(programs, images, expected):
    behaviour = hanging(programs[0], 0, "read")
    with open_device(programs[0], "rtl", behaviour=behaviour) as device:
        with pytest.raises(DeviceError, match="^step 0 .* DMA port 0 .*: read channel") as bad:
            device.run(images)
        assert bad.value.status.error == ErrorCode.TIME_OUT
        with pytest.raises(DeviceError, match=r"^DMA port 0 \(tile 0\) did not come to rest after "
                                              r"an earlier error; reset the machine$"):
            device.run(images)
        # Memory answers at last: the next run needs no reset.
        device.machine.behave(hang=None)
        assert same(device, images, expected[0])


def test_wave_file(programs, images, tmp_path):
    with open_device(programs[0], "rtl", trace=tmp_path / "wave.fst") as device:
        device.run(images[:1])
    assert (tmp_path / "wave.fst").stat().st_size > 10_000
