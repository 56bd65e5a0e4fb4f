import numpy as np
import pytest

from hdl.control.host_registers import ErrorCode, Status
from host.driver import DeviceError, Driver, TargetMismatchError
from tests.host.programs import NAMES, TARGET, FakeMachine, program

X = np.array([[[1, -2, 3], [20000, -20000, 0]]], np.int16)
Y = [2, -4, 6, 32767, -32768, 0]


def driver(machine=None, **options):
    made = Driver(machine or FakeMachine(), **options)
    made.load(program())
    return made


def test_run():
    machine = FakeMachine()
    made = driver(machine)
    assert machine.read_memory(0, 200) == bytes(range(200))
    outputs = made.run({"x": X})
    assert outputs["y"].shape == (6, 1, 1) and outputs["y"].dtype == np.int16
    assert outputs["y"].ravel().tolist() == Y
    assert made.status().status == Status.DONE
    assert made.status().saturated == 5
    assert {name: value.ravel().tolist() for name, value in made.tensors().items()} == {
        "x": X.ravel().tolist(), "y": Y}
    made.close()
    assert machine.closed


def test_counters_and_log():
    made = driver()
    made.run({"x": X})
    assert list(made.counters()) == NAMES
    assert made.counters()[NAMES[3]] == 3
    first, second = made.steps()
    assert (first.number, first.name, first.layer, first.predicted_cycles) == (
        0, "step0", "layer0", 1000)
    assert (second.commit, second.end, second.cycles) == (1100, 2000, 900)
    assert list(first.counters.values()) == [index + 5 for index in range(len(NAMES))]
    assert list(second.counters.values()) == list(range(len(NAMES)))


def test_program_without_log():
    made = driver()
    made.program.manifest["log"]["address"] = 0
    made.run({"x": X})
    assert made.steps() == []


def test_progress():
    seen = []
    made = driver(FakeMachine(cycles=5000), progress=lambda *told: seen.append(told))
    made.run({"x": X})
    # Two steps of 1000 cycles are predicted; the cycles told never exceed them.
    assert seen == [("Running: step 1 of 2 (layer0)", 1000, 2000),
                    ("Running: step 2 of 2 (layer1)", 2000, 2000),
                    ("Running: step 2 of 2 (layer1)", 2000, 2000),
                    ("Running: step 2 of 2 (layer1)", 2000, 2000)]
    seen.clear()
    made.run({"x": X}, index=1, count=3)
    assert seen[0] == ("Running: run 2 of 3, step 1 of 2 (layer0)", 3000, 6000)


def test_errors_name_step_layer_and_meaning():
    made = driver(FakeMachine(error=ErrorCode.LOADER_CRC))
    with pytest.raises(DeviceError, match=r"^step 1 'step1' \(layer layer1\): CRC error in a "
                                          r".*\[info 0: 0x00000012, 1: 0x00000034\]$") as raised:
        made.run({"x": X})
    assert raised.value.status.error == ErrorCode.LOADER_CRC
    assert raised.value.status.error_step == 1
    with pytest.raises(DeviceError, match="unknown error code 99"):
        driver(FakeMachine(error=99)).run({"x": X})


@pytest.mark.parametrize("error, message", [
    # The image of this program is none: all that is known are the nodes, tile 1 and port 0.
    (ErrorCode.TIME_OUT, ("step 1 'step1' (layer layer1): step did not end within 52 cycles; "
                          "not done: DMA port 0 (tile 0); convolver of tile 1")),
    (ErrorCode.BUS_ERROR, ("step 1 'step1' (layer layer1): memory refused a transfer of "
                           "DMA port 1 (tile 1)")),
    (ErrorCode.ABORT_FAILED, ("DMA port 0 (tile 0) did not come to rest after an earlier error; "
                              "reset the machine"))])
def test_errors_name_ports(error, message):
    with pytest.raises(DeviceError) as raised:
        driver(FakeMachine(error=error, info=(2 if error == ErrorCode.BUS_ERROR else 0x12, 52))
               ).run({"x": X})
    assert str(raised.value) == message


def test_a_machine_that_hangs_is_given_up():
    machine = FakeMachine(stuck=True)
    with pytest.raises(DeviceError, match=r"hangs: its cycle counter stands at 0; step 0 'step0'"):
        driver(machine).run({"x": X})
    assert machine.stops == 1
    machine = FakeMachine(stuck=True)
    machine.set("ERROR", ErrorCode.TIME_OUT)
    with pytest.raises(DeviceError, match=r"^step 0 'step0' .*: step did not end within"):
        driver(machine).run({"x": X})
    with pytest.raises(DeviceError, match="has not ended after 10,441,000 cycles, 2,000 are pred"):
        driver(FakeMachine(cycles=1 << 40)).run({"x": X})


def test_the_cycle_counter_may_wrap():
    seen = []
    made = driver(FakeMachine(cycles=4000, start=0), progress=lambda *told: seen.append(told[1]))
    made.transport.begin = 0xFFFFFFFF - 500
    made.run({"x": X})
    assert made.status().status == Status.DONE


def test_interrupt_stops_the_program():
    class Interrupted(FakeMachine):
        def wait_while(self, address, value):
            if not self.stops:
                raise KeyboardInterrupt
            return super().wait_while(address, value)

    machine = Interrupted()
    with pytest.raises(KeyboardInterrupt):
        driver(machine).run({"x": X})
    assert machine.stops == 1


def test_busy_machine_is_left_alone():
    machine = FakeMachine()
    made = driver(machine)
    machine.set("STATUS", Status.RUNNING)
    with pytest.raises(DeviceError, match="runs another program"):
        made.run({"x": X})


def test_other_target_is_refused_with_both_fingerprints():
    made = Driver(FakeMachine())
    with pytest.raises(TargetMismatchError, match=(
            "for target tiny with fingerprint 00000000000004d2, the machine is tiny with "
            f"fingerprint {TARGET.fingerprint:016x}; .*: neuflow compile MODEL --target tiny$")):
        made.load(program(fingerprint=1234))
    made.transport.set("ID_LOW", 1)
    with pytest.raises(TargetMismatchError, match="machine is of an unknown target with"):
        made.load(program())


def test_other_counters_are_refused():
    with pytest.raises(DeviceError, match="the machine has 3 counters, its target tiny says"):
        driver(FakeMachine(counters=3))


def test_misuse():
    with pytest.raises(DeviceError, match="no program is loaded"):
        Driver(FakeMachine()).run({"x": X})
    for bad in (X.astype(float), X[0]):
        with pytest.raises(ValueError, match=r"input 'x' must be int16 of shape \(1, 2, 3\)"):
            driver().run({"x": bad})
