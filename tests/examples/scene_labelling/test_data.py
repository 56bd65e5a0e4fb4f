import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from examples.scene_labelling import data, scenes

ROOT = Path(data.__file__).parents[2]


def test_scenes_depend_on_their_number_alone():
    rgb, labels = scenes.make(7)
    again = scenes.make(7)
    assert np.array_equal(rgb, again[0]) and np.array_equal(labels, again[1])
    # Not a digest: a processor's square roots and powers may round the edge of a thing otherwise.
    counts = np.bincount(labels.ravel(), minlength=8)
    assert counts == pytest.approx([7727, 18271, 27398, 5609, 0, 6404, 0, 11391], abs=20)
    assert rgb.mean() == pytest.approx(103.633, abs=0.01)


def test_scenes_differ():
    assert not np.array_equal(scenes.make(7)[0], scenes.make(8)[0])


def test_scenes_hold_every_class():
    rgb, labels = data.load_test(12)
    assert rgb.shape == (12, 240, 320, 3) and rgb.dtype == np.uint8
    assert labels.shape == (12, 240, 320) and labels.dtype == np.int8
    shares = np.bincount(labels.ravel(), minlength=8) / labels.size
    assert len(shares) == len(scenes.CLASSES) and shares.min() > 0.002 and shares.max() < 0.4


def test_colour_alone_does_not_decide():
    """A table from colour to its commonest class, learnt from other scenes, does badly."""
    def bins(rgb):
        red, green, blue = np.moveaxis(rgb[:, ::2, ::2].astype(np.int64) // 16, -1, 0)
        return (red * 16 + green) * 16 + blue

    rgb, labels = data.load_train(20)
    counts = np.bincount((bins(rgb) * 8 + labels[:, ::2, ::2]).ravel(), minlength=16**3 * 8)
    table = counts.reshape(-1, 8).argmax(axis=1)
    rgb, labels = data.load_test(10)
    assert np.mean(table[bins(rgb)] == labels[:, ::2, ::2]) < 0.7


def test_training_and_test_scenes_are_disjoint():
    assert data.FIRST_TRAIN >= data.TEST_COUNT
    assert not np.array_equal(data.load_train(1)[0], data.load_test(1)[0])


@pytest.mark.parametrize("count", [0, 101])
def test_test_refuses_a_count_it_cannot_give(count):
    with pytest.raises(ValueError, match=rf"^There are 1\.\.100 test frames, not {count}$"):
        data.load_test(count)


def test_yuv_is_bt601():
    rgb = np.array([[[255, 255, 255], [0, 0, 0], [255, 0, 0], [0, 255, 0], [0, 0, 255]]], np.uint8)
    expected = [[0.5, -0.5, 0.299 - 0.5, 0.587 - 0.5, 0.114 - 0.5],
                [0, 0, -0.147, -0.289, 0.436], [0, 0, 0.615, -0.515, -0.1]]
    yuv = data.to_yuv(rgb)
    assert yuv.shape == (3, 1, 5) and yuv.dtype == np.float32
    assert np.allclose(yuv[:, 0], expected, atol=1e-3)


def test_yuv_takes_several_frames():
    rgb, _ = data.load_test(2)
    assert np.array_equal(data.to_yuv(rgb)[1], data.to_yuv(rgb[1]))


@pytest.mark.parametrize("name", data.PHOTOGRAPHS)
def test_photographs_are_frames(name):
    rgb = data.photograph(name)
    assert rgb.shape == (240, 320, 3) and rgb.dtype == np.uint8 and rgb.std() > 30


def test_calibration_is_training_frames_under_the_input_name(tmp_path):
    path = tmp_path / "calibration.npz"
    subprocess.run([sys.executable, "-m", "examples.scene_labelling.data", path, "--count", "2"],
                   check=True, cwd=ROOT)
    with np.load(path) as arrays:
        assert list(arrays) == ["yuv"]
        assert np.array_equal(arrays["yuv"], data.to_yuv(data.load_train(2)[0]))
