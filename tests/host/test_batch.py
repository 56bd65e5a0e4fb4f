import numpy as np
import pytest

import neuflow
from compiler.program import Program
from host.batch import BatchError, evaluate, run_batch
from host.device import BACKENDS, open_device
from host.driver import DeviceError
from tests.graph_programs import graph_program
from tests.host.programs import TARGET
from tests.host.test_device import FakeRtl
from tests.random_layers import random_layer

distributed = pytest.importorskip("distributed")

#: Images: more than two workers take in one piece each.
COUNT = 21


@pytest.fixture(scope="module")
def compiled():
    return graph_program(random_layer(11, shape="conv_lookup_pool").graph, TARGET)


@pytest.fixture(scope="module")
def images(compiled):
    name, = compiled.graph.inputs
    shape = compiled.graph.tensors[name].shape
    return {name: np.random.default_rng(3).uniform(-100, 100, (COUNT, *shape))}


@pytest.fixture(scope="module")
def expected(compiled, images):
    with open_device(compiled, "reference") as device:
        return device.run(images)


@pytest.fixture(scope="module")
def cluster():
    with distributed.LocalCluster(n_workers=2, threads_per_worker=2,
                                  dashboard_address=":0") as made:
        yield made.scheduler_address


def _same(outputs, expected):
    assert outputs.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_array_equal(outputs[name], values)


@pytest.mark.parametrize("backend", ["functional", "reference"])
@pytest.mark.parametrize("jobs", [1, 2])
def test_outputs_come_in_order(compiled, images, expected, backend, jobs):
    seen = []
    outputs = evaluate(compiled, images, backend, jobs=jobs,
                       progress=lambda *told, **named: seen.append(told[1:]))
    _same(outputs, expected)
    assert seen[-1] == (COUNT, COUNT) and sorted(seen) == seen
    assert len(seen) > jobs


@pytest.mark.parametrize("backend", ["functional", "reference"])
def test_a_cluster_gives_the_same(compiled, images, expected, cluster, backend):
    for _ in range(2):
        _same(evaluate(compiled, images, backend, dask=cluster), expected)


def test_a_single_input_is_not_a_batch(compiled, images, expected):
    name, = images
    outputs = evaluate(compiled, images[name][:1], jobs=2)
    _same(outputs, {output: values[:1] for output, values in expected.items()})


def test_raw_samples(compiled, images, expected):
    outputs = evaluate(compiled, images, raw=True)
    for name, values in expected.items():
        assert outputs[name].dtype == np.int16
        fraction = compiled.graph.tensors[name].fraction
        np.testing.assert_array_equal(np.ldexp(outputs[name].astype(np.float32), -fraction), values)


def test_cycles_are_kept_of_each_run(compiled, images, monkeypatch):
    closed = []

    class Counted(FakeRtl):
        def _load(self, program):
            self.runs = 0

        def _run(self, samples, index, count):
            self.runs += 1
            return {name: np.zeros(self.program.graph.tensors[name].shape, np.int16)
                    for name in self.program.graph.outputs}

        def counters(self):
            return {"cycles": 1000 + self.runs}

        def close(self):
            closed.append(self)

    monkeypatch.setitem(BACKENDS, "rtl", Counted)
    result = run_batch(compiled, images, "rtl")
    assert result.cycles == [1001 + run for run in range(COUNT)]
    # One to build the simulation, one that ran.
    assert len(closed) == 2


@pytest.mark.parametrize("workers", ["processes", "cluster"])
def test_an_error_in_a_worker_is_the_one_error(compiled, images, cluster, workers):
    damaged = Program(compiled.target, compiled.fingerprint, compiled.manifest,
                      bytes(len(compiled.image)), compiled.graph)
    where = {"jobs": 2} if workers == "processes" else {"dask": cluster}
    with pytest.raises(DeviceError, match="^the functional machine stops: no program at 0x0"):
        evaluate(damaged, images, **where)


def test_a_worker_that_ends(compiled, images, monkeypatch):
    import host.batch
    monkeypatch.setattr(host.batch, "_run_piece", _end)
    with pytest.raises(BatchError, match="a worker ended before its work did; .* use fewer jobs"):
        evaluate(compiled, images, jobs=2)


def _end(*arguments):
    import os
    os._exit(1)


def test_what_cannot_be(compiled, images, monkeypatch):
    with pytest.raises(BatchError, match="jobs must be at least 1, not 0"):
        evaluate(compiled, images, jobs=0)
    with pytest.raises(BatchError, match="unknown backend 'fpga'; backends are"):
        evaluate(compiled, images, "fpga")
    monkeypatch.setattr("host.batch._ANSWER", 0.5)
    with pytest.raises(BatchError, match="no Dask scheduler answers at 'tcp://127.0.0.1:9' .*8786"):
        evaluate(compiled, images, dask="tcp://127.0.0.1:9")
    monkeypatch.setitem(__import__("sys").modules, "distributed", None)
    with pytest.raises(BatchError, match="needs the package distributed; .*neuflow.cluster"):
        evaluate(compiled, images, dask="tcp://127.0.0.1:9")


def test_public_names():
    assert neuflow.evaluate is evaluate
    assert neuflow.BatchError is BatchError


@pytest.mark.rtl
def test_each_worker_has_a_simulation_of_its_own(compiled, images, expected):
    few = {name: values[:4] for name, values in images.items()}
    result = run_batch(compiled, few, "rtl", jobs=2)
    _same(result.outputs, {name: values[:4] for name, values in expected.items()})
    assert len(result.cycles) == 4 and min(result.cycles) > 0
