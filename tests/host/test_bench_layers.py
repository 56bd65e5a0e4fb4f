import json
from types import SimpleNamespace

import numpy as np
import onnx
import pytest
from typer.testing import CliRunner

from hdl.control.counters import counter_names
from hdl.target import get_target
from host import bench_layers, cli
from host.conv_layers import NETWORKS, ConvLayer
from host.device import ReferenceDevice, open_device
from host.steps import StepRecord

TINY = get_target("tiny")
SMALL = (ConvLayer("plain", 8, 9, 6, times=2), ConvLayer("pooled", 2, 12, 4, 5, 1, 2, 2, (3, 2)))


class Rtl(ReferenceDevice):
    """Gives the reference's outputs as if the RTL had, or others, in 2,000 cycles a step."""

    wrong = False

    def run(self, inputs, raw=False):
        outputs = super().run(inputs, raw)
        self.progress("Building", 0.5)
        self.progress("Running: step 1 of 4", 500, 1000)
        return {name: array ^ self.wrong for name, array in outputs.items()}

    def steps(self):
        zeros = dict.fromkeys(counter_names(TINY), 0)
        return [StepRecord(0, "", "", 0, 2000 * number + 100, 2000 * number + 2000,
                           zeros | {"convolver0_active": 500})
                for number in range(len(self.program.manifest["steps"]))]


@pytest.fixture
def run(monkeypatch):
    def opened(program, backend, *, progress=None):
        if backend != "rtl":
            return open_device(program, backend, progress=progress)
        device = Rtl(get_target(program.target), progress)
        device.machine = SimpleNamespace(traffic=(0, 0))
        device.load(program)
        return device

    monkeypatch.setattr(bench_layers, "open_device", opened)
    monkeypatch.setattr(bench_layers, "NETWORKS", {"small": SMALL, "other": SMALL[:1]})

    def run(*arguments):
        return CliRunner().invoke(cli.app, ["bench", "layers", "--target", "tiny", *arguments])

    return run


def test_networks_are_those_of_the_papers():
    vgg16, alexnet = NETWORKS["vgg16"], NETWORKS["alexnet"]
    assert sum(layer.times for layer in vgg16) == 13
    assert sum(layer.times * layer.macs for layer in vgg16) == 15_346_630_656
    assert [layer.name for layer in vgg16 if layer.times > 1] == ["conv5_1"]
    assert [layer.name for layer in vgg16 if layer.pool] == [
        "conv1_2", "conv2_2", "conv3_3", "conv4_3", "conv5_3"]
    assert [layer.outputs for layer in alexnet] == [55, 27, 13, 13, 13]
    assert sum(layer.macs for layer in alexnet) == 665_784_864


@pytest.mark.parametrize("layer", SMALL, ids=lambda layer: layer.name)
def test_the_model_is_the_layer(layer):
    model = onnx.shape_inference.infer_shapes(layer.model(), check_type=True, strict_mode=True)
    onnx.checker.check_model(model, full_check=True)
    shapes = {value.name: [size.dim_value for size in value.type.tensor_type.shape.dim]
              for value in (*model.graph.value_info, *model.graph.output)}
    assert shapes["sums"] == [1, layer.maps, layer.outputs, layer.outputs]
    assert layer.image().shape == (1, layer.inputs, layer.size, layer.size)
    assert layer.image().min() == 0


def test_fewer_input_maps_leave_the_rest():
    part = SMALL[0].reduced(4)
    assert (part.inputs, part.maps, part.size) == (2, 6, 9)
    assert part.macs * 4 == SMALL[0].macs
    assert SMALL[0].factors == [2, 4, 8]
    assert SMALL[1].factors == []


def test_the_command_s_json(run):
    result = run("--network", "small", "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert told["agrees"] and told["multipliers"] == 25
    (network,) = told["networks"].values()
    assert [layer["layer"]["name"] for layer in network["layers"]] == ["plain", "pooled"]
    plain, pooled = network["layers"]
    for layer in network["layers"]:
        # Control before the first step is not the layer's.
        assert layer["cycles"] == 2000 * layer["steps"] - 100
        assert layer["utilisation"] == layer["macs"] / (25 * layer["cycles"])
    assert network["macs"] == 2 * plain["macs"] + pooled["macs"]
    assert network["cycles"] == pytest.approx(2 * plain["cycles"] + pooled["cycles"])


def test_long_layers_run_with_fewer_input_maps(run, monkeypatch):
    whole = json.loads(run("--network", "other", "--json").stdout)["networks"]["other"]["layers"][0]
    monkeypatch.setattr(bench_layers, "MOST_CYCLES", whole["predicted"] - 1)
    part = json.loads(run("--network", "other", "--json").stdout)["networks"]["other"]["layers"][0]
    assert (whole["ran_inputs"], part["ran_inputs"]) == (8, 4)
    assert part["whole_layer"]["predicted"] == whole["predicted"]
    assert part["whole_layer"]["expected"] == pytest.approx(
        whole["predicted"] * part["cycles"] / part["predicted"])
    full = json.loads(run("--network", "other", "--full", "--json").stdout)
    assert full["networks"]["other"]["layers"][0]["ran_inputs"] == 8


def test_the_command_s_tables(run):
    text = run().stdout
    for words in ("Convolution layers on tiny: 25 MACs, 100 MHz", "small", "8 x 9² → 6",
                  "5x5 2 groups pool 3x3", "every bit of every output"):
        assert words in text


def test_a_wrong_bit_is_told(run, monkeypatch):
    monkeypatch.setattr(Rtl, "wrong", np.int16(1))
    result = run("--network", "other")
    assert result.exit_code == 1
    assert "DIFFER: plain of other: output 'y' at [0, 0, 0, 0]: expected" in result.stdout


@pytest.mark.rtl
@pytest.mark.slow
def test_a_layer_on_the_whole_grid(monkeypatch):
    layer = ConvLayer("conv", 32, 56, 128, pool=(2, 2))
    monkeypatch.setattr(bench_layers, "NETWORKS", {"one": (layer,)})
    result = bench_layers.LayersBench("virtex6-lx240t", "one", False, lambda *progress: None).run()
    assert result.agrees, result.difference
    (measured,) = result.networks["one"]
    assert abs(measured.predicted / measured.use.whole - 1) < 0.05
    assert layer.macs > 0.75 * result.multipliers * measured.use.whole
