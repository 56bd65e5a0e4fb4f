from pathlib import Path

import numpy as np
import pytest

from compiler.compile import compile_model
from compiler.errors import CalibrationError, CompileError, ModelError, UnsupportedError
from compiler.fixed import FixedGraph
from examples.lenet5 import data
from hdl.target import TARGETS
from tests.compiler.models import model, network, node, random_inputs

LENET = Path(data.__file__).with_name("lenet5.onnx")


@pytest.mark.parametrize("target", TARGETS)
def test_lenet_compiles_for_every_target(target):
    lines = []
    program = compile_model(LENET, target, data.calibration(20), lines.append)
    assert lines == ["Reading the model", "Quantising", f"Lowering to {target}"]
    assert isinstance(program.graph, FixedGraph)
    assert (program.target, program.fingerprint) == (target, TARGETS[target].fingerprint)
    manifest = program.manifest
    assert manifest["fingerprint"] == f"{program.fingerprint:016x}"
    assert [entry["name"] for entry in manifest["inputs"]] == ["image"]
    assert manifest["outputs"][0]["shape"] == [1, 10]
    assert manifest["outputs"][0]["maps"] == [10, 1, 1]
    assert manifest["quantisation"]["warnings"] == []
    # A step that does several layers names them all.
    layers = {layer for step in manifest["steps"] for layer in step["layer"].split("+")}
    assert {"conv1", "conv2", "conv3", "fc"} <= layers
    macs = 6 * 28**2 * 25 + 12 * 10**2 * 6 * 25 + 100 * 12 * 25 + 1000
    assert sum(step["macs"] for step in manifest["steps"]) == macs
    assert program.predicted_cycles >= macs / TARGETS[target].multipliers
    assert len(program.image) <= TARGETS[target].memory.size


def test_a_target_can_be_given_as_itself():
    proto, shapes = network()
    calibration = random_inputs(shapes, samples=4)
    named = compile_model(proto, "tiny", calibration)
    assert compile_model(proto, TARGETS["tiny"], calibration).to_bytes() == named.to_bytes()


def test_compiling_without_calibration_warns():
    program = compile_model(network()[0])
    warning, = program.manifest["quantisation"]["warnings"]
    assert warning.startswith("no calibration data: ")


@pytest.mark.parametrize(("changes", "error", "text"), [
    ({"model": "missing.onnx"}, ModelError, "missing.onnx: cannot be read"),
    ({"target": "huge"}, CompileError, "unknown target 'huge'; targets are tiny, virtex6-lx240t, "),
    ({"calibration": {"picture": np.zeros((1, 1, 32, 32))}}, CalibrationError,
     "'picture' is for no input; the inputs are 'image'"),
    ({"model": model([node("NonZero", ["x"], "y", "where")], {"x": (1, 3)})}, UnsupportedError,
     r"where \(NonZero\): this operator is not supported; supported are Abs"),
])
def test_what_is_refused(changes, error, text):
    with pytest.raises(error, match=text):
        compile_model(**{"model": LENET, "target": "tiny", **changes})
