"""Every bad input: exit code 2, one line that says what, where and what would be right, no file."""

import dataclasses
import json
import os
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from typer.testing import CliRunner

from compiler.compile import compile_model
from hdl import target
from host import cli
from tests.compiler import models as compiler_models
from tests.host import models
from tests.sim.verify.mutations import flipped_sample, weight_channels


class Folder:
    """An empty folder with the command in it."""

    def __init__(self, path):
        self.path = path

    def neuflow(self, *arguments):
        return CliRunner().invoke(cli.app, [str(argument) for argument in arguments])

    def refuses(self, *arguments, says):
        """Check that the command fails with one line that holds all of `says`, and no file."""
        before = self.content()
        result = self.neuflow(*arguments)
        assert isinstance(result.exception, SystemExit), repr(result.exception)
        assert result.exit_code == 2, result.output
        assert result.stdout == ""
        *progress, line = result.stderr.splitlines()
        assert line.startswith("neuflow: error: "), result.stderr
        assert not any("error" in text or "Traceback" in text for text in progress)
        for part in says:
            assert part in line, line
        assert self.content() == before

    def content(self):
        return {name: (self.path / name).read_bytes() for name in os.listdir(self.path)}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Folder(tmp_path)


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """Return the bytes of a small valid program."""
    path = tmp_path_factory.mktemp("compiled")
    models.good(path / "small.onnx")
    np.savez(path / "calibration.npz", **models.calibration())
    result = Folder(path).neuflow(
        "compile", path / "small.onnx", "--calibration", path / "calibration.npz",
        "-o", path / "small.neuflow")
    assert result.exit_code == 0, result.output
    return (path / "small.neuflow").read_bytes()


@pytest.fixture
def program(folder, compiled):
    path = folder.path / "small.neuflow"
    path.write_bytes(compiled)
    np.save(folder.path / "image.npy", np.zeros((1, 1, 6, 6), np.float32))
    return path


def compiles(folder, proto, *options):
    """Return the arguments that compile a model with calibration data that suits it."""
    models.save(folder.path / "small.onnx", proto)
    np.savez(folder.path / "calibration.npz", **models.calibration())
    return ("compile", "small.onnx", "--calibration", "calibration.npz", *options)


def test_a_program_that_is_not_proved_is_not_written(folder, monkeypatch):
    def wrong(*arguments, **options):
        program = compile_model(*arguments, **options)
        _, _, address, _ = next(weight_channels(program))
        return flipped_sample(program, address, 4)

    models.good(folder.path / "small.onnx")
    monkeypatch.setattr("compiler.compile.compile_model", wrong)
    folder.refuses("compile", "small.onnx", says=[
        "not proved", "step 0, tile ", "no map of first", "--no-verify"])
    result = folder.neuflow("compile", "small.onnx", "--no-verify", "--json")
    assert result.exit_code == 0 and not json.loads(result.stdout)["verified"]
    assert folder.neuflow("verify", "small.neuflow").exit_code == 1


@pytest.mark.parametrize(("options", "says"), [
    (("--jobs", "0"), ["jobs must be at least 1, not 0"]),
    (("--dask", "nowhere:::"), ["no Dask scheduler answers at 'nowhere:::'", "tcp://HOST:8786"]),
    (("--jobs", "2", "--trace", "x.fst", "--backend", "rtl"), ["x.fst", "leave out --jobs"]),
])
def test_workers_that_cannot_be_had(program, folder, monkeypatch, options, says):
    monkeypatch.setattr("host.batch._ANSWER", 0.5)
    folder.refuses("run", "small.neuflow", "image.npy", "--backend", "functional", *options,
                   says=says)


@pytest.mark.parametrize("content", [b"", b"not a model\n" * 9, b"\x89PNG\r\n\x1a\n" * 20, None])
def test_not_an_onnx_file(folder, content):
    if content is None:
        content = models.convolution().SerializeToString()[:-40]
    (folder.path / "small.onnx").write_bytes(content)
    folder.refuses("compile", "small.onnx", says=["small.onnx", "ONNX"])


def test_a_missing_model(folder):
    folder.refuses("compile", "absent.onnx", says=["absent.onnx", "No such file"])


def test_an_unsupported_operation(folder):
    proto = models.convolution(then="NonZero")
    folder.refuses(*compiles(folder, proto), says=["second", "NonZero", "Conv", "Tanh"])


def test_an_unsupported_attribute(folder):
    proto = models.convolution(auto_pad="MIRROR")
    folder.refuses(*compiles(folder, proto),
                   says=["first (Conv)", "attribute auto_pad is 'MIRROR'", "SAME_UPPER"])


@pytest.mark.parametrize("shape", [(1, "maps", 6, 6), (1, 1, "height", 6)])
def test_dynamic_shapes(folder, shape):
    proto = models.convolution(shape=shape)
    folder.refuses(*compiles(folder, proto), says=["image", "shape"])


@pytest.mark.parametrize(("op", "shape", "attributes", "says"), [
    ("MaxPool", (40, 256, 256), {"kernel_shape": [2, 2]},
     ["input 'x'", "5,242,880", "of memory", "target tiny has 4,194,304"]),
    ("AveragePool", (1, 260, 260), {"kernel_shape": [256, 256]},
     ["big: ", "window of 65536 samples", "65535"]),
    ("Relu", (1 << 10, 30000, 30000), {}, ["input 'x'", "2147483648"])])
def test_a_network_that_exceeds_the_machine(folder, op, shape, attributes, says):
    proto = compiler_models.model([compiler_models.node(op, ["x"], "y", "big", **attributes)],
                                  {"x": (1, *shape)})
    models.save(folder.path / "big.onnx", proto)
    folder.refuses("compile", "big.onnx", says=says)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_no_numbers(folder, value):
    weight = np.full((2, 1, 3, 3), 0.1)
    weight[1, 0, 2, 1] = value
    proto = models.convolution(weight=weight)
    folder.refuses(*compiles(folder, proto), says=["weight", "finite"])


@pytest.mark.parametrize(("arrays", "says"), [
    (models.calibration(shape=(1, 5, 6)), ["image", "5", "6"]),
    (models.calibration(name="picture"), ["image", "picture"]),
    (models.calibration(count=0), ["image"]),
    ({"image": np.full((4, 1, 6, 6), np.nan, np.float32)}, ["image", "finite"]),
])
def test_calibration_that_does_not_fit(folder, arrays, says):
    models.good(folder.path / "small.onnx")
    np.savez(folder.path / "wrong.npz", **arrays)
    folder.refuses("compile", "small.onnx", "--calibration", "wrong.npz", says=says)


def test_calibration_that_is_no_archive(folder):
    models.good(folder.path / "small.onnx")
    (folder.path / "wrong.npz").write_text("not arrays")
    folder.refuses("compile", "small.onnx", "--calibration", "wrong.npz",
                   says=["wrong.npz", "numpy.savez"])
    folder.refuses("compile", "small.onnx", "--calibration", "absent.npz",
                   says=["absent.npz", "No such file"])


def test_an_unknown_target(folder):
    models.good(folder.path / "small.onnx")
    says = ["'large'", "tiny, virtex6-lx240t, asic-45nm, ecp5-85k"]
    folder.refuses("compile", "small.onnx", "--target", "large", says=says)
    folder.refuses("verilog", "--target", "large", "-o", "out", says=says)


@pytest.mark.parametrize("options, says", [
    (("--link", "3"), ["divisor must be at least 4 cycles a bit, not 3"]),
    (("--baud", "99000000"), ["100,000,000 Hz", "99,000,000 baud", "25,000,000"]),
    (("--baud", "9600", "--link", "8"), ["--link 8", "--baud 9600", "leave out one"]),
    (("--no-bus",), ["add --link or --baud"])])
def test_an_impossible_link(folder, options, says):
    folder.refuses("verilog", "--target", "tiny", "-o", "out", *options, says=says)


def test_a_folder_to_write_to_that_does_not_exist(folder):
    folder.refuses(*compiles(folder, models.convolution()), "-o", "absent/small.neuflow",
                   says=["absent"])


def test_a_program_for_another_target(folder, program, monkeypatch):
    other = dataclasses.replace(target.TARGETS["tiny"], banks=2)
    monkeypatch.setitem(target.TARGETS, "tiny", other)
    folder.refuses("run", "small.neuflow", "image.npy", "-o", "out.npz", "--backend", "reference",
                   says=[f"{other.fingerprint:016x}", "neuflow compile"])


@pytest.mark.parametrize("size", [0, 1, 0.5, 0.9, -1])
def test_a_truncated_program(folder, program, size):
    content = program.read_bytes()
    length = int(size * len(content)) if isinstance(size, float) else size
    program.write_bytes(content[:length])
    folder.refuses("run", "small.neuflow", "image.npy", "-o", "out.npz", says=["small.neuflow"])


@pytest.mark.parametrize("member", ["image.bin", "manifest.json"])
def test_an_altered_program(folder, program, member):
    with zipfile.ZipFile(program) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    content = bytearray(members[member])
    content[len(content) // 2] ^= 1
    members[member] = bytes(content)
    with zipfile.ZipFile(program, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    folder.refuses("run", "small.neuflow", "image.npy", "-o", "out.npz", says=["small.neuflow"])


def test_a_file_that_is_no_program(folder, program):
    folder.refuses("run", "image.npy", "image.npy", says=["image.npy"])
    folder.refuses("run", "absent.neuflow", "image.npy", says=["absent.neuflow", "No such file"])


@pytest.mark.parametrize(("array", "says"), [
    (np.zeros((1, 1, 6, 5), np.float32), ["image", "6, 5", "6, 6"]),
    (np.zeros((1, 2, 6, 6), np.float32), ["image", "1, 2, 6, 6", "1, 1, 6, 6"]),
    (np.full((1, 1, 6, 6), "a"), ["image", "<U1", "real numbers"]),
    (np.zeros((1, 1, 6, 6), np.complex64), ["image", "complex64", "real numbers"]),
    (np.full((1, 1, 6, 6), np.nan, np.float32), ["image", "finite"]),
])
def test_an_input_of_the_wrong_shape_or_type(folder, program, array, says):
    np.save("wrong.npy", array)
    folder.refuses("run", "small.neuflow", "wrong.npy", "-o", "out.npz", "--backend", "reference",
                   says=says)


def test_inputs_of_the_wrong_name(folder, program):
    np.savez("wrong.npz", picture=np.zeros((1, 1, 6, 6), np.float32))
    folder.refuses("run", "small.neuflow", "wrong.npz", "--backend", "reference",
                   says=["picture", "image"])


def test_an_input_that_is_no_array(folder, program):
    (folder.path / "wrong.npy").write_text("not an array")
    folder.refuses("run", "small.neuflow", "wrong.npy", says=["wrong.npy", "numpy.save"])


def test_an_unknown_backend(folder, program):
    folder.refuses("run", "small.neuflow", "image.npy", "--backend", "fpga",
                   says=["'fpga'", "reference", "rtl"])


def test_a_trace_where_nothing_has_waves(folder, program):
    folder.refuses("run", "small.neuflow", "image.npy", "--backend", "reference",
                   "--trace", "waves.fst", says=["reference", "rtl"])


def test_a_trace_of_an_unknown_kind(folder, program):
    folder.refuses("run", "small.neuflow", "image.npy", "--trace", "waves.txt",
                   says=["waves.txt", ".fst", ".vcd"])


def test_the_process_ends_like_the_command(folder):
    result = subprocess.run(
        [sys.executable, "-c", "from host.cli import main; main()", "targets", "--json"],
        capture_output=True, text=True, cwd=os.path.dirname(os.path.dirname(cli.__file__)))
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)
    result = subprocess.run(
        [sys.executable, "-c", "from host.cli import main; main()", "verilog", "--target", "no"],
        capture_output=True, text=True, cwd=os.path.dirname(os.path.dirname(cli.__file__)))
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1
