"""The trained network, in floating point and on the machine, and pictures of its labels."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from examples.scene_labelling import chip, data, evaluate, export, label, scenes
from examples.scene_labelling import network as scene
from host.device import BACKENDS, FunctionalDevice, open_device

FOLDER = Path(evaluate.__file__).parent
SMALL = (8, 6, 10)


@pytest.fixture(scope="module")
def session():
    return evaluate.open_model()


def test_weights_are_small():
    assert scene.WEIGHTS.stat().st_size < 3_000_000
    network = scene.load()
    assert [len(stage.table) for stage in network.stages] == list(scene.MAPS)
    assert all(np.array_equal(stage.table, table) for stage, table in zip(
        network.stages, scene.connection_tables(), strict=True))


def test_accuracy_is_near_the_stated_one(session):
    stated = re.search(r"100 frames: ([\d.]+) % of the pixels correct",
                       (FOLDER / "README.md").read_text(encoding="utf-8"))
    assert stated, "README.md no longer states the accuracy as evaluate.py prints it"
    measured = evaluate.accuracy(evaluate.confusion(session, *data.load_test(8)))
    assert float(stated[1]) > 85
    # Eight scenes only: an even chance of scenes easier or harder than the whole hundred.
    assert measured == pytest.approx(float(stated[1]) / 100, abs=0.06)


@pytest.mark.parametrize("name", data.PHOTOGRAPHS)
def test_features_fit_sixteen_bits(session, name):
    features, = session.run(["features"], {"yuv": data.to_yuv(data.photograph(name))[None]})
    assert 0.5 < np.abs(features).max() < 16


def run_label(*arguments):
    """Run the program that labels a picture; return what it prints."""
    result = subprocess.run([sys.executable, "-m", "examples.scene_labelling.label",
                             *map(str, arguments)], cwd=FOLDER.parents[1], capture_output=True,
                            text=True)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_labelling_a_photograph_in_floating_point(tmp_path, session):
    path = tmp_path / "labels.png"
    run_label("china", path, "--backend", "onnx")
    rgb = data.photograph("china")
    expected = label.label_picture(evaluate.label(session, rgb), rgb)
    with Image.open(path) as picture:
        assert picture.size == expected.size
        assert np.array_equal(np.asarray(picture), np.asarray(expected))


def small_model(path):
    path.write_bytes(export.build(48, 64, SMALL).SerializeToString())
    return path


@pytest.mark.parametrize("backend, target", [
    ("functional", "tiny"), ("functional", "virtex6-lx240t"),
    pytest.param("rtl", "tiny", marks=[pytest.mark.rtl, pytest.mark.slow]),
    pytest.param("rtl", "virtex6-lx240t", marks=[pytest.mark.rtl, pytest.mark.slow])])
def test_the_machine_labels_a_photograph(tmp_path, backend, target):
    model = small_model(tmp_path / "small.onnx")
    told = run_label("flower", tmp_path / "labels.png", "--model", model, "--backend", backend,
                     "--target", target)
    word = "counted" if backend == "rtl" else "predicted"
    assert re.search(rf"{target}: [\d.]+ ms \([\d,]+ cycles {word}\); {backend} and reference "
                     r"agree on every bit of 5,952 values\n$", told), told
    rgb = data.crop(data.photograph("flower"), 48, 64)
    program = chip.compile_scene(target, model)
    with open_device(program, "reference") as device:
        labels = device.run({"yuv": data.to_yuv(rgb)[None]})["labels"][0, 0]
    with Image.open(tmp_path / "labels.png") as picture:
        assert np.array_equal(np.asarray(picture), np.asarray(label.label_picture(labels, rgb)))


def test_a_wrong_bit_stops_the_labelling(tmp_path, monkeypatch):
    class Wrong(FunctionalDevice):
        def run(self, inputs, raw=False):
            outputs = super().run(inputs, raw)
            outputs["features"][0, 3, 2, 1] ^= 1
            return outputs

    monkeypatch.setitem(BACKENDS, "functional", Wrong)
    model, path = small_model(tmp_path / "small.onnx"), tmp_path / "labels.png"
    monkeypatch.setattr(sys, "argv", ["label", "china", str(path), "--model", str(model)])
    with pytest.raises(SystemExit, match=r"differ: output 'features' at \[0, 3, 2, 1\]"):
        label.main()
    assert not path.exists()


@pytest.mark.parametrize("arguments, message", [
    (["absent.jpg", "labels.png"], "absent.jpg: No such file"),
    (["china", "labels.jpg"], "its name must end in .png"),
    (["china", "labels.png", "--target", "big"], "'big'"),
    (["china", "labels.png", "--model", "absent.onnx"], "absent.onnx"),
])
def test_labelling_refuses(tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["label", *arguments])
    with pytest.raises(SystemExit) as stop:
        label.main()
    assert stop.value.code == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_label_picture_shows_frame_and_labels():
    rgb, labels = scenes.make(3)
    coarse = labels[::4, ::4]
    picture = np.asarray(label.label_picture(coarse, rgb))
    assert np.array_equal(picture[6:246, 6:326], rgb)
    overlay = picture[6:246, 332:652].astype(float)
    colours = (overlay - 0.35 * rgb) / 0.65
    shown = np.abs(colours[:, :, None] - label.COLOURS).sum(axis=3).argmin(axis=2)
    assert np.array_equal(shown, coarse.repeat(4, 0).repeat(4, 1))


@pytest.mark.parametrize("labels, message", [
    (np.zeros((50, 80), int), "50x80 do not divide a frame of 240x320"),
    (np.full((60, 80), 8), r"0\.\.7, not 8\.\.8"),
    (np.full((60, 80), -1), r"0\.\.7, not -1\.\.-1"),
])
def test_label_picture_refuses(labels, message):
    with pytest.raises(ValueError, match=message):
        label.label_picture(labels, np.zeros((240, 320, 3), np.uint8))
