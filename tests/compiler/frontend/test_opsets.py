"""Every operator in every form that it has had since operator set 7."""

import numpy as np
import onnx
import pytest
from onnx.reference import ReferenceEvaluator

from compiler.execute import execute
from compiler.frontend.onnx_file import OLDEST_OPSET
from compiler.frontend.onnx_import import import_onnx
from compiler.pipeline import simplify
from tests.compiler.models import model, node, run_onnx

#: Operator sets that the installed onnxruntime runs; newer ones run on onnx's own evaluator.
_ONNXRUNTIME = 21

#: What has no such evaluator; newer forms only take more types.
_UNCHANGED = ("GlobalLpPool",)

_IMAGE = (1, 4, 6, 6)
_RNG = np.random.default_rng(9)


def _numbers(*shape):
    return _RNG.uniform(-1, 1, shape).astype(np.float32)


def _whole(*values):
    return np.array(values, np.int64)


def _axes_input(since):
    """Return a maker of an operator whose axes became an input in a version."""
    def form(version):
        return ({"a": _whole(2)}, {"keepdims": 1}) if version >= since \
            else ({}, {"axes": [2], "keepdims": 1})
    return form


def _clip(version):
    return ({}, {"min": -0.3, "max": 0.4}) if version < 11 \
        else ({"low": np.float32(-0.3), "high": np.float32(0.4)}, {})


def _split(version):
    return ({}, {"axis": 1, "split": [1, 3]}) if version < 13 else ({"n": _whole(1, 3)},
                                                                    {"axis": 1})


def _slice(version):
    return ({}, {"starts": [1], "ends": [-1], "axes": [2]}) if version < 10 \
        else ({"s": _whole(1), "e": _whole(-1), "a": _whole(2)}, {})


def _pad(version):
    pads = [0, 0, 1, 2, 0, 0, 0, 1]
    return ({}, {"pads": pads, "value": 0.5}) if version < 11 \
        else ({"p": _whole(*pads), "v": np.float32(0.5)}, {})


def _squeeze(version):
    return ({}, {"axes": [0]}) if version < 13 else ({"a": _whole(0)}, {})


def _resize(version):
    scales = np.array([1, 1, 2, 2], np.float32)
    return ({"s": scales}, {"mode": "linear"}) if version < 11 else (
        {"r": np.zeros(0, np.float32), "s": scales}, {"mode": "linear"})


def _upsample(version):
    return ({}, {"scales": [1.0, 1.0, 2.0, 2.0]}) if version < 9 else (
        {"s": np.array([1, 1, 2, 2], np.float32)}, {})


def _windows(version):
    return {}, {"kernel_shape": [3, 2], "strides": [2, 1], "pads": [1, 0, 0, 1]}


def _gemm(version):
    return {"w": _numbers(5, 4), "b": _numbers(4)}, {"alpha": 0.5}


def _mode(version):
    return {}, {"blocksize": 2, **({"mode": "CRD"} if version >= 11 else {})}


def _batch_norm(version):
    return {"s": _numbers(4), "b": _numbers(4), "m": _numbers(4), "v": 1 + _numbers(4) ** 2}, {}


def _join(version):
    # Before version 7, or 8, nothing is broadcast.
    values = np.float32([[[[1.5]], [[-2]], [[0.5]], [[3]]]])
    return {"c": values if version >= 7 else np.broadcast_to(values, _IMAGE)}, {}


def _plain(**attributes):
    return lambda version: ({}, attributes)


def _with(attributes=None, **constants):
    return lambda version: (constants, attributes or {})


_FUNCTIONS = (
    "Abs Celu Dropout Elu Erf Gelu HardSigmoid HardSwish Identity LeakyRelu Mish Neg Relu Selu "
    "Shrink Sigmoid Softplus Softsign Tanh ThresholdedRelu Exp").split()
_POSITIVE = "Log Reciprocal Sqrt".split()
_JOINS = "Add Div Max Mean Min Mul Sub Sum".split()

#: For each operator how it is made in a version: (constants, attributes).
FORMS = {
    **dict.fromkeys((*_FUNCTIONS, *_POSITIVE, "GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool"),
                    _plain()),
    **dict.fromkeys(_JOINS, _join),
    "ArgMax": _plain(axis=1), "AveragePool": _windows, "BatchNormalization": _batch_norm,
    "Clip": _clip, "Concat": _with({"axis": 1}, c=_numbers(1, 2, 6, 6)),
    "Conv": _with({"pads": [1, 0, 0, 1]}, w=_numbers(3, 4, 3, 2), b=_numbers(3)),
    "ConvTranspose": _with({"strides": [2, 1]}, w=_numbers(4, 2, 3, 2)),
    "DepthToSpace": _mode, "Flatten": _plain(axis=2), "Gemm": _gemm,
    "InstanceNormalization": _with({"epsilon": 0.1}, s=_numbers(4), b=_numbers(4)),
    "LRN": _plain(size=3, alpha=0.5), "LogSoftmax": _plain(axis=1), "LpPool": _windows,
    "MatMul": _with(w=_numbers(6, 5)), "MaxPool": _windows,
    "PRelu": _with(s=_numbers(4, 1, 1)), "Pad": _pad,
    **dict.fromkeys(("ReduceL2", "ReduceMax", "ReduceMean", "ReduceMin"), _axes_input(18)),
    "ReduceSum": _axes_input(13), "Reshape": _with(s=_whole(2, -1, 9)), "Resize": _resize,
    "Slice": _slice, "Softmax": _plain(axis=1), "SpaceToDepth": _plain(blocksize=2),
    "Split": _split, "Squeeze": _squeeze, "Transpose": _plain(perm=[2, 0, 3, 1]),
    "Unsqueeze": _squeeze, "Upsample": _upsample,
}


def _versions():
    """Return (operator, version) for each form that a model from OLDEST_OPSET on can have."""
    found = []
    for name in sorted({*FORMS, "Cast", "Constant", "DequantizeLinear", "QuantizeLinear"}):
        schemas = {schema.since_version: schema for schema in
                   onnx.defs.get_all_schemas_with_history()
                   if schema.name == name and schema.domain == ""}
        oldest = max((one for one in schemas if one <= OLDEST_OPSET), default=0)
        found += [(name, version) for version, schema in sorted(schemas.items())
                  if version >= oldest and not schema.deprecated]
    return found


def _steps(opset):
    """Return a model that quantises its input and weights, and goes back."""
    nodes = [node("QuantizeLinear", ["x", "step", "zero"], "q"),
             node("DequantizeLinear", ["q", "step", "zero"], "d"),
             node("DequantizeLinear", ["w", "step", "zero"], "weights"),
             node("Conv", ["d", "weights"], "y")]
    constants = {"w": _RNG.integers(-9, 9, (2, 4, 3, 3)).astype(np.int8),
                 "step": np.float32(2**-5), "zero": np.int8(3)}
    return model(nodes, {"x": _IMAGE}, constants=constants, opset=opset)


def _constant(opset):
    value = onnx.numpy_helper.from_array(_numbers(4, 1, 1))
    nodes = [node("Constant", [], "c", value=value), node("Mul", ["x", "c"], "y")]
    return model(nodes, {"x": _IMAGE}, opset=opset)


def _cast(opset):
    nodes = [node("Cast", ["x"], "f", to=onnx.TensorProto.FLOAT), node("Relu", ["f"], "y")]
    return model(nodes, {"x": _IMAGE}, opset=opset)


_WHOLE_MODELS = {"Cast": _cast, "Constant": _constant, "DequantizeLinear": _steps,
                 "QuantizeLinear": _steps}


def _model(name, version):
    opset = max(version, OLDEST_OPSET)
    if name in _WHOLE_MODELS:
        return _WHOLE_MODELS[name](opset)
    constants, attributes = FORMS[name](version)
    shape = (3, 5) if name == "Gemm" else _IMAGE
    names = ["y", "z"] if name == "Split" else ["y"]
    nodes, source = [], "x"
    if name in _POSITIVE:
        nodes, source = [node("Sigmoid", ["x"], "p")], "p"
    made = node(name, [source, *constants], "y", **attributes)
    made.output.extend(names[1:])
    return model([*nodes, made], {"x": shape}, names, constants, opset=opset,
                 integers=("y",) if name == "ArgMax" else ())


@pytest.mark.parametrize(("name", "version"), _versions())
def test_each_form_computes_what_onnx_says(name, version):
    proto = _model(name, version)
    shape = [entry.dim_value for entry in proto.graph.input[0].type.tensor_type.shape.dim]
    x = np.random.default_rng(2).uniform(-1, 1, shape).astype(np.float32)
    opset = proto.opset_import[0].version
    context = onnx.checker.C.CheckerContext()
    context.ir_version, context.opset_imports = proto.ir_version, {"": opset}
    for made in proto.graph.node:
        # The form is one of this operator set.
        onnx.checker.check_node(made, context)
    if opset <= _ONNXRUNTIME:
        wanted = run_onnx(proto, {"x": x})
    elif name in _UNCHANGED:
        older = onnx.ModelProto.FromString(proto.SerializeToString())
        older.opset_import[0].version = _ONNXRUNTIME
        wanted = run_onnx(older, {"x": x})
    else:
        names = [output.name for output in proto.graph.output]
        wanted = dict(zip(names, ReferenceEvaluator(proto).run(None, {"x": x}), strict=True))
    for graph in (imported := import_onnx(proto), simplify(imported)):
        found = execute(graph, {"x": x.reshape(1, *graph.shapes["x"]).astype(np.float64)})
        for output, values in wanted.items():
            assert graph.output_shapes[output] == values.shape
            np.testing.assert_allclose(found[output].reshape(values.shape), values, rtol=2e-5,
                                       atol=2e-6)
