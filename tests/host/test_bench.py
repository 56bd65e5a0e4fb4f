import json
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from compiler.compile import compile_model
from examples.scene_labelling import data, label
from hdl.control.counters import counter_names
from hdl.target import get_target
from host import bench, bench_scene, cli
from host.device import ReferenceDevice, open_device
from host.steps import StepRecord

TINY = get_target("tiny")
SMALL = ["--height", "32", "--width", "32", "--maps", "3", "3", "3"]


def record(commit, end, **counters):
    zeros = dict.fromkeys(counter_names(TINY), 0)
    return StepRecord(0, "", "", 0, commit, end, zeros | counters)


PROGRAM = SimpleNamespace(manifest={"steps": [
    {"layer": "stage1_conv+tanh", "macs": 20000, "predicted_cycles": 1100, "convolvers": [
        {"tile": 0, "active_macs": 20.0, "chain_cycles": 850, "active_cycles": 800,
         "weights": 50}]},
    {"layer": "choose", "macs": 0, "predicted_cycles": 300, "convolvers": []}]})
RECORDS = [
    record(100, 1100, convolver0_active=800, convolver0_stall_input=60, convolver0_stall_weights=30,
           convolver0_stall_output=10, port0_read_active=400, port1_write_active=300),
    record(1120, 1520, port0_read_active=300, port0_read_stall=40, port1_write_active=30,
           port1_write_stall=20)]


def test_every_cycle_of_a_convolution_is_accounted_for():
    use = bench.step_uses(PROGRAM, RECORDS)[0]
    assert (use.cycles, use.control, use.whole) == (1000, 100, 1100)
    assert (use.active, use.border, use.stall_input, use.stall_weights, use.stall_output,
            use.idle) == (800, 50, 60, 30, 10, 50)
    assert use.busy == 16000 and use.share(TINY) == pytest.approx(16000 / (25 * 1100))
    assert use.error == pytest.approx(0.1)
    assert (use.bytes_read, use.bytes_written) == (2 * 450, 600)
    assert use.milliseconds(TINY) == pytest.approx(1100 / 1e5)


def test_a_step_without_convolvers_is_accounted_for_by_its_ports():
    use = bench.step_uses(PROGRAM, RECORDS)[1]
    assert (use.cycles, use.control, use.busy) == (400, 20, 0)
    assert (use.active, use.stall_input, use.stall_output, use.idle) == (300, 40, 20, 40)
    assert (use.bytes_read, use.bytes_written) == (600, 60)


def test_the_cycle_counter_may_wrap():
    use = bench.step_uses(PROGRAM, [RECORDS[0], record(4, 104)])[1]
    assert (use.cycles, use.control) == (100, 2**32 - 1096)


def test_sums_and_tables():
    uses = bench.step_uses(PROGRAM, RECORDS)
    whole = bench.total("all", uses)
    assert (whole.name, whole.cycles, whole.whole, whole.idle) == ("all", 1400, 1520, 90)
    assert whole.error == 0
    assert bench.total("nothing", []).error == 0
    table = bench.use_table(uses, TINY)
    assert list(table.columns[1].cells) == ["stage1_conv +", "choose"]
    assert list(table.columns[4].cells) == ["+10.0%", "-25.0%"]


@pytest.mark.parametrize("layer, group", [
    ("stage3_conv_half+upsample_half", "features"), ("lcn_divide_full", "normalisation"),
    ("frame_half", "normalisation"), ("classifier", "classifier"), ("choose", "classifier")])
def test_groups(layer, group):
    assert bench_scene.group_of(layer) == group


class Rtl(ReferenceDevice):
    """Gives the reference's outputs as if the RTL had, or others."""

    wrong = False

    def run(self, inputs, raw=False):
        outputs = super().run(inputs, raw)
        self.progress("Building", 0.5)
        self.progress("Running: step 1 of 4", 500, 1000)
        self.machine.traffic = (1000, 500)
        return {name: array ^ self.wrong for name, array in outputs.items()}

    def counters(self):
        return {"cycles": 1000 * len(self.program.manifest["steps"]) + 7}

    def steps(self):
        return [record(1000 * number + 20, 1000 * number + 1000, convolver0_active=500)
                for number in range(len(self.program.manifest["steps"]))]


@pytest.fixture
def run(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)

    def opened(program, backend, *, progress=None):
        if backend != "rtl":
            return open_device(program, backend, progress=progress)
        device = Rtl(get_target(program.target), progress)
        device.machine = SimpleNamespace(traffic=(0, 0))
        device.load(program)
        return device

    monkeypatch.setattr(bench_scene, "open_device", opened)

    def run(*arguments):
        return CliRunner().invoke(cli.app, ["bench", "scene", "--target", "tiny", *arguments])

    return run


def test_the_command_s_json(run):
    result = run(*SMALL, "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert (told["target"], told["height"], told["width"]) == ("tiny", 32, 32)
    assert told["agrees"] and told["difference"] is None
    assert told["values"] == 64 + 9 * 64
    assert [group["name"] for group in told["groups"]] == [
        "normalisation", "features", "classifier"]
    for key in ("cycles", "predicted", "busy"):
        assert sum(group[key] for group in told["groups"]) == told["whole"][key] == sum(
            step[key] for step in told["steps"])
    assert told["whole"]["cycles"] == 980 * len(told["steps"])
    assert told["whole"]["control"] == 7 + sum(step["control"] for step in told["steps"])
    assert told["bus_bytes"] == {"read": 1000, "written": 500}


def test_the_labels_are_drawn(run):
    run(*SMALL, "--picture", "labels.png")
    with Image.open("labels.png") as picture:
        pixels = np.asarray(picture)[6:38]
    photograph = data.crop(data.photograph("china"), 32, 32)
    assert np.array_equal(pixels[:, 6:38], photograph)
    # The labels of the untrained network, by the reference: every colour shows its class.
    bench = bench_scene.SceneBench("tiny", 32, 32, (3, 3, 3), "other.png", lambda *progress: None)
    program = compile_model(bench.model, "tiny", bench.calibration)
    with open_device(program, "reference") as device:
        labels = device.run(bench.frame)["labels"][0, 0].repeat(4, 0).repeat(4, 1)
    shown = (pixels[:, 44:76] - 0.35 * photograph) / 0.65
    assert np.array_equal(
        np.abs(shown[:, :, None] - label.COLOURS).sum(axis=3).argmin(axis=2), labels)


def test_the_command_s_tables(run):
    text = run(*SMALL).stdout
    assert "Scene labelling, 32x32, on tiny: 25 MACs, 100 MHz" in text
    for word in ("stage1_conv_full", "normalisation", "whole frame", "every bit"):
        assert word in text


def test_a_wrong_bit_is_told(run, monkeypatch):
    monkeypatch.setattr(Rtl, "wrong", np.int16(1))
    result = run(*SMALL)
    assert result.exit_code == 1
    assert "RTL and reference DIFFER: output 'labels' at [0, 0, 0, 0]: expected" in result.stdout


@pytest.mark.rtl
@pytest.mark.slow
def test_a_reduced_network_on_the_whole_grid(tmp_path):
    result = bench_scene.SceneBench("virtex6-lx240t", 48, 64, (8, 12, 20), tmp_path / "scene.png",
                                    lambda *progress: None).run()
    assert result.agrees, result.difference
    assert result.values == 12 * 16 * (1 + 60)
    assert abs(bench.total("all", result.steps).error) < 0.05
    for use in result.steps:
        stalls = use.stall_input + use.stall_weights + use.stall_output
        assert 0 <= stalls and 0 <= use.idle and use.active + use.border + stalls < use.cycles
    assert sum(use.bytes_written for use in result.steps) < result.bus[1]
