"""The network and its ONNX model."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper
from scipy import ndimage

from examples.scene_labelling import data, export
from examples.scene_labelling import network as scene

ROOT = Path(scene.__file__).parents[2]
SMALL = (8, 6, 10)


def run(model, yuv):
    session = onnxruntime.InferenceSession(model.SerializeToString(),
                                           providers=["CPUExecutionProvider"])
    return session.run(["labels", "features"], {"yuv": yuv[None]})


def blur(x):
    """Weight every pixel's 15x15 neighbours by the 2-D window, beyond the edge by zeros."""
    kernel = scene.gaussian().astype(np.float64)
    window = np.outer(kernel, kernel)
    return np.stack([ndimage.correlate(channel, window, mode="constant") for channel in x])


def convolve(x, stage):
    maps = [bias + sum(ndimage.correlate(x[source], kernel.astype(np.float64), mode="constant")
                       for source, kernel in zip(table, kernels, strict=True))
            for table, kernels, bias in zip(stage.table, stage.kernels, stage.bias, strict=True)]
    return np.stack(maps)


def halve(x, reduce):
    count, rows, columns = x.shape
    return reduce(x.reshape(count, rows // 2, 2, columns // 2, 2), axis=(2, 4))


def compute(network, yuv):
    """Compute the network in float64, in another way than the ONNX graph's."""
    frame, parts = yuv.astype(np.float64), []
    for factor in (1, 2, 4):
        centred = frame - blur(frame)
        x = centred / np.maximum(np.sqrt(blur(centred**2)), scene.NORM_FLOOR)
        for stage in network.stages[:2]:
            x = halve(np.tanh(convolve(x, stage)), np.max)
        x = convolve(x, network.stages[2])
        parts.append(x.repeat(factor, 1).repeat(factor, 2))
        frame = halve(frame, np.mean)
    features = np.concatenate(parts)
    scores = np.einsum("cm,mhw->chw", network.weights, features) + network.bias[:, None, None]
    return scores, features


def test_tables_are_those_of_the_network():
    first, second, third = scene.connection_tables()
    assert np.bincount(first.ravel()).tolist() == [10, 3, 3]
    assert second.shape == (64, 8) and third.shape == (256, 32)
    for table, inputs in ((second, 16), (third, 64)):
        assert np.all(np.diff(table, axis=1) > 0)  # ascending, no map twice
        assert set(table.ravel()) == set(range(inputs))
    assert not np.array_equal(second, scene.connection_tables(seed=2)[1])


@pytest.mark.parametrize("maps", [(16, 64), (2, 8, 8)])
def test_tables_refuse_other_structures(maps):
    with pytest.raises(ValueError, match=r"^The network has three stages of 3 maps or more, not "):
        scene.connection_tables(maps)


@pytest.mark.parametrize("network", [
    pytest.param(lambda: scene.random_network(SMALL, seed=4), id="small"),
    pytest.param(scene.load, id="trained"),
])
def test_absent_connections_are_zero_kernels(network):
    network = network()
    model = export.to_onnx(network, 32, 32)
    kernels = {value.name: numpy_helper.to_array(value) for value in model.graph.initializer}
    for number, stage in enumerate(network.stages, 1):
        dense = kernels[f"stage{number}_kernels"]
        for output, row in enumerate(dense):
            present = np.flatnonzero(row.any(axis=(1, 2)))
            assert np.array_equal(present, stage.table[output])
            assert np.array_equal(row[present], stage.kernels[output])


def test_scales_share_their_kernels():
    model = export.build(32, 32, SMALL)
    names = [value.name for value in model.graph.initializer]
    assert len(names) == len(set(names)) == 13
    for number in (1, 2, 3):
        users = [node.name for node in model.graph.node if f"stage{number}_kernels" in node.input]
        assert users == [f"stage{number}_conv_{scale}" for scale in ("full", "half", "quarter")]


def test_model_has_the_stated_shapes():
    model = export.build()
    onnx.checker.check_model(model, full_check=True)
    shapes = {value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim]
              for value in [*model.graph.input, *model.graph.value_info, *model.graph.output]}
    assert shapes["yuv"] == [1, 3, 240, 320]
    assert shapes["features"] == [1, 768, 60, 80] and shapes["labels"] == [1, 1, 60, 80]
    assert shapes["stage1_conv_full"] == [1, 16, 240, 320]
    assert shapes["stage2_conv_half"] == [1, 64, 60, 80]
    assert shapes["stage3_conv_quarter"] == [1, 256, 15, 20]
    assert {node.op_type for node in model.graph.node} == {
        "ArgMax", "AveragePool", "Concat", "Conv", "Div", "Max", "MaxPool", "Mul", "Resize", "Sqrt",
        "Sub", "Tanh"}


@pytest.mark.parametrize("height, width, maps", [(48, 64, SMALL), (16, 32, (4, 4, 3))])
def test_model_computes_the_network(height, width, maps):
    network = scene.random_network(maps, seed=3)
    yuv = data.to_yuv(data.photograph("china")[80:80 + height, 100:100 + width])
    labels, features = run(export.to_onnx(network, height, width), yuv)
    scores, expected = compute(network, yuv)
    assert features.shape == (1, 3 * maps[2], height // 4, width // 4)
    assert np.allclose(features[0], expected, atol=1e-4)
    assert labels.shape == (1, 1, height // 4, width // 4) and labels.dtype == np.int64
    ranked = np.sort(scores, axis=0)
    clear = ranked[-1] - ranked[-2] > 1e-3  # rounding may turn a tie
    assert clear.mean() > 0.9
    assert np.array_equal(labels[0, 0][clear], scores.argmax(axis=0)[clear])


def test_same_network_same_bytes():
    assert export.build(32, 32, SMALL).SerializeToString() == export.build(
        32, 32, SMALL).SerializeToString()


@pytest.mark.parametrize("height, width", [(240, 312), (8, 16), (0, 16)])
def test_model_refuses_frames_that_do_not_halve(height, width):
    with pytest.raises(ValueError, match=rf"multiples of 16, not {height}x{width}$"):
        export.build(height, width, SMALL)


def test_flat_regions_are_not_amplified():
    """Noise of half a grey level stays below a tenth after normalisation."""
    random = np.random.RandomState(0)
    yuv = random.uniform(-1, 1, (3, 64, 64)) * 0.5 / 255
    centred = yuv - blur(yuv)
    assert np.abs(centred / np.maximum(np.sqrt(blur(centred**2)), scene.NORM_FLOOR)).max() < 0.1


def test_saved_networks_come_back(tmp_path):
    network = scene.random_network(SMALL)
    scene.save(tmp_path / "weights.npz", network)
    loaded = scene.load(tmp_path / "weights.npz")
    scene.save(tmp_path / "again.npz", loaded)
    for one, other in zip(network.stages, loaded.stages, strict=True):
        assert one.input_maps == other.input_maps and np.array_equal(one.table, other.table)
        assert np.allclose(one.kernels, other.kernels, rtol=1e-3, atol=1e-7)
    again = scene.load(tmp_path / "again.npz")
    assert np.array_equal(loaded.weights, again.weights)
    assert np.array_equal(loaded.stages[2].kernels, again.stages[2].kernels)


def test_export_writes_a_reduced_model(tmp_path):
    path = tmp_path / "small.onnx"
    subprocess.run([sys.executable, "-m", "examples.scene_labelling.export", path, "--height", "32",
                    "--width", "48", "--random", "8", "6", "10"],
                   check=True, cwd=ROOT)
    assert path.read_bytes() == export.build(32, 48, SMALL).SerializeToString()
