import numpy as np
import pytest

import neuflow
from compiler.program import Program
from hdl.control.host_registers import Status
from host.device import BACKENDS, RtlDevice, open_device
from host.driver import DeviceError, Driver, TargetMismatchError
from host.samples import InputError
from sim import reference
from tests.graph_programs import graph_program
from tests.host.programs import TARGET, FakeMachine, program
from tests.random_layers import random_layer

X = np.array([[[[1, -2, 3], [100, -100, 0]]]], np.float32)


class FakeRtl(RtlDevice):
    """The RTL device on a machine that only answers."""

    def __init__(self, target, progress=None, **options):
        super(RtlDevice, self).__init__(target, progress)
        self.options = options
        self.driver = Driver(FakeMachine(), progress, target)


@pytest.fixture(autouse=True)
def fake_rtl(monkeypatch):
    monkeypatch.setitem(BACKENDS, "rtl", FakeRtl)


@pytest.mark.parametrize("backend", ["reference", "rtl"])
def test_run(backend):
    with open_device(program(), backend) as device:
        assert device.backend == backend
        assert device.status().status == Status.IDLE
        outputs = device.run({"x": X})
        assert outputs["y"].dtype == np.float32
        assert outputs["y"].tolist() == [[2, -4, 6, 32767 / 256, -128, 0]]
        assert device.status().status == Status.DONE
        raw = device.run(X, raw=True)["y"]
        assert raw.dtype == np.int16
        assert raw.tolist() == [[512, -1024, 1536, 32767, -32768, 0]]
        samples = device.run_samples({"x": (256 * X[0]).astype(np.int16)})
        assert samples["y"].ravel().tolist() == raw.ravel().tolist()
        assert samples["y"].shape == (6, 1, 1)
        if backend == "reference":
            assert device.saturations == {"double": 2, "flat": 0}
            assert device.counters() == {} and device.steps() == []
        else:
            assert len(device.steps()) == 2 and device.counters()


@pytest.mark.parametrize("backend", ["reference", "rtl"])
def test_batch_is_stacked_and_progress_told(backend):
    seen = []
    with open_device(program(), backend, progress=lambda *told: seen.append(told)) as device:
        batch = np.concatenate([X, X + 1, X + 2])
        outputs = device.run({"x": batch})["y"]
        assert outputs.shape == (3, 6)
        for one, image in zip(outputs, batch, strict=True):
            assert np.array_equal(device.run({"x": image[None]})["y"][0], one)
    assert seen


def test_functional_device_executes_the_image():
    layer = random_layer(11, shape="conv_lookup_pool")
    made = graph_program(layer.graph, TARGET)
    with open_device(made, "functional", progress=lambda *told: None) as device:
        assert device.status().status == Status.IDLE
        expected = reference.run(layer.graph, layer.inputs)
        for _ in range(2):
            outputs = device.run_samples(layer.inputs)
            for name in layer.graph.outputs:
                np.testing.assert_array_equal(outputs[name], expected[name])
        assert device.status().status == Status.DONE
        predicted = [step["predicted_cycles"] for step in made.manifest["steps"]]
        assert [step.predicted_cycles for step in device.steps()] == predicted
        assert all(step.cycles is None and not step.counters for step in device.steps())
        assert device.counters() == {"predicted_cycles": made.predicted_cycles}


def test_functional_device_runs_many_images_at_a_time():
    layer = random_layer(11, shape="conv_lookup_pool")
    rng = np.random.default_rng(5)
    runs = [{name: rng.integers(-32768, 32768, values.shape).astype(np.int16)
             for name, values in layer.inputs.items()} for _ in range(70)]
    seen = []
    with open_device(graph_program(layer.graph, TARGET), "functional",
                     progress=lambda *told: seen.append(told[1:])) as device:
        for samples, outputs in zip(runs, device.run_batch(runs), strict=True):
            expected = reference.run(layer.graph, samples)
            for name in layer.graph.outputs:
                np.testing.assert_array_equal(outputs[name], expected[name])
    assert len(seen) > 1 and seen[-1] == (70, 70)


def test_functional_device_names_the_fault():
    layer = random_layer(11, shape="conv")
    made = graph_program(layer.graph, TARGET)
    damaged = Program(made.target, made.fingerprint, made.manifest, bytes(len(made.image)),
                      made.graph)
    with open_device(damaged, "functional") as device:
        with pytest.raises(DeviceError, match="^the functional machine stops: .*magic"):
            device.run_samples(layer.inputs)
        assert device.status().status == Status.ERROR


def test_open_for_a_target_then_load():
    for target in (TARGET, "tiny"):
        with open_device(target, "reference") as device:
            with pytest.raises(DeviceError, match="no program is loaded"):
                device.run(X)
            device.load(program())
            device.run(X)


def test_program_for_another_machine_is_refused():
    with open_device("ecp5-85k", "reference") as device, \
            pytest.raises(TargetMismatchError, match="for target tiny .* the machine is ecp5-85k "
                                                     ".* neuflow compile MODEL --target ecp5-85k"):
        device.load(program())
    with pytest.raises(TargetMismatchError, match="--target tiny"):
        open_device(program(fingerprint=1), "rtl")


def test_bad_inputs_and_names():
    with open_device(program(), "reference") as device, \
            pytest.raises(InputError, match="unknown input 'z'"):
        device.run({"z": X})
    with pytest.raises(ValueError, match="unknown backend 'fpga'; backends are reference, "
                                         "functional, rtl"):
        open_device(program(), "fpga")
    with pytest.raises(ValueError, match="unknown target 'big'"):
        open_device("big", "reference")
    with pytest.raises(ValueError, match="trace works with backend rtl only"):
        open_device(program(), "reference", trace="x.fst")


def test_options_reach_the_backend():
    device = open_device("tiny", "rtl", trace="x.fst", behaviour=None)
    assert device.options == {"trace": "x.fst"}


def test_face_module():
    assert neuflow.open_device is open_device
    assert neuflow.Program is type(program())
    assert {"compile", "open_device", "Program"} <= set(dir(neuflow))
    assert neuflow.compile.__name__ == "compile_network"
    with pytest.raises(AttributeError, match="module 'neuflow' has no attribute 'nothing'"):
        neuflow.nothing  # noqa: B018 (the access is the test)
