import re

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from compiler.errors import ModelError, UnsupportedError
from compiler.frontend.onnx_import import import_onnx
from tests.compiler.models import model, network, node


def conv(**changes):
    constants = {"w": np.ones((2, 3, 3, 3)), **changes}
    return model([node("Conv", ["x", "w"], "y", "conv1")], {"x": (1, 3, 8, 8)},
                 constants=constants)


def refused(proto, text):
    with pytest.raises(ModelError, match=text):
        import_onnx(proto)


def test_a_path_its_bytes_and_the_model_are_the_same(tmp_path):
    proto, _ = network()
    path = tmp_path / "net.onnx"
    onnx.save(proto, path)
    graphs = [import_onnx(source) for source in (path, str(path), path.read_bytes(), proto)]
    assert len({tuple(node.name for node in graph.nodes) for graph in graphs}) == 1


def test_the_users_model_stays_as_it_was():
    proto, _ = network()
    before = proto.SerializeToString()
    import_onnx(proto)
    assert proto.SerializeToString() == before


def test_no_such_file(tmp_path):
    refused(tmp_path / "net.onnx", r"net\.onnx: cannot be read: No such file")
    refused(tmp_path, "cannot be read: Is a directory")


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x1a\n", b"hello, world", bytes(1000)])
def test_not_an_onnx_file(content, tmp_path):
    path = tmp_path / "net.onnx"
    path.write_bytes(content)
    refused(path, rf"^{re.escape(str(path))}: not an ONNX model, or a truncated one")


def test_every_truncation_is_refused():
    content = network()[0].SerializeToString()
    for length in range(0, len(content) - 1, 37):
        with pytest.raises(ModelError):
            import_onnx(content[:length])


@pytest.mark.parametrize(("version", "text"), [(6, "6 is not supported; supported are 7 to "),
                                               (9999, "9999 is not supported")])
def test_operator_set_out_of_range(version, text):
    proto = conv()
    proto.opset_import[0].version = version
    refused(proto, rf"operator set \(opset\) {text}")


def test_no_operator_set():
    proto = conv()
    del proto.opset_import[:]
    refused(proto, "imports no standard operator set")


def external(proto, folder, location="weights.bin"):
    """Move the weights of a model into another file."""
    onnx.external_data_helper.convert_model_to_external_data(
        proto, all_tensors_to_one_file=True, location=location, size_threshold=0)
    onnx.save(proto, folder / "net.onnx")
    return folder / "net.onnx"


def test_external_data_is_read(tmp_path):
    path = external(conv(), tmp_path)
    assert import_onnx(path).nodes[0].weights.sum() == 54


def test_external_data_is_missing(tmp_path):
    path = external(conv(), tmp_path)
    (tmp_path / "weights.bin").unlink()
    refused(path, "initialiser 'w' has its data in another file, 'weights.bin', which does not "
                  "exist; put it beside the model")


def test_external_data_is_truncated(tmp_path):
    path = external(conv(), tmp_path)
    (tmp_path / "weights.bin").write_bytes(b"1234")
    refused(path, "initialiser 'w'")


def test_external_data_without_a_folder(tmp_path):
    content = external(conv(), tmp_path).read_bytes()
    refused(content, "the model was not read from a file; give the path of its file")


@pytest.mark.parametrize("location", ["/etc/passwd", "../secret", ""])
def test_external_data_elsewhere(tmp_path, location):
    proto = onnx.load(external(conv(), tmp_path), load_external_data=False)
    proto.graph.initializer[0].external_data[0].value = location
    onnx.save(proto, tmp_path / "net.onnx")
    refused(tmp_path / "net.onnx", "is not a path below the model's folder")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_weights_that_are_not_finite(bad):
    weights = np.ones((2, 3, 3, 3))
    weights[1, 0, 2, 1] = bad
    refused(conv(w=weights), r"conv1 \(Conv\): weights \(initialiser 'w'\) hold 1 values that are "
                             r"NaN or infinite, the first at \[1, 0, 2, 1\]")


def test_initialiser_with_too_little_data():
    proto = conv()
    proto.graph.initializer[0].dims[0] = 7
    refused(proto, r"initialiser 'w' of shape \[7, 3, 3, 3\] does not have the data for it")


@pytest.mark.parametrize(("size", "text"), [
    (-1, r"initialiser 'w' has a negative dimension: \[-1, 3, 3, 3\]"),
    (1 << 40, "is larger than"), (0, "does not have the data for it")])
def test_initialiser_dimensions(size, text):
    proto = conv()
    proto.graph.initializer[0].dims[0] = size
    refused(proto, text)


def test_initialiser_of_no_values():
    refused(conv(w=np.ones((0, 3, 3, 3))), r"shape \[0, 3, 3, 3\]: no values")


def test_initialiser_of_strings():
    proto = conv()
    proto.graph.initializer[0].CopyFrom(helper.make_tensor("w", TensorProto.STRING, [1], [b"a"]))
    refused(proto, "initialiser 'w' is of type STRING; supported are the float and integer types")


def test_initialiser_of_an_unknown_type():
    proto = conv()
    proto.graph.initializer[0].data_type = 1000
    refused(proto, "initialiser 'w' is of type 1000")


def test_initialisers_of_half_and_double_precision():
    for kind in (np.float16, np.float64):
        proto = conv()
        proto.graph.initializer[0].CopyFrom(
            numpy_helper.from_array(np.full((2, 3, 3, 3), 0.5, kind), "w"))
        assert import_onnx(proto).nodes[0].weights.sum() == 27


def test_initialiser_twice():
    proto = conv()
    proto.graph.initializer.append(proto.graph.initializer[0])
    refused(proto, "initialiser 'w' is defined twice")


def test_sparse_initialisers():
    proto = conv()
    proto.graph.sparse_initializer.add()
    refused(proto, "sparse initialisers are not supported")


def dimension(index, **fields):
    proto = conv()
    entry = proto.graph.input[0].type.tensor_type.shape.dim[index]
    entry.Clear()
    for name, value in fields.items():
        setattr(entry, name, value)
    return proto


def test_a_dynamic_dimension_says_how_to_fix_it():
    refused(dimension(2, dim_param="height"),
            "input 'x': dimension 2 'height' is dynamic; .* static shapes: .*-m "
            "onnxruntime.tools.make_dynamic_shape_fixed --input_name x --input_shape 1,3,1,8 ")
    refused(dimension(3), "input 'x': dimension 3 is dynamic")


@pytest.mark.parametrize("size", [0, -3])
def test_an_empty_or_negative_dimension(size):
    refused(dimension(2, dim_value=size), f"dimension 2 is {size}; it must be at least 1")


def test_an_input_too_large():
    refused(dimension(2, dim_value=1 << 40), "is larger than")


def test_a_dynamic_batch_is_one_sample_and_a_fixed_one_stays():
    for proto in (dimension(0, dim_param="batch"), dimension(0)):
        assert import_onnx(proto).input_shapes == {"x": (1, 3, 8, 8)}
    graph = import_onnx(dimension(0, dim_value=8))
    assert graph.input_shapes == {"x": (8, 3, 8, 8)} and graph.shapes["x"] == (24, 8, 8)


def test_inputs_of_any_rank():
    for shape, maps in (((), (1, 1, 1)), ((5,), (5, 1, 1)), ((1, 2, 3, 4, 5), (6, 4, 5)),
                        ((2, 1, 40000), (80000, 1, 1))):
        graph = import_onnx(model([node("Relu", ["x"], "y")], {"x": shape}))
        assert graph.shapes["y"] == maps and graph.output_shapes == {"y": shape}


def test_an_input_of_integers():
    proto = conv()
    proto.graph.input[0].type.tensor_type.elem_type = TensorProto.INT64
    refused(proto, "input 'x' is of type INT64; supported are the float types")
    proto.graph.input[0].type.tensor_type.elem_type = 1000
    refused(proto, "input 'x' is of type 1000")


def test_an_input_without_shape_or_no_tensor():
    proto = conv()
    proto.graph.input[0].type.tensor_type.ClearField("shape")
    refused(proto, "input 'x' has no shape")
    proto.graph.input[0].type.Clear()
    refused(proto, "input 'x' is not a tensor")


@pytest.mark.parametrize("name", ["a\nb", "\x00", "x" * 1001])
def test_a_name_that_is_no_line_of_text(name):
    proto = conv()
    proto.graph.node[0].name = name
    refused(proto, "the name .* is not text of at most 1000 characters that can be printed")


def test_a_name_that_is_not_utf_8():
    content = conv().SerializeToString().replace(b"conv1", b"\xff" * 5)
    refused(content, r"the name b'\\xff.*' is not text")


def test_external_data_under_a_name_too_long_for_the_file_system(tmp_path):
    proto = onnx.load(external(conv(), tmp_path), load_external_data=False)
    proto.graph.initializer[0].external_data[0].value = "x" * 5000
    onnx.save(proto, tmp_path / "net.onnx")
    refused(tmp_path / "net.onnx", r"'x{50}'\.\., which cannot be looked for")


def test_what_a_node_has_twice():
    proto = conv()
    proto.graph.node[0].output.append("y")
    refused(proto, "makes 'y', which is defined already")
    proto = conv()
    proto.graph.node[0].attribute.extend([helper.make_attribute("group", 1)] * 2)
    refused(proto, "has two attributes of the same name")


def test_a_flag_that_is_neither_0_nor_1():
    refused(model([node("ReduceMax", ["x"], "y", keepdims=3)], {"x": (2, 3)}),
            "attribute keepdims is 3; it must be 0 or 1")


def test_a_layer_without_inputs():
    refused(model([node("GlobalMaxPool", [], "y")], {"x": (1, 2, 3, 3)}), "input 0 is missing")


@pytest.mark.parametrize(("op", "shape"), [("Conv", (2, 3, 2, 2)), ("ConvTranspose", (3, 2, 2, 2))])
def test_automatic_padding_whose_meaning_is_disputed(op, shape):
    proto = model([node(op, ["x", "w"], "y", auto_pad="SAME_UPPER", strides=[1, 5])],
                  {"x": (1, 3, 9, 9)}, constants={"w": np.ones(shape)})
    with pytest.raises(UnsupportedError, match="strides .* onnxruntime"):
        import_onnx(proto)
