import hashlib
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from sklearn.datasets import load_digits

from examples.lenet5 import data, evaluate

FOLDER = Path(evaluate.__file__).parent


def test_split_is_disjoint_and_complete():
    train, test = data.split_indices()
    assert len(test) == 397
    assert sorted([*train, *test]) == list(range(1797))


def test_split_is_fixed():
    _, test = data.split_indices()
    digest = hashlib.sha256(test.astype("<i4").tobytes()).hexdigest()
    assert digest[:16] == "7637fcd32d95fab0"


def test_every_digit_is_in_both_splits():
    for _, labels in (data.load_train(), data.load_test()):
        assert set(labels) == set(range(10))


def test_images_and_labels_belong_together():
    _, test = data.split_indices()
    images, labels = data.load_test()
    digits = load_digits()
    assert np.array_equal(labels, digits.target[test])
    assert np.array_equal(images[7, 0], data.scale_digit(digits.images[test[7]]))


@pytest.mark.parametrize("load, count", [(data.load_train, 1400), (data.load_test, 397)])
def test_shape_and_range(load, count):
    images, labels = load()
    assert images.shape == (count, 1, 32, 32) and images.dtype == np.float32
    assert labels.shape == (count,) and labels.dtype == np.int64
    assert images.min() == -1 and images.max() == 1


def test_scaling_keeps_the_digit_in_its_place():
    pixels = np.zeros((8, 8))
    pixels[2, 5] = 16
    ink = data.scale_digit(pixels) + 1
    # The 8x8 pixel (2, 5) covers rows 9 to 12.5, columns 19.5 to 23 of the picture;
    # a wrong alignment would move it by more than a picture pixel.
    rows, columns = np.indices(ink.shape)
    assert np.sum(ink * rows) / ink.sum() == pytest.approx(2 + 2.5 * 3.5 - 0.5, abs=0.25)
    assert np.sum(ink * columns) / ink.sum() == pytest.approx(2 + 5.5 * 3.5 - 0.5, abs=0.25)


def test_blank_paper_stays_blank():
    assert np.array_equal(data.scale_digit(np.zeros((8, 8))), np.full((32, 32), -1, np.float32))


def test_calibration_is_training_images_under_the_input_name():
    arrays = data.calibration(20)
    assert list(arrays) == ["image"]
    assert np.array_equal(arrays["image"], data.load_train()[0][:20])


@pytest.mark.parametrize("count", [0, 1401])
def test_calibration_refuses_a_count_it_cannot_give(count):
    with pytest.raises(ValueError, match=rf"^Calibration takes 1\.\.1400 .* not {count}$"):
        data.calibration(count)


def test_calibration_file(tmp_path):
    path = tmp_path / "calibration.npz"
    subprocess.run([sys.executable, "-m", "examples.lenet5.data", path, "--count", "5"],
                   check=True, cwd=FOLDER.parents[1])
    with np.load(path) as arrays:
        assert np.array_equal(arrays["image"], data.calibration(5)["image"])


def test_network_is_the_one_on_the_slides():
    model = onnx.load(evaluate.MODEL)
    onnx.checker.check_model(model, full_check=True)
    shapes = {value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim]
              for value in [*model.graph.input, *model.graph.value_info, *model.graph.output]}
    layers = [(node.op_type, shapes[node.output[0]]) for node in model.graph.node]
    assert shapes["image"] == [1, 1, 32, 32]
    assert layers == [
        ("Conv", [1, 6, 28, 28]), ("Tanh", [1, 6, 28, 28]), ("MaxPool", [1, 6, 14, 14]),
        ("Conv", [1, 12, 10, 10]), ("Tanh", [1, 12, 10, 10]), ("MaxPool", [1, 12, 5, 5]),
        ("Conv", [1, 100, 1, 1]), ("Tanh", [1, 100, 1, 1]),
        ("Flatten", [1, 100]), ("Gemm", [1, 10]),
    ]
    assert [value.name for value in model.graph.output] == ["logits"]
    assert evaluate.MODEL.stat().st_size < 500_000


def test_accuracy_is_the_stated_one():
    correct, total = evaluate.count_correct()
    stated = re.search(r"(\d+) of (\d+) test digits correct: ([\d.]+) %",
                       (FOLDER / "README.md").read_text(encoding="utf-8"))
    assert stated, "README.md no longer states the accuracy as evaluate.py prints it"
    assert (correct, total) == (int(stated[1]), int(stated[2]))
    assert f"{100 * correct / total:.2f}" == stated[3]
    assert correct / total >= 0.985
