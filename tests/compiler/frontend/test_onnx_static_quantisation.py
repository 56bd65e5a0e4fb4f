"""Models that onnxruntime has quantised, with pairs of QuantizeLinear and DequantizeLinear."""

import numpy as np
import onnx
import pytest
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_static,
)

from compiler.compile import compile_model
from host.device import open_device
from sim.verify import verify_program
from tests.compiler import models

SAMPLES = 24


class _Reader(CalibrationDataReader):
    def __init__(self, samples):
        self.left = iter(samples)

    def get_next(self):
        sample = next(self.left, None)
        return None if sample is None else {"x": sample}


@pytest.fixture(scope="module")
def samples():
    rng = np.random.default_rng(8)
    return [rng.uniform(-1, 1, (1, 3, 8, 8)).astype(np.float32) for _ in range(SAMPLES)]


@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("activations", ["QInt8", "QUInt8", "QInt16", "QUInt16"])
@pytest.mark.parametrize("per_channel", [True, False], ids=["channels", "tensors"])
def test_as_near_to_the_float_model_as_in_onnxruntime(tmp_path, samples, activations, symmetric,
                                                      per_channel):
    proto, _ = models.network()
    onnx.save(proto, tmp_path / "float.onnx")
    quantize_static(
        tmp_path / "float.onnx", tmp_path / "steps.onnx", _Reader(samples),
        quant_format=QuantFormat.QDQ, per_channel=per_channel, weight_type=QuantType.QInt8,
        activation_type=QuantType[activations],
        extra_options={"ActivationSymmetric": symmetric})
    steps = onnx.load(tmp_path / "steps.onnx")
    assert {"QuantizeLinear", "DequantizeLinear"} <= {node.op_type for node in steps.graph.node}
    program = compile_model(steps, "tiny", {"x": np.concatenate(samples)})
    assert verify_program(program).proved
    batch = {"x": np.concatenate(samples)}
    runs = {}
    for backend in ("functional", "reference"):
        with open_device(program, backend) as device:
            runs[backend] = device.run(batch)
    noise = {"machine": 0.0, "onnxruntime": 0.0}
    for index, sample in enumerate(samples):
        exact, stepped = (models.run_onnx(one, {"x": sample}) for one in (proto, steps))
        for name, values in exact.items():
            found = runs["functional"][name]
            np.testing.assert_array_equal(found, runs["reference"][name])
            noise["machine"] += np.sum((found[index].reshape(values.shape) - values) ** 2)
            noise["onnxruntime"] += np.sum((stepped[name] - values) ** 2)
    # Steps differ where a sum lies in the middle of two: onnxruntime rounds to the even one.
    assert noise["machine"] < 1.3 * noise["onnxruntime"], noise
