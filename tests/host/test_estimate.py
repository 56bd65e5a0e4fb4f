import json

import numpy as np
import pytest
from onnx import helper
from typer.testing import CliRunner

from compiler.compile import compile_model
from examples.lenet5 import data, evaluate
from hdl.target import get_target
from host import cli
from host.estimate import bound_of, estimate_file, estimate_program
from sim.functional.demand import Demand
from tests.host import models


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_it_says_what_the_compiled_program_says():
    program = compile_model(evaluate.MODEL, "tiny", data.calibration())
    estimate = estimate_program(program, get_target("tiny"))
    guessed = estimate_file(evaluate.MODEL).data
    # Binary points change no layer's work, but the lengths of mapper tables, which are loaded
    # while the layer before runs.
    for one, other in zip(guessed["layers"], json.loads(json.dumps(estimate.data["layers"])),
                          strict=True):
        assert one.pop("cycles") == pytest.approx(other.pop("cycles"), rel=0.005)
        assert one.pop("utilisation") == pytest.approx(other.pop("utilisation"), rel=0.005)
        assert one == other
    assert guessed["predicted_cycles"] == pytest.approx(estimate.cycles, rel=0.02)
    assert estimate.cycles == program.predicted_cycles
    assert estimate.cycles > sum(layer.cycles for layer in estimate.layers)
    layers = {layer.layer: layer for layer in estimate.layers}
    assert layers["conv3+tanh3"].bound == "weights"
    assert layers["conv1+tanh1+pool1"].bound == "chain"
    # 6 maps of 28x28 from 5x5 kernels on 25 MACs.
    assert layers["conv1+tanh1+pool1"].macs == 6 * 28 * 28 * 25
    assert estimate.utilisation == pytest.approx(328600 / 25 / estimate.cycles)
    tensors = [tensor for tensor in program.manifest["tensors"] if tensor["address"] is not None]
    assert estimate.needed >= max(tensor["address"] + 2 * np.prod(tensor["maps"])
                                  for tensor in tensors)
    assert estimate.fits


def test_bounds():
    demand = Demand(chain=50, weights=40, drain=30, stream=0, memory=20)
    assert bound_of(100, demand) == "chain"
    assert bound_of(101, demand) == "start"
    assert bound_of(101, demand + Demand(memory=60)) == "memory"


def test_a_network_that_does_not_fit(folder):
    proto = models.convolution(shape=(1, 1, 250, 250))
    models.save(folder / "large.onnx", proto)
    result = CliRunner().invoke(cli.app, ["estimate", "large.onnx", "--target", "ecp5-85k"])
    assert result.exit_code == 0, result.output
    assert "of 262,144 bytes: it does NOT fit" in result.stdout
    told = json.loads(CliRunner().invoke(cli.app, [
        "estimate", "large.onnx", "--target", "ecp5-85k", "--json"]).stdout)
    assert not told["fits"] and told["memory_needed"] > 250 * 250 * 2


def test_all_that_is_not_supported_is_listed(folder):
    nodes = [helper.make_node("TopK", ["image"], ["a"], name="soft"),
             helper.make_node("Hardmax", ["a"], ["b"], name="hard"),
             helper.make_node("NonZero", ["image"], ["out"], name="error")]
    models.save(folder / "bad.onnx", models.model(nodes, {}))
    result = CliRunner().invoke(cli.app, ["estimate", "bad.onnx", "--json"])
    assert result.exit_code == 2 and result.stdout == ""
    assert "3 parts of the model are not supported" in result.stderr
    for name in ("soft", "hard", "error"):
        assert name in result.stderr
