import json
import re
from importlib import metadata

import numpy as np
import pytest
from typer.testing import CliRunner

from hdl.target import TARGETS
from host import cli
from tests.host import models


def neuflow(*arguments):
    """Run the command in this process; it must succeed."""
    result = CliRunner().invoke(cli.app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return result


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    models.good(tmp_path / "small.onnx")
    np.savez(tmp_path / "calibration.npz", **models.calibration())
    np.save(tmp_path / "image.npy", models.calibration(1, seed=3)["image"])
    return tmp_path


@pytest.fixture
def program(folder):
    neuflow("compile", "small.onnx", "--calibration", "calibration.npz")
    return folder / "small.neuflow"


def test_help_names_every_command():
    text = neuflow("--help").stdout
    for command in ("compile", "estimate", "run", "verilog", "targets", "demo", "simulate",
                    "board"):
        assert re.search(rf"\b{command}\b", text)
        assert neuflow(command, "--help").stdout


def test_version():
    assert neuflow("--version").stdout == f"neuflow {metadata.version('neuflow')}\n"


def test_targets_are_listed():
    text = neuflow("targets").stdout
    described = json.loads(neuflow("targets", "--json").stdout)
    assert [target["name"] for target in described] == list(TARGETS)
    for target in described:
        assert target["name"] in text
        assert target["fingerprint"] in text
        assert int(target["fingerprint"], 16) == TARGETS[target["name"]].fingerprint


def test_compile_writes_a_program(program, folder):
    written = program.read_bytes()
    result = neuflow("compile", "small.onnx", "--calibration", "calibration.npz", "-o", "b.neuflow")
    assert (folder / "b.neuflow").read_bytes() == written
    assert result.stdout.startswith("b.neuflow: for tiny, ")
    assert "first+second" in result.stdout
    assert "Quantising" in result.stderr


def test_compile_says_when_it_had_to_guess(folder):
    assert "warning: " in neuflow("compile", "small.onnx").stdout


def test_compile_tells_programs(folder):
    result = neuflow("compile", "small.onnx", "--target", "ecp5-85k", "--json",
                     "--calibration", "calibration.npz")
    told = json.loads(result.stdout)
    assert told["target"] == "ecp5-85k"
    assert told["program"] == "small.neuflow"
    assert told["predicted_cycles"] > sum(step["predicted_cycles"] for step in told["steps"])
    assert told["inputs"][0]["shape"] == [1, 1, 6, 6]
    assert told["verified"] and told["verify_seconds"] > 0


def test_run_gives_real_values_near_the_networks(program, folder):
    neuflow("run", "small.neuflow", "image.npy", "-o", "out.npz", "--backend", "reference")
    with np.load("out.npz") as outputs:
        assert outputs.files == ["out"]
        out = outputs["out"]
    assert out.dtype == np.float32
    wanted = models.evaluate(folder / "small.onnx", np.load("image.npy"))
    assert out.shape == wanted.shape
    assert np.abs(out - wanted).max() < 1e-3


def test_raw_samples_are_the_real_values(program):
    neuflow("run", "small.neuflow", "image.npy", "-o", "out.npz", "--backend", "reference")
    told = json.loads(neuflow("run", "small.neuflow", "image.npy", "--raw", "--json",
                              "--backend", "reference").stdout)["outputs"]["out"]
    assert told["dtype"] == "int16"
    with np.load("out.npz") as outputs:
        assert np.array_equal(np.array(told["values"]) * 2.0**-told["fraction"], outputs["out"])


def test_run_takes_inputs_by_name_and_batches(program):
    images = models.calibration(3, seed=5)["image"]
    np.savez("images.npz", image=images)
    result = neuflow("run", "small.neuflow", "images.npz", "--json", "--backend", "reference")
    told = json.loads(result.stdout)
    assert told["outputs"]["out"]["shape"] == [3, 2, 4, 4]
    assert told["cycles"] is None
    np.save("one.npy", images[1:2])
    alone = json.loads(neuflow("run", "small.neuflow", "one.npy", "--json",
                               "--backend", "reference").stdout)
    assert alone["outputs"]["out"]["values"][0] == told["outputs"]["out"]["values"][1]


def test_workers_share_a_batch(program):
    np.savez("images.npz", image=models.calibration(5, seed=5)["image"])
    for name, options in {"one": (), "two": ("--jobs", "2")}.items():
        neuflow("run", "small.neuflow", "images.npz", "-o", f"{name}.npz",
                "--backend", "functional", *options)
    with np.load("one.npz") as one, np.load("two.npz") as two:
        assert np.array_equal(one["out"], two["out"])


def test_functional_runs_predict_cycles(program):
    run = ("run", "small.neuflow", "image.npy", "--backend", "functional")
    told = json.loads(neuflow(*run, "--json").stdout)
    assert told["cycles"] is None
    assert told["predicted_cycles"] > sum(step["predicted_cycles"] for step in told["steps"]) > 0
    assert f"{told['predicted_cycles']:,} cycles predicted on tiny (" in neuflow(*run).stdout


def test_run_shows_values(program):
    text = neuflow("run", "small.neuflow", "image.npy", "--backend", "reference").stdout
    assert re.match(r"out \[1, 2, 4, 4\]: [\d. e-]+ \.\.\. \(32 values\)\n$", text)


@pytest.mark.rtl
def test_the_rtl_gives_the_reference_s_bits_and_counts_cycles(program):
    for backend in ("reference", "rtl"):
        neuflow("run", "small.neuflow", "image.npy", "--raw", "-o", f"{backend}.npz",
                "--backend", backend)
    with np.load("reference.npz") as reference, np.load("rtl.npz") as rtl:
        assert np.array_equal(reference["out"], rtl["out"])
    told = json.loads(neuflow("run", "small.neuflow", "image.npy", "--json").stdout)
    assert told["cycles"] >= sum(step["cycles"] for step in told["steps"])
    assert told["milliseconds"] == pytest.approx(told["cycles"] / 1e5)
    assert told["steps"][0]["layer"] == "first+second"


@pytest.mark.rtl
def test_verilog_is_written(folder):
    result = neuflow("verilog", "--target", "tiny", "-o", "rtl")
    written = result.stdout.split()
    assert "rtl/neuflow.v" in written
    assert sorted(str(path) for path in (folder / "rtl").iterdir()) == sorted(
        str(folder / path) for path in written)
    assert "module neuflow(" in (folder / "rtl" / "neuflow.v").read_text()


@pytest.mark.rtl
def test_verilog_with_a_link_is_written(folder):
    neuflow("verilog", "--target", "tiny", "-o", "rtl", "--baud", "1000000", "--no-bus")
    page = (folder / "rtl" / "INTERFACE.md").read_text()
    assert "100 cycles a bit: 1,000,000 baud" in page and "| `rx` | input | 1 |" in page
    top = (folder / "rtl" / "neuflow_axi.v").read_text()
    assert "tx" in top and "s_axi_" not in top
