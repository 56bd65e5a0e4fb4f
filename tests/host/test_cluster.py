"""A batch on a Dask cluster of processes of its own: scheduler and workers, by their commands."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from compiler.program import Program
from host import cli
from host.batch import evaluate
from tests.host import models

distributed = pytest.importorskip("distributed")

ROOT = Path(__file__).parents[2]
WORKERS, RUNS = 2, 24

#: Seconds in which the cluster must be up.
PATIENCE = 120


def _start(folder, name, *arguments):
    # What the test runs with is what the workers run with.
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"}
    with (folder / f"{name}.log").open("w") as log:
        return subprocess.Popen([sys.executable, "-m", "dask", *arguments], stdout=log,
                                stderr=subprocess.STDOUT, cwd=folder, env=environment)


def _address(path):
    """Return the address that a scheduler has written to its file."""
    for _ in range(10 * PATIENCE):
        if path.exists() and (text := path.read_text()).strip():
            return json.loads(text)["address"]
        time.sleep(0.1)
    raise TimeoutError(f"no scheduler in {PATIENCE} s")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """Return the address of a scheduler with its workers."""
    folder = tmp_path_factory.mktemp("cluster")
    file = folder / "scheduler.json"
    made = [_start(folder, "scheduler", "scheduler", "--host", "127.0.0.1", "--port", "0",
                   "--no-dashboard", "--scheduler-file", file)]
    try:
        address = _address(file)
        made += [_start(folder, f"worker{number}", "worker", address, "--nthreads", "1",
                        "--no-dashboard", "--no-nanny", "--local-directory", folder)
                 for number in range(WORKERS)]
        with distributed.Client(address, set_as_default=False) as client:
            client.wait_for_workers(WORKERS, timeout=PATIENCE)
        yield address
    finally:
        for process in made[::-1]:
            process.send_signal(signal.SIGINT)
        for process in made:
            process.wait(30)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with a program and a batch of inputs."""
    path = tmp_path_factory.mktemp("files")
    models.good(path / "small.onnx")
    np.save(path / "images.npy", models.calibration(RUNS, seed=5)["image"])
    result = CliRunner().invoke(cli.app, ["compile", str(path / "small.onnx"), "-o",
                                          str(path / "small.neuflow")])
    assert result.exit_code == 0, result.output
    return path


def _process():
    """Return a worker's process and whether it has held a program."""
    from host import batch

    return os.getpid(), batch._held[0] is not None


@pytest.mark.slow
def test_a_batch_runs_in_the_workers_processes(cluster, folder):
    assert cluster.startswith("tcp://127.0.0.1:")
    program = Program.load(folder / "small.neuflow")
    images = np.load(folder / "images.npy")
    outputs = evaluate(program, images, dask=cluster)
    for name, values in evaluate(program, images).items():
        assert len(values) == RUNS
        np.testing.assert_array_equal(outputs[name], values)
    with distributed.Client(cluster, set_as_default=False) as client:
        processes = list(client.run(_process).values())
    assert len({number for number, _ in processes} - {os.getpid()}) == WORKERS
    assert all(held for _, held in processes)


@pytest.mark.slow
def test_the_command_gives_the_same_on_the_cluster(cluster, folder):
    found = []
    for where in (["--dask", cluster], ["--jobs", "2"], []):
        path = folder / "out.npz"
        result = CliRunner().invoke(cli.app, [
            "run", str(folder / "small.neuflow"), str(folder / "images.npy"), "--backend",
            "functional", "-o", str(path), *where])
        assert result.exit_code == 0, result.output
        with np.load(path) as arrays:
            found.append(arrays["out"])
    assert len(found[0]) == RUNS
    np.testing.assert_array_equal(found[0], found[2])
    np.testing.assert_array_equal(found[1], found[2])
