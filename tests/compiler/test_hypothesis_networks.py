"""Random ONNX graphs through the whole compiler: onnxruntime, reference, machine, Verilog."""

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from onnx import helper

from compiler.compile import compile_graph
from compiler.execute import execute
from compiler.frontend.onnx_import import import_onnx
from compiler.pipeline import simplify
from hdl.target import get_target
from host.device import open_device
from sim.verify import verify_program
from tests.compiler.models import model, node, run_onnx
from tests.compiler.onnx_graphs import onnx_graphs

#: Share of the largest number in a network by which 16 bits may miss one of its outputs.
WORST = 1 / 64

COMMON = {"deadline": None, "print_blob": True, "derandomize": True, "database": None,
          "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large]}


def check(proto, shapes, chosen, target, backends):
    """Compile a model; compare float graph, fixed-point graph and backends."""
    rng = np.random.default_rng(1)
    samples = {name: rng.uniform(-1, 1, (8, *shape)).astype(np.float32)
               for name, shape in shapes.items()}
    inputs = {name: values[0] for name, values in samples.items()}
    wanted = run_onnx(proto, inputs)
    imported = import_onnx(proto)
    graph = simplify(imported)
    for made in (imported, graph):
        found = execute(made, {name: values.reshape(1, *made.shapes[name]).astype(np.float64)
                               for name, values in inputs.items()})
        found = {name: found[name].reshape(made.output_shapes[name]) for name in wanted}
        largest = max(float(np.abs(values).max()) for values in found.values())
        assert_near(found, wanted, chosen, 1e-5 * max(1, largest))
    calibration = {name: values[:, 0] if shapes[name][0] == 1 else values
                   for name, values in samples.items()}
    program = compile_graph(graph, get_target(target), calibration)
    verdict = verify_program(program)
    assert verdict.proved, verdict.faults
    with open_device(program, "reference") as device:
        expected = device.run(inputs)
    for backend in backends:
        with open_device(program, backend) as device:
            found = device.run(inputs)
        for name, values in expected.items():
            np.testing.assert_array_equal(found[name], values, err_msg=f"{backend}: {name}")
    assert_near(expected, wanted, chosen, max(largest, 1) * WORST)


def assert_near(found, wanted, chosen, tolerance):
    """Check outputs; where numbers name places, that the samples there are about the largest."""
    for name, values in wanted.items():
        assert found[name].shape == values.shape, name
        if name not in chosen:
            assert np.abs(found[name] - values).max() <= tolerance, name
            continue
        source, axis, sign = chosen[name]
        places = found[name].astype(np.int64)
        if values.ndim < wanted[source].ndim:
            places = np.expand_dims(places, axis)
        samples = sign * wanted[source]
        taken = np.take_along_axis(samples, places, axis)
        assert (samples.max(axis, keepdims=True) - taken).max() <= tolerance, name


def test_another_network_is_found(monkeypatch):
    """The check fails when the compiler makes a consistent program of another network."""
    shapes, weights = {"x": (1, 3, 5)}, {"c": np.float32(1.5)}
    protos = [model([node("Tanh", ["x"], "t"), node(op, ["t", "c"], "y")], shapes,
                    constants=weights) for op in ("Add", "Mul")]
    check(protos[0], shapes, {}, "tiny", ["functional"])
    wrong = import_onnx(protos[1])
    monkeypatch.setattr(f"{__name__}.import_onnx", lambda proto: wrong)
    with pytest.raises(AssertionError, match="y"):
        check(protos[0], shapes, {}, "tiny", ["functional"])


#: What random graphs must be made of.
KINDS = set((
    "Add ArgMax ArgMin AveragePool BatchNormalization Clip Concat Conv ConvTranspose DepthToSpace "
    "Div Expand Flatten Gather Gelu Gemm GlobalAveragePool GlobalMaxPool InstanceNormalization "
    "LRN LayerNormalization LogSoftmax LpPool MatMul Max MaxPool Mean Min Mul PRelu Pad Pow "
    "Reciprocal ReduceL1 ReduceL2 ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceSum "
    "ReduceSumSquare Relu Reshape Resize Sigmoid Slice Softmax SpaceToDepth Split Sqrt Squeeze "
    "Sub Sum Tanh Tile Transpose Unsqueeze").split())


def test_graphs_have_every_kind_of_node():
    seen, modes, ranks = set(), set(), set()

    @settings(max_examples=600, phases=[Phase.generate], **COMMON)
    @given(onnx_graphs(most_nodes=16))
    def look(made):
        proto, *_ = made
        for one in proto.graph.node:
            seen.add(one.op_type)
            attributes = {each.name: helper.get_attribute_value(each) for each in one.attribute}
            if one.op_type in ("Pad", "Resize"):
                modes.add((one.op_type, attributes["mode"].decode()))
            if one.op_type == "Conv":
                ranks.add(len(attributes["kernel_shape"]))

    look()
    assert seen >= KINDS, KINDS - seen
    assert modes == {("Pad", "constant"), ("Pad", "edge"), ("Pad", "reflect"), ("Pad", "wrap"),
                     ("Resize", "linear"), ("Resize", "nearest")}
    assert ranks == {1, 2, 3}


@settings(max_examples=60, **COMMON)
@given(onnx_graphs())
def test_random_graphs(made):
    check(*made, "tiny", ["functional"])


@pytest.mark.slow
@settings(max_examples=500, **COMMON | {"derandomize": False})
@given(onnx_graphs(most_nodes=16))
def test_many_random_graphs(made):
    check(*made, "tiny", ["functional"])


@pytest.mark.slow
@settings(max_examples=60, **COMMON)
@given(onnx_graphs(most_nodes=12))
def test_random_graphs_on_the_grid(made):
    check(*made, "virtex6-lx240t", ["functional"])


@pytest.mark.rtl
@settings(max_examples=20, **COMMON)
@given(onnx_graphs(most_nodes=6))
def test_random_graphs_in_verilog(made):
    check(*made, "tiny", ["functional", "rtl"])
