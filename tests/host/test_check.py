import json
import struct

import numpy as np
import pytest
from onnx import helper
from typer.testing import CliRunner

from compiler.compile import compile_model
from compiler.errors import CompileError
from compiler.extract import extract_layers
from compiler.fixed import Convolution
from host import cli, samples
from host.check import layer_range
from host.image_check import ImageCheck
from host.outcome import UsageError
from sim import reference
from tests.host import models

IMAGE = models.calibration()["image"]


def _two_layers():
    """Return a model of two convolutions, the second of three maps."""
    rng = np.random.default_rng(8)
    nodes = [helper.make_node("Conv", ["image", "v"], ["first_out"], name="first"),
             helper.make_node("Conv", ["first_out", "w"], ["out"], name="second")]
    return models.model(nodes, {"v": rng.uniform(-0.5, 0.5, (2, 1, 3, 3)),
                                "w": rng.uniform(-0.5, 0.5, (3, 2, 3, 3))},
                        output_shape=(1, 3, 2, 2))


def _stored(row):
    """Return the bytes of a kernel's row in a weight stream: the last column first."""
    return row[::-1].astype("<i2").tobytes()


class Broken:
    """A program, its reference, and an image in which one weight is another.

    ``wrong`` holds what the network computes with that weight.
    """

    def __init__(self, layer, place):
        self.program = compile_model(_two_layers(), "tiny", {"image": IMAGE})
        graph = self.program.graph
        inputs = {"image": samples.quantise(IMAGE[0], graph.tensors["image"].fraction)}
        self.values = reference.run(graph, inputs)
        conv = next(node for node in graph.nodes
                    if isinstance(node, Convolution) and node.layer == layer)
        stored = _stored(conv.weights[place[:3]])
        assert self.program.image.count(stored) == 1
        other = conv.weights.copy()
        other[place] ^= 0x4000
        self.image = self.program.image.replace(stored, _stored(other[place[:3]]))
        kept, conv.weights[...] = conv.weights.copy(), other
        self.wrong = reference.run(graph, inputs)
        conv.weights[...] = kept
        self.tensor = conv.output

    def expect(self, found, views):
        right, wrong = self.values[self.tensor], self.wrong[self.tensor]
        place = tuple(np.argwhere(right != wrong)[0])
        assert found.views == views
        assert (found.tensor, found.place) == (self.tensor, place)
        assert (found.expected, found.actual) == (right[place], wrong[place])
        assert found.differing == np.count_nonzero(right != wrong)
        assert (found.port, found.tile, found.unit) == (0, 0, "conv0")


@pytest.mark.parametrize(("layer", "place", "step"), [
    ("first", (1, 0, 2, 2), 0), ("second", (2, 1, 0, 1), 1), ("second", (0, 0, 0, 0), 1)])
def test_a_wrong_weight_in_the_image_is_found(layer, place, step):
    broken = Broken(layer, place)
    assert ImageCheck(broken.program, broken.values).functional() is None
    damaged = type(broken.program)(**{**vars(broken.program), "image": broken.image})
    found = ImageCheck(damaged, broken.values).functional()
    broken.expect(found, ("reference", "functional"))
    assert (found.layer, found.step) == (layer, step)
    text = str(found)
    assert f"layer {layer}, " in text and "map {}, row {}, column {}".format(*found.place) in text


@pytest.mark.rtl
@pytest.mark.parametrize(("layer", "place", "step"), [
    ("first", (1, 0, 2, 2), 0), ("second", (2, 1, 0, 1), 1)])
def test_an_rtl_that_differs_is_found_to_the_cycle(tmp_path, layer, place, step):
    broken = Broken(layer, place)
    assert ImageCheck(broken.program, broken.values).rtl() is None
    wave = tmp_path / "wrong.fst"
    found = ImageCheck(broken.program, broken.values, rtl_image=broken.image).rtl(wave)
    broken.expect(found, ("functional", "rtl"))
    assert (found.layer, found.step) == (layer, step)
    assert found.commit < found.cycle <= found.end
    assert f"in cycle {found.cycle:,}; the step runs from" in str(found)
    # The file's first block holds its first and last time: 800 cycles of 10 ns, in ps.
    _, _, first, last = struct.unpack(">BQQQ", wave.read_bytes()[:25])
    assert first < found.cycle * 10_000 and 7_900_000 <= last - first <= 8_100_000


def test_layers_are_cut_out():
    program = compile_model(_two_layers(), "tiny", {"image": IMAGE})
    graph = program.graph
    values = reference.run(graph, {"image": samples.quantise(
        IMAGE[1], graph.tensors["image"].fraction)})
    part = extract_layers(graph, "second", None)
    assert part.inputs == ("first_out",) and part.outputs == ("out",)
    again = reference.run(part, {"first_out": values["first_out"]})
    np.testing.assert_array_equal(again["out"], values["out"])
    assert extract_layers(graph, None, "first").outputs == ("first_out",)
    assert extract_layers(graph, None, None).nodes == graph.nodes
    with pytest.raises(CompileError, match="unknown layer 'third'; layers are first, second"):
        extract_layers(graph, "third", None)
    with pytest.raises(CompileError, match="layer 'first' comes before layer 'second'"):
        extract_layers(graph, "second", "first")


def test_ranges_of_layers():
    assert layer_range("a..b") == ("a", "b")
    assert layer_range("a..") == ("a", None) and layer_range("..b") == (None, "b")
    assert layer_range("a.1") == ("a.1", "a.1")
    with pytest.raises(UsageError, match="--layers ..: give the names of two layers"):
        layer_range("..")


@pytest.fixture
def check(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    models.save(tmp_path / "two.onnx", _two_layers())
    np.save(tmp_path / "data.npy", IMAGE)

    def run(*options):
        return CliRunner().invoke(cli.app, ["check", "two.onnx", "data.npy", *options])
    return run


def test_views_that_agree(check):
    result = check("--up-to", "functional", "--sample", "3")
    assert result.exit_code == 0, result.output
    assert result.stdout == "float, reference, functional agree: 2 layers, 2 steps.\n"
    told = json.loads(check("--up-to", "functional", "--layers", "second", "--json").stdout)
    assert told == {"views": ["reference", "functional"], "agrees": True, "layers": 1, "steps": 1,
                    "partings": []}


def test_float_parts_where_the_format_is_too_coarse(check):
    result = check("--up-to", "functional", "--snr", "300", "--json")
    assert result.exit_code == 1
    found, = json.loads(result.stdout)["partings"]
    assert found["views"] == ["float", "reference"] and found["layer"] == "first"
    assert 0 < abs(found["expected"] - found["actual"]) < 1e-3


@pytest.mark.rtl
def test_the_rtl_agrees(check):
    assert "rtl agree" in check().stdout


@pytest.mark.parametrize(("options", "says"), [
    (("--up-to", "board"), "must be one of reference, functional, rtl"),
    (("--sample", "9"), "--sample 9: data.npy has samples 0 to 3"),
    (("--layers", "first..third"), "unknown layer 'third'"),
    (("--trace", "x.txt"), "its name must end in .fst or .vcd"),
])
def test_what_cannot_be_checked(check, options, says):
    result = check(*options)
    assert result.exit_code == 2 and says in result.stderr and result.stdout == ""
