import json
from types import SimpleNamespace

import numpy as np
import pytest
from typer.testing import CliRunner

from hdl.control.counters import counter_names
from hdl.target import get_target
from host import cli
from host.profile import bound_by, layer_totals, profile_run
from host.steps import StepRecord
from host.trace_events import run_events
from tests.host import models
from tests.host.trace_format import check_trace

TINY = get_target("tiny")


def step(number, layer, macs, predicted, *convolvers):
    return {"number": number, "name": f"node{number}", "layer": layer, "macs": macs,
            "predicted_cycles": predicted, "convolvers": list(convolvers)}


def record(number, layer, commit, end, **counters):
    zeros = dict.fromkeys(counter_names(TINY), 0)
    return StepRecord(number, f"node{number}", layer, 0, commit, end, zeros | counters)


CONVOLVER = {"tile": 0, "active_macs": 20.0, "chain_cycles": 850, "active_cycles": 800,
             "weights": 50}
PROGRAM = SimpleNamespace(target="tiny", manifest={"steps": [
    step(0, "conv", 20000, 1100, CONVOLVER), step(1, "conv", 20000, 1100, CONVOLVER),
    step(2, "add", 0, 300)]})
RECORDS = [
    record(0, "conv", 100, 1100, convolver0_active=800, convolver0_stall_input=60,
           convolver0_stall_weights=30, convolver0_stall_output=10, port0_read_active=400,
           port0_write_active=90, port0_read_stall=7, port1_write_active=300),
    record(1, "conv", 1120, 4120, convolver0_active=800, convolver0_stall_input=2000,
           port0_read_active=400),
    record(2, "add", 4130, 4530, port0_read_active=300, port0_read_stall=40,
           port1_write_active=30, port1_write_stall=20)]


@pytest.fixture
def profile():
    return profile_run(PROGRAM, RECORDS, 4600)


def test_every_cycle_of_a_convolver_has_a_cause(profile):
    tile, *ports = profile.steps[0].units
    assert (tile.kind, tile.number) == ("convolver", 0)
    assert tile.cycles == {"active": 800, "border": 50, "stall_input": 60, "stall_weights": 30,
                           "stall_output": 10, "idle": 50}
    assert [(port.kind, port.number) for port in ports] == [("port", 0), ("port", 1)]
    assert ports[0].cycles == {"read_active": 400, "read_stall": 7, "write_active": 90,
                               "write_stall": 0}
    # The last step has no convolver, and each of its ports one channel.
    assert [unit.kind for unit in profile.steps[2].units] == ["port", "port"]


def test_units_over_the_whole_run(profile):
    (tile, steps), (port, uses), _ = profile.unit_totals()
    assert (tile.kind, steps, uses) == ("convolver", 2, 3)
    assert tile.cycles["stall_input"] == 2060 and sum(tile.cycles.values()) == 4000
    assert port.cycles["read_active"] == 1100


def test_layers_and_what_bounds_them(profile):
    conv, add = layer_totals(profile.steps)
    assert (conv[0].name, conv[0].cycles, conv[0].control, conv[1:]) == ("conv", 4000, 120,
                                                                         (2, True))
    assert (add[0].name, add[0].cycles, add[1:]) == ("add", 400, (1, False))
    assert bound_by(conv[0], True) == "memory"
    assert bound_by(profile.steps[0].use, True) == "chain"
    assert bound_by(add[0], False) == "stream"


def test_the_trace_has_every_cycle_on_its_track(profile):
    trace = run_events(profile)
    tracks = check_trace(json.loads(json.dumps(trace)))
    assert set(tracks) == {
        ("steps", "control"), ("convolvers", "tile 0"), ("DMA ports", "port 0 (tile 0) read"),
        ("DMA ports", "port 0 (tile 0) write"), ("DMA ports", "port 1 (tile 1) write")}
    control = tracks["steps", "control"]
    assert [event["name"] for event in control] == [
        "between steps", "conv", "between steps", "conv", "between steps", "add",
        "after the last step"]
    # At 100 MHz a cycle is 10 ns; the format counts microseconds.
    assert [event["dur"] for event in control] == pytest.approx(
        [1, 10, 0.2, 30, 0.1, 4, 0.7])
    assert sum(event["dur"] for event in control) == pytest.approx(46)
    first, second = tracks["convolvers", "tile 0"]
    assert (first["ts"], first["dur"]) == pytest.approx((1, 10))
    assert second["args"]["stall_input"] == 2000
    read = tracks["DMA ports", "port 0 (tile 0) read"]
    assert [event["args"]["samples"] for event in read] == [400, 400, 300]
    counts = [event for event in trace["traceEvents"] if event["ph"] == "C"]
    assert sum(counts[0]["args"].values()) == pytest.approx(100)
    assert not any(counts[1]["args"].values())


def test_a_cycle_counter_that_wraps_keeps_the_tracks_in_order():
    wrapped = [record(0, "conv", 100, 1100), record(1, "conv", 1120, 2**32 - 100),
               record(2, "add", 4, 404)]
    tracks = check_trace(run_events(profile_run(PROGRAM, wrapped, 700)))
    assert [event["dur"] for event in tracks["steps", "control"]][-2:] == pytest.approx([1.04, 4])


def neuflow(*arguments):
    return CliRunner().invoke(cli.app, [str(argument) for argument in arguments])


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    models.save(tmp_path / "two.onnx", models.two_convolutions())
    np.savez("calibration.npz", **models.calibration())
    np.save("image.npy", models.calibration(1, seed=3)["image"])
    result = neuflow("compile", "two.onnx", "--calibration", "calibration.npz")
    assert result.exit_code == 0, result.output
    return tmp_path


@pytest.mark.rtl
def test_the_rtl_s_cycles(folder):
    result = neuflow("profile", "two.neuflow", "image.npy", "--json", "--trace-events", "t.json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert [layer["name"] for layer in told["layers"]] == ["first", "second"]
    assert told["trace_file"] == "t.json"
    spent = sum(entry["cycles"] + entry["control"] for entry in told["steps"])
    # The last log record, and the end.
    assert 0 <= told["cycles"] - spent < 600
    for entry in told["steps"]:
        tile = entry["units"][0]
        assert tile["kind"] == "convolver" and tile["idle"] >= 0
        assert sum(tile[name] for name in (
            "active", "border", "stall_input", "stall_weights", "stall_output", "idle")) \
            == entry["cycles"]
    # 36 samples in, 2 maps of 16 between, 2 maps of 4 out.
    ports = [[unit for unit in entry["units"] if unit["kind"] == "port"]
             for entry in told["steps"]]
    assert [sum(port["read_active"] for port in found) for found in ports] == [36, 32]
    assert [sum(port["write_active"] for port in found) for found in ports] == [32, 8]
    tracks = check_trace(json.loads((folder / "t.json").read_text()))
    assert {process for process, _ in tracks} == {"steps", "convolvers", "DMA ports"}
    assert sum(event["args"]["cycles"] for event in tracks["steps", "control"]) == told["cycles"]


@pytest.mark.rtl
def test_tables_for_people(folder):
    text = neuflow("profile", "two.neuflow", "image.npy").stdout
    for word in ("cycles on tiny", "first", "second", "tile 0", "waited for memory"):
        assert word in text


def test_predicted_cycles(folder):
    result = neuflow("profile", "two.neuflow", "image.npy", "--backend", "functional", "--json",
                     "--trace-events", "t.json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert [entry["name"] for entry in told["steps"]] == ["first", "second"]
    tracks = check_trace(json.loads((folder / "t.json").read_text()))
    slices = tracks["steps, predicted", "control"]
    assert [event["args"]["cycles"] for event in slices] == [
        entry["predicted"] for entry in told["steps"]]
    assert "predicted cycles" in neuflow("profile", "two.neuflow", "image.npy", "--backend",
                                         "functional").stdout


@pytest.mark.parametrize(("options", "says"), [
    (["--backend", "reference"], "backend 'reference' knows no cycles; those that do are rtl and"),
    (["--trace-events", "trace.txt"], "trace.txt: its name must end in .json"),
    (["--trace-events", "absent/trace.json"], "no folder absent"),
    (["--trace-events", "t.json"], "must have shape [1, 1, 6, 6]")])
def test_what_cannot_be_is_refused(folder, options, says):
    np.save("image.npy", np.zeros((1, 1, 5, 5), np.float32))
    before = set(folder.iterdir())
    result = neuflow("profile", "two.neuflow", "image.npy", "--backend", "functional", *options)
    assert result.exit_code == 2 and result.stdout == ""
    assert says in result.stderr.splitlines()[-1]
    assert set(folder.iterdir()) == before
