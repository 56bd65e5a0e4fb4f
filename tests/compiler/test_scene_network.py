"""The scene-labelling network through the compiler's front: float against 16 bits."""

import numpy as np
import pytest

from compiler import fixed
from compiler.frontend.onnx_import import import_onnx
from compiler.pipeline import simplify
from compiler.quantise import quantise
from compiler.serialise import decode_graph, encode_graph
from examples.scene_labelling import data, evaluate, export, fixed_point, scenes
from examples.scene_labelling import network as scene
from tests.compiler.quantised import check_legal

HEIGHT, WIDTH, MAPS = 64, 96, (8, 12, 16)
STAGES = [f"stage{number}_conv_{scale}" for number in (1, 2, 3) for scale in scene.SCALES]


def frames(first, count):
    """Return parts of synthetic scenes, as Y, U and V."""
    return np.stack([data.to_yuv(scenes.make(number)[0][80:80 + HEIGHT, 100:100 + WIDTH])
                     for number in range(first, first + count)])


@pytest.fixture(scope="module")
def small():
    """Return ONNX model, fixed graph and summary of a small network of random weights."""
    proto = export.build(HEIGHT, WIDTH, MAPS)
    calibration = {export.INPUT_NAME: frames(data.FIRST_TRAIN, 8)}
    graph, summary = quantise(simplify(import_onnx(proto)), calibration)
    return proto, graph, summary


def test_every_number_is_legal(small):
    _, graph, summary = small
    check_legal(graph, summary)
    assert graph.dtype(export.LABELS_NAME) == "int64"
    assert graph.dtype(export.FEATURES_NAME) == "float32"
    assert graph.output_shapes == {"labels": (1, 1, HEIGHT // 4, WIDTH // 4),
                                   "features": (1, 48, HEIGHT // 4, WIDTH // 4)}


def test_a_small_network_is_as_accurate_as_its_samples(small, tmp_path):
    proto, graph, summary = small
    (tmp_path / "small.onnx").write_bytes(proto.SerializeToString())
    session = evaluate.open_model(tmp_path / "small.onnx")
    found = [fixed_point.compare(session, graph, yuv) for yuv in frames(0, 6)]
    # A dull scene leaves little signal when its mean is subtracted from 16-bit samples.
    assert min(snr for snr, _ in found) > 60, str(summary)
    assert np.mean([snr for snr, _ in found]) > 65, str(summary)
    assert np.mean([agreement for _, agreement in found]) > 0.998


def test_the_scales_have_the_same_kernels(small):
    _, graph, _ = small
    nodes = {node.name: node for node in graph.nodes}
    for number in (2, 3):
        full, *others = (nodes[f"stage{number}_conv_{scale}"] for scale in scene.SCALES)
        for other in others:
            assert other.weights is full.weights and other.shift is full.shift


def test_what_is_not_connected_stays_so(small):
    _, graph, _ = small
    network = scene.random_network(MAPS)
    nodes = {node.name: node for node in graph.nodes}
    for name in STAGES:
        dense = network.stages[int(name[5]) - 1].dense()
        absent = ~dense.any((2, 3))
        assert absent.any() and (nodes[name].weights[absent] == 0).all()


def test_no_copy_is_needed_to_join_the_scales(small):
    _, graph, _ = small
    operations = [node.operation for node in graph.nodes if isinstance(node, fixed.Elementwise)]
    assert operations == ["sub", "mul", "max", "div"] * 3
    join, = (node for node in graph.nodes if isinstance(node, fixed.Concat))
    assert join.inputs == ("stage3_conv_full", "upsample_half", "upsample_quarter")


def test_the_network_is_written_and_read_again(small):
    _, graph, _ = small
    text, arrays = encode_graph(graph)
    assert encode_graph(decode_graph(text, arrays)) == (text, arrays)


@pytest.mark.slow
def test_the_trained_network_on_a_photograph():
    model = export.to_onnx(scene.load())
    graph, summary = quantise(simplify(import_onnx(model)), data.calibration(4))
    snr, agreement = fixed_point.compare(evaluate.open_model(), graph,
                                         data.to_yuv(data.photograph("china")))
    assert snr > 60 and agreement > 0.995, str(summary)
