import json

import numpy as np
import pytest
from typer.testing import CliRunner

from examples.lenet5 import data
from hdl.target import get_target
from host import cli, demo
from host.device import ReferenceDevice, open_device
from host.steps import StepRecord


class Rtl(ReferenceDevice):
    """Gives the reference's outputs as if the RTL had, or others in one run."""

    def __init__(self, target, progress, wrong=None):
        super().__init__(target, progress)
        self.wrong, self.runs = wrong, 0

    def run(self, inputs, raw=False):
        outputs = super().run(inputs, raw)
        if self.runs == self.wrong:
            outputs = {name: array ^ (np.arange(array.size) == 4).astype(array.dtype)
                       for name, array in outputs.items()}
        self.runs += 1
        self.progress("Running: step 1 of 4", 500, 1000)
        return outputs

    def counters(self):
        return {"cycles": 50_000 + self.runs}

    def steps(self):
        counters = {f"convolver{tile}_active": 5000 for tile in self.target.convolvers}
        return [StepRecord(number, step["name"], step["layer"], step["predicted_cycles"], 0,
                           10_000, counters)
                for number, step in enumerate(self.program.manifest["steps"])]


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "60")
    wrong = []

    def opened(program, backend, *, progress, trace=None):
        if backend != "rtl":
            return open_device(program, backend, progress=progress)
        if trace:
            trace.write_text("waves")
        device = Rtl(get_target(program.target), progress, None if trace else
                     wrong and wrong.pop())
        device.load(program)
        return device

    monkeypatch.setattr(demo, "open_device", opened)

    def run(*arguments, wrong_run=None):
        wrong[:] = [wrong_run] if wrong_run is not None else []
        return CliRunner().invoke(cli.app, ["demo", *arguments])

    return run


def test_the_demo_shows_what_it_found(run, tmp_path):
    result = run("--digits", "4")
    assert result.exit_code == 0, result.output
    _, labels = data.load_test()
    for label in labels[:4]:
        assert f"label {label}, got {label}" in result.stdout
    assert result.stdout.count("█") > 50
    for text in ("4 of 4 digits named correctly.",
                 "RTL and reference agree on every bit of every output: 4 runs, 40 values",
                 "Accuracy on all 397 test digits: float 99.", "50,001 to 50,004 cycles a digit",
                 "0.500 ms at 100 MHz", "conv1+tanh1+pool1", "whole run", "build/demo/lenet5.fst"):
        assert text in result.stdout
    assert "Classifying on the RTL: digit 1 of 4, 500 of 4,000 cycles" in result.stderr
    assert (tmp_path / "build/demo/lenet5.fst").read_text() == "waves"


def test_the_demo_tells_programs(run):
    result = run("--digits", "2", "--trace", "waves/a.vcd", "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert told["agrees"] is True
    assert [digit["index"] for digit in told["digits"]] == [0, 1]
    assert told["trace_file"] == "waves/a.vcd"
    assert told["accuracy"]["digits"] == 397
    assert abs(told["accuracy"]["float"] - told["accuracy"]["fixed"]) <= 0.003
    assert told["layers"][0]["utilisation"] > 0


def test_the_demo_runs_on_a_larger_machine_without_waves(run, tmp_path):
    result = run("--digits", "1", "--target", "virtex6-lx240t")
    assert result.exit_code == 0, result.output
    for text in ("LeNet-5 on virtex6-lx240t: 5x4 tiles, 600 MACs in 6 convolvers, 200 MHz",
                 "1 of 1 digits named correctly", "50,001 cycles a digit: 0.250 ms at 200 MHz"):
        assert text in result.stdout
    assert "Waves" not in result.stdout and list(tmp_path.iterdir()) == []
    told = json.loads(run("--digits", "1", "--target", "virtex6-lx240t", "--json").stdout)
    assert (told["target"], told["trace_file"]) == ("virtex6-lx240t", None)


def test_the_demo_fails_on_one_wrong_bit(run):
    result = run("--digits", "3", wrong_run=1)
    assert result.exit_code == 1
    assert "Digit 1: output 'logits' at [0, 4]: expected " in result.stdout
    assert "1 of 10 values differ" in result.stdout
    assert "RTL and reference DIFFER." in result.stdout
    assert "agree on every bit" not in result.stdout
    assert " *" in result.stdout


def test_the_demo_refuses_what_it_cannot_do(run, tmp_path):
    for arguments, says in ((("--digits", "398"), "--digits must be 1 to 397, "),
                            (("--trace", "new/waves.txt"), "must end in .fst or .vcd"),
                            (("--target", "big"), "unknown target 'big'"),
                            (("--digits", "0"), "not 0")):
        result = run(*arguments)
        assert result.exit_code == 2
        assert says in result.stderr
    assert list(tmp_path.iterdir()) == []
