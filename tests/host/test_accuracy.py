import json

import numpy as np
import onnxruntime
import pytest
from onnx import helper
from typer.testing import CliRunner

from compiler.calibrate import check_calibration, useful_ranges
from compiler.fixed import Convolution
from compiler.frontend.onnx_import import import_onnx
from compiler.pipeline import simplify
from compiler.quantise import quantise
from examples.lenet5 import data, evaluate
from host import cli
from host.accuracy import FloatNetwork, compare_layers
from tests.host import models


@pytest.fixture(scope="module")
def lenet():
    graph = simplify(import_onnx(evaluate.MODEL))
    arrays = {name: values[:8] for name, values in data.calibration().items()}
    return graph, arrays, quantise(graph, arrays)[0]


def _compare(lenet, fixed=None):
    graph, arrays, quantised = lenet
    return {layer.layer: layer for layer in compare_layers(
        evaluate.MODEL, fixed or quantised, check_calibration(graph, arrays),
        useful_ranges(graph))}


def test_every_layer_is_compared(lenet):
    layers = _compare(lenet)
    assert list(layers) == [node.layer for node in lenet[2].nodes
                            if node.output in {one.tensor for one in layers.values()}]
    assert {"conv1", "tanh1", "pool1", "conv3", "fc"} <= set(layers)
    assert all(layer.snr > 70 for layer in layers.values())
    # Beyond 8 a tanh tells no two numbers apart: what saturates there is not noise.
    assert layers["conv3"].saturated > 0


def test_the_first_layer_that_is_wrong_is_found(lenet):
    graph, arrays, fixed = lenet
    broken = next(node for node in fixed.nodes
                  if isinstance(node, Convolution) and node.layer == "conv2")
    broken.weights[3] *= -1
    try:
        layers = _compare(lenet)
    finally:
        broken.weights[3] *= -1
    parted = [name for name, layer in layers.items() if layer.snr < 30]
    assert parted[0] == "conv2"
    assert layers["pool1"].snr > 70


def test_float_tensors_are_onnxruntime_s(lenet):
    network = FloatNetwork(evaluate.MODEL, ["tanh1_out", "logits", "no such tensor"])
    assert network.names == ["tanh1_out", "logits"]
    image = data.load_test()[0][:1]
    values = network.run({"image": image})
    session = onnxruntime.InferenceSession(str(evaluate.MODEL),
                                           providers=["CPUExecutionProvider"])
    np.testing.assert_allclose(values["logits"], session.run(["logits"], {"image": image})[0],
                               atol=1e-5)
    assert values["tanh1_out"].shape == (1, 6, 28, 28)


def test_folded_normalisation_is_compared_behind_it(tmp_path):
    rng = np.random.default_rng(2)
    nodes = [helper.make_node("Conv", ["image", "w"], ["c"], name="conv"),
             helper.make_node("BatchNormalization", ["c", "s", "b", "m", "v"], ["n"], name="norm"),
             helper.make_node("Relu", ["n"], ["out"], name="relu")]
    proto = models.model(nodes, {
        "w": rng.normal(size=(2, 1, 3, 3)), "s": [2, 0.5], "b": [0.1, -1], "m": [0.3, 0],
        "v": [1, 2]})
    graph = simplify(import_onnx(proto))
    arrays = models.calibration()
    fixed, _ = quantise(graph, arrays)
    layers = compare_layers(proto, fixed, check_calibration(graph, arrays), useful_ranges(graph))
    assert [layer.tensor for layer in layers] == ["n", "out"]
    assert min(layer.snr for layer in layers) > 60


def test_the_command(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    models.good(tmp_path / "small.onnx")
    np.save(tmp_path / "data.npy", models.calibration()["image"])

    def run(*options):
        return CliRunner().invoke(cli.app, ["compare", "small.onnx", "data.npy", *options])

    result = run()
    assert result.exit_code == 0, result.output
    assert "No layer has an SNR of less than 30 dB" in result.stdout
    told = json.loads(run("--method", "mse", "--snr", "200", "--json").stdout)
    assert told["parts_at"] == "first" and told["method"] == "mse" and told["runs"] == 4
    assert [layer["layer"] for layer in told["layers"]] == ["first", "second"]
    assert all(layer["snr"] > 60 for layer in told["layers"])
    refused = run("--method", "best")
    assert refused.exit_code == 2 and "methods are range, mse" in refused.stderr
    refused = run("--snr", "nan")
    assert refused.exit_code == 2 and "--snr must be a number of dB" in refused.stderr
