"""The zoo: reduced networks bit for bit, true layer shapes, and what the host does."""

import math

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from compiler.compile import compile_model
from examples.lenet5 import data as lenet5
from examples.zoo import characters, data, export, faces, light, table
from examples.zoo.builder import Network
from examples.zoo.measure import measure, measure_file
from examples.zoo.registry import NETWORKS
from examples.zoo.suppress import Detection, best_of, detections, overlap
from hdl.target import get_target
from host.compare import first_difference
from host.device import open_device
from sim.verify import verify_program
from tests.compiler.models import run_onnx

#: Processor seconds that the compiler may take for a network of full size.
MOST_SECONDS = 120


def programs(name, target="tiny"):
    """Return a reduced network, its program, one input, and what the reference makes of it."""
    entry = NETWORKS[name]
    model = entry.build(reduced=True)
    program = compile_model(model, target, entry.inputs(model, 2))
    inputs = entry.inputs(model, 1, seed=1)
    with open_device(program, "reference") as device:
        return model, program, inputs, device.run(inputs, raw=True)


@pytest.mark.parametrize("name", NETWORKS)
def test_reduced_networks_on_the_functional_machine_equal_the_reference(name):
    model, program, inputs, expected = programs(name)
    onnx.checker.check_model(model, full_check=True)
    verdict = verify_program(program)
    assert verdict.proved, verdict.faults
    with open_device(program, "functional") as device:
        assert first_difference(expected, device.run(inputs, raw=True)) is None
        found = device.run(inputs)
    for output, real in run_onnx(model, inputs).items():
        if real.dtype == np.int64:
            assert np.mean(real == found[output][0]) > 0.9, output
            continue
        noise = real - found[output][0].reshape(real.shape)
        # Random numbers as inputs and weights are harder on 16 bits than trained ones.
        assert np.sum(real**2) > 1e3 * np.sum(noise**2), output
        assert np.ptp(real) > 0 or real.size == 1, output


@pytest.mark.slow
@pytest.mark.rtl
@pytest.mark.parametrize("name", NETWORKS)
def test_reduced_networks_on_the_rtl_equal_the_reference(name):
    _, program, inputs, expected = programs(name)
    with open_device(program, "rtl") as device:
        assert first_difference(expected, device.run(inputs, raw=True)) is None


@pytest.mark.slow
@pytest.mark.rtl
@pytest.mark.parametrize("name", ["faces", "googlenet", "c3d"])
def test_some_on_the_rtl_of_the_virtex6(name):
    _, program, inputs, expected = programs(name, table.TARGET)
    with open_device(program, "rtl") as device:
        assert first_difference(expected, device.run(inputs, raw=True)) is None


def row(of_onnx, name):
    """Return the cells of a network's row in the page."""
    line = table.rows_of(table.PAGE.read_text())[of_onnx, name]
    return [cell.strip() for cell in line.strip("|").split("|")]


def check(found, cells):
    """Check a measured network against its row, and that it is plausible."""
    assert found.cycles == pytest.approx(int(cells[0].replace(",", "")), rel=0.1)
    assert found.seconds < MOST_SECONDS
    assert 0 < found.utilisation <= 1


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_whole_networks_compile_for_the_virtex6(name):
    found = measure(NETWORKS[name], get_target(table.TARGET))
    check(found, row(False, name)[4:])
    assert found.snr > 30


@pytest.mark.slow
@pytest.mark.parametrize("name", light.LIGHT)
def test_models_of_the_onnx_package_compile_for_the_virtex6(name):
    check(measure_file(light.path(name), get_target(table.TARGET)), row(True, name)[2:])


def parameters(model):
    return sum(math.prod(tensor.dims) for tensor in model.graph.initializer
               if tensor.data_type == tensor.FLOAT)


@pytest.mark.parametrize(("name", "count"), [
    ("alexnet", 60_965_224), ("googlenet", 6_998_552), ("speech", 54_430_000),
    ("tumour", 2 * 809_637)])
def test_parameters_are_those_of_the_paper(name, count):
    # The cascade's second network reads five more maps through its first kernels.
    more = 5 * (49 * 128 + 169 * 320) if name == "tumour" else 0
    assert parameters(NETWORKS[name].build()) == pytest.approx(count + more, rel=2e-4)


@pytest.mark.parametrize(("name", "shapes"), [
    ("lagr", [(1, 100, 25, 121)]), ("characters", [(1, 10, 1, 57)]),
    ("faces", [(1, 1, 57, 57), (1, 1, 25, 25), (1, 1, 9, 9)]), ("temporal", [(1, 3, 186)]),
    ("siamese", [(1, 50, 1, 1), (1, 50, 1, 1), (1, 1, 1, 1)]), ("pose", [(1, 4, 60, 80)]),
    ("connectomics", [(1, 1, 26, 90, 90)]), ("drawing", [(1, 200), (1, 1, 128, 128)])])
def test_outputs_have_the_shapes_of_the_paper(name, shapes):
    model = NETWORKS[name].build()
    assert [tuple(size.dim_value for size in output.type.tensor_type.shape.dim)
            for output in model.graph.output] == shapes


def test_the_same_call_makes_the_same_bytes():
    for name in ("siamese", "resnet50"):
        entry = NETWORKS[name]
        first, second = (entry.build(reduced=True).SerializeToString() for _ in range(2))
        assert first == second


@pytest.mark.parametrize("name", NETWORKS)
def test_inputs_are_the_same_again_and_others_for_another_seed(name):
    entry = NETWORKS[name]
    model = entry.build(reduced=True)
    first, again, other = (entry.inputs(model, 3, seed) for seed in (5, 5, 6))
    for info in model.graph.input:
        shape = [size.dim_value for size in info.type.tensor_type.shape.dim]
        values = first[info.name]
        assert values.dtype == np.float32 and values.shape == (3, *shape[1:])
        assert np.isfinite(values).all() and np.abs(values).max() < 8
        assert (values == again[info.name]).all() and (values != other[info.name]).any()
        assert (values[0] != values[1]).any()


def test_shared_kernels_are_shared():
    model = NETWORKS["siamese"].build(reduced=True)
    left, right = ([node.input[1] for node in model.graph.node if node.name.endswith(side)
                    and node.op_type == "Conv"] for side in ("left", "right"))
    assert left == right and len(left) == 4


def test_a_strip_of_digits_is_read_on_the_machine():
    images, labels = lenet5.load_test()
    model = characters.build()
    program = compile_model(model, "tiny", NETWORKS["characters"].inputs(model, 20))
    right = 0
    with open_device(program, "functional") as device:
        for first in range(0, 80, 8):
            strip = np.concatenate(list(images[first:first + 8]), axis=2)[None]
            scores, = device.run({"image": strip}).values()
            right += characters.read(scores[0]) == "".join(map(str, labels[first:first + 8]))
    assert right >= 8


def test_overlap():
    assert overlap((0, 0, 2, 2), (0, 0, 2, 2)) == 1
    assert overlap((0, 0, 2, 2), (1, 0, 3, 2)) == pytest.approx(1 / 3)
    assert overlap((0, 0, 2, 2), (2, 0, 4, 2)) == overlap((0, 0, 1, 1), (5, 5, 6, 6)) == 0


def test_the_best_of_overlapping_windows_stays():
    far, best, near = (Detection(score, (top, 0, top + 10, 10))
                       for score, top in ((0.5, 50), (0.9, 2), (0.8, 0)))
    assert best_of([far, near, best]) == [best, far]
    assert best_of([]) == []
    # What a better one suppressed suppresses nothing itself.
    third = Detection(0.7, (-6, 0, 4, 10))
    assert best_of([third, near, best]) == [best, third]


def test_detections_are_in_pixels_of_the_picture():
    heat = np.zeros((3, 4))
    heat[1, 2] = 0.9
    assert detections(heat, 0.5, window=32, stride=4, scale=2) == [
        Detection(0.9, (8.0, 16.0, 72.0, 80.0))]


def test_a_face_seen_at_two_scales_is_one_face():
    heats = [np.zeros((1, size, size)) for size in (57, 25, 9)]
    heats[1][0, 5, 6], heats[1][0, 5, 7], heats[2][0, 2, 2], heats[0][0, 50, 50] = (
        0.95, 0.9, 0.85, 0.99)
    assert [one.box[:2] for one in faces.find(heats)] == [(200.0, 200.0), (40.0, 48.0)]


@pytest.mark.parametrize("name", ["pictures", "ellipses", "fields"])
def test_pictures_keep_within_their_range(name):
    values = getattr(data, name)((1, 1, 40, 30), 4, seed=2)
    assert values.shape == (4, 1, 40, 30) and np.abs(values).max() <= 1
    assert (np.ptp(values, axis=(1, 2, 3)) > 0.1).all()


def test_pictures_larger_than_a_photograph_and_with_more_channels():
    assert data.pictures((1, 4, 500, 700), 1).shape == (1, 4, 500, 700)


def test_sequences_have_one_base_at_each_place():
    assert (data.sequences((1, 4, 50), 3).sum(1) == 1).all()


def test_padding_of_the_builder():
    network = Network("test")
    x = network.input("x", 2, 9, 8)
    assert network.shapes[network.conv(x, 3, (4, 3), pad="same")] == (1, 3, 9, 8)
    assert network.shapes[network.conv(x, 3, 3, pad=(0, 1), stride=2)] == (1, 3, 4, 4)
    assert network.shapes[network.pool(x, 3, stride=2, pad=(0, 0, 1, 1))] == (1, 2, 4, 4)
    with pytest.raises(ValueError, match=r"^Maps of \[9, 8\] are smaller than windows of \[9, 9\]"):
        network.conv(x, 3, 9)


def test_weights_keep_a_signals_power():
    network = Network("test")
    x = network.input("x", 64, 24, 24)
    for _ in range(6):
        x = network.conv(x, 64, 3, pad="same")
    model = network.model(x)
    values = np.random.default_rng(3).standard_normal((1, 64, 24, 24))
    made = run_onnx(model, {"x": values})[x]
    assert 0.3 < np.mean(made**2) < 3


def test_a_network_is_written_with_data(tmp_path):
    files = tmp_path / "net.onnx", tmp_path / "net.npz"
    export.main(["binding", str(files[0]), "--data", str(files[1]), "--count", "2", "--reduced"])
    with np.load(files[1]) as arrays:
        compile_model(files[0], "tiny", dict(arrays))
    assert numpy_helper.to_array(onnx.load(files[0]).graph.initializer[0]).shape == (4, 4, 24)
    with pytest.raises(SystemExit):
        export.main(["binding", "x.onnx", "--count", "0"])
    with pytest.raises(SystemExit):
        export.main(["nothing", "x.onnx"])


def test_the_page_keeps_the_rows_that_are_not_measured(tmp_path, monkeypatch):
    monkeypatch.setattr(table, "PAGE", tmp_path / "zoo.md")
    table.main(["--names", "temporal"])
    before = table.rows_of(table.PAGE.read_text())
    assert list(before) == [(False, "temporal")]
    table.main(["--names", "binding"])
    after = table.rows_of(table.PAGE.read_text())
    assert after[False, "temporal"] == before[False, "temporal"]
    assert set(after) == {(False, "temporal"), (False, "binding")}


def test_the_page_has_every_network():
    text = table.PAGE.read_text()
    assert set(table.rows_of(text)) == {(False, name) for name in NETWORKS} | {
        (True, name) for name in light.LIGHT}
    assert text == table.page(table.rows_of(text))
