"""The Stanford Background data set, as it lies on a disk."""

import numpy as np
import pytest
from PIL import Image

from examples.scene_labelling import data, evaluate, stanford


def test_fitting_keeps_the_middle_and_the_proportions():
    pixels = np.zeros((100, 400), np.uint8)
    pixels[25:75, 175:225] = 255  # a square in the middle of a wide picture
    rows, columns = np.nonzero(stanford.fit(Image.fromarray(pixels), Image.Resampling.NEAREST))
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (60, 179, 100, 219)


def made_up(number):
    """Return a picture of one colour and labels in stripes, both set by its number."""
    rgb = np.full((240, 320, 3), (20 * number, 100, 200), np.uint8)
    labels = np.repeat((np.arange(240) // 30 + number) % 8, 320).reshape(240, 320)
    labels[:8] = -1
    return rgb, labels


@pytest.fixture
def background(tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "labels").mkdir()
    for number in range(10):
        rgb, labels = made_up(number)
        Image.fromarray(rgb).save(tmp_path / "images" / f"{number:07}.jpg", quality=95)
        np.savetxt(tmp_path / "labels" / f"{number:07}.regions.txt", labels, fmt="%d")
    return tmp_path


def test_stanford_split(background):
    train, test = stanford.names(background)
    assert len(train) == 8 and len(test) == 2
    assert sorted(train + test) == [f"{number:07}" for number in range(10)]
    assert stanford.names(background) == (train, test)


def test_stanford_pictures_and_labels(background):
    name = stanford.names(background)[1][1]
    rgb, labels = data.load_test(folder=background)
    expected_rgb, expected = made_up(int(name))
    assert rgb.shape == (2, 240, 320, 3) and labels.dtype == np.int8
    assert np.array_equal(labels[1], expected)
    assert np.abs(rgb[1].astype(int) - expected_rgb).max() < 4
    assert len(data.load_train(folder=background)[0]) == 8


def test_stanford_pictures_of_another_size(background):
    Image.new("RGB", (213, 320)).save(background / "images" / "0000003.jpg")
    np.savetxt(background / "labels" / "0000003.regions.txt",
               np.repeat([2, 5], 160)[:, None] * np.ones(213), fmt="%d")
    _, labels = stanford.read(background, "0000003")
    assert labels.shape == (240, 320)
    assert np.array_equal(np.unique(labels[:120]), [2]) and np.unique(labels[120:]) == [5]


def test_unknown_pixels_do_not_count(background):
    class Session:
        def run(self, names, inputs):
            return [np.zeros((1, 1, 60, 80), np.int64)]

    rgb, labels = data.load_test(folder=background)
    counts = evaluate.confusion(Session(), rgb, labels)
    assert counts.sum() == 2 * 232 * 320 and counts[:, 1:].sum() == 0
    assert evaluate.accuracy(counts) == np.mean(labels[:, 8:] == 0)


def test_stanford_names_an_empty_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no images/\*\.jpg in it; name the folder"):
        stanford.names(tmp_path)


@pytest.mark.parametrize("text, message", [
    (None, "missing; every picture needs its regions"),
    ("", "rows of equally many integers"),
    ("1 2\n3\n", "rows of equally many integers"),
    ("1 x\n3 4\n", "integers only"),
    ("1 2\n3 8\n", "at most 7, not 8"),
    ("1 2\n3 4\n", "2x2 classes for a picture of 240x320"),
])
def test_stanford_names_bad_labels(background, text, message):
    path = background / "labels" / "0000004.regions.txt"
    path.unlink()
    if text is not None:
        path.write_text(text)
    with pytest.raises((FileNotFoundError, ValueError),
                       match=rf"0000004\.regions\.txt: .*{message}"):
        stanford.read(background, "0000004")
