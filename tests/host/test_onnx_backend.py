import numpy as np
import pytest
from onnx import helper

from compiler.errors import CompileError
from host.onnx_backend import NeuFlowBackend, bind
from host.samples import InputError
from tests.compiler.models import model, node, run_onnx

TARGET = "tiny"


def conv_model():
    """A convolution whose weights are an input, of a batch that is not known."""
    proto = model([node("Conv", ["x", "w"], "c"), node("Relu", ["c"], "y")],
                  {"x": (None, 2, 5, 5), "w": (3, 2, 2, 2)})
    return proto


def data(seed=0, samples=2, scale=1.0):
    rng = np.random.default_rng(seed)
    return [rng.uniform(-scale, scale, shape).astype(np.float32)
            for shape in ((samples, 2, 5, 5), (3, 2, 2, 2))]


def check(prepared, inputs):
    wanted = run_onnx(conv_model(), dict(zip("xw", inputs, strict=True)))["y"]
    found = prepared.run(inputs)
    assert found.y.shape == wanted.shape and found.y.dtype == np.float32
    assert np.abs(found.y - wanted).max() < np.abs(wanted).max() / 1000
    assert found["y"] is found[0] is found.y


@pytest.mark.parametrize("device", ["functional", "reference", "CPU"])
def test_a_model_is_compiled_for_the_data_it_first_runs_on(device):
    prepared = NeuFlowBackend.prepare(conv_model(), device, target=TARGET)
    assert prepared.program is None
    check(prepared, data())
    assert prepared.program.manifest["inputs"][0]["shape"] == [2, 2, 5, 5]


def test_other_weights_shapes_or_larger_numbers_compile_again():
    prepared = NeuFlowBackend.prepare(conv_model(), "reference", target=TARGET)
    image, weights = data()
    check(prepared, [image, weights])
    first = prepared.program
    check(prepared, [image / 2, weights])
    assert prepared.program is first
    for inputs in ([image, weights * 2], [image[:1], weights], [image * 5, weights]):
        before = prepared.program
        check(prepared, inputs)
        assert prepared.program is not before


def test_run_model_and_run_node():
    inputs = data()
    wanted = run_onnx(conv_model(), dict(zip("xw", inputs, strict=True)))["y"]
    found, = NeuFlowBackend.run_model(conv_model(), inputs, "reference", target=TARGET)
    assert np.abs(found - wanted).max() < 0.01
    found, = NeuFlowBackend.run_node(helper.make_node("Conv", ["x", "w"], ["y"]), inputs,
                                     "reference", target=TARGET, opset_version=13)
    assert np.abs(np.maximum(found, 0) - wanted).max() < 0.01


def test_inputs_by_name_and_initialisers_listed_as_inputs():
    image, weights = data()
    prepared = NeuFlowBackend.prepare(bind(conv_model(), {"w": weights}, {}), "reference",
                                      target=TARGET)
    named = prepared.run({"x": image}).y
    assert np.array_equal(named, prepared.run([image]).y)
    with pytest.raises(InputError, match="the model's inputs are x; give one array for each"):
        prepared.run([image, weights])


def test_what_cannot_run():
    prepared = NeuFlowBackend.prepare(model([node("NonZero", ["x"], "y")], {"x": (2, 2)}))
    with pytest.raises(CompileError, match="NonZero"):
        prepared.run([np.ones((2, 2), np.float32)])
    assert not NeuFlowBackend.is_compatible(prepared.model)
    assert NeuFlowBackend.is_compatible(conv_model())
    with pytest.raises(ValueError, match="unknown device 'CUDA'; devices are reference"):
        NeuFlowBackend.prepare(conv_model(), "CUDA")
    with pytest.raises(ValueError, match="unknown target 'huge'; targets are"):
        NeuFlowBackend.prepare(conv_model(), target="huge")


def test_binding_leaves_the_model_alone():
    proto = conv_model()
    before = proto.SerializeToString()
    bound = bind(proto, {"w": data()[1]}, {"x": (1, 2, 5, 5)})
    assert proto.SerializeToString() == before and len(bound.graph.input) == 1
