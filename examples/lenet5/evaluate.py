"""Measure the float accuracy of LeNet-5 on the test split, with onnxruntime.

::

    python -m examples.lenet5.evaluate
"""

import argparse
from pathlib import Path

import numpy as np
import onnxruntime

from examples.lenet5 import data

MODEL = Path(__file__).parent / "lenet5.onnx"


def classify(model, images):
    """Return the logits of each image.

    Parameters
    ----------
    model : path-like
        ONNX file with input ``image``, 1 x 1 x 32 x 32, and output ``logits``, 1 x 10.
    images : numpy.ndarray
        float32, N x 1 x 32 x 32.

    Returns
    -------
    numpy.ndarray
        float32, N x 10.
    """
    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    return np.concatenate([
        session.run([data.OUTPUT_NAME], {data.INPUT_NAME: image[None]})[0] for image in images])


def count_correct(model=MODEL):
    """Return how many test digits the network names correctly.

    Parameters
    ----------
    model : path-like
        The ONNX file; by default the one beside this program.

    Returns
    -------
    correct, total : int
        Digits named correctly, digits in the test split.
    """
    images, labels = data.load_test()
    return int(np.sum(classify(model, images).argmax(axis=1) == labels)), len(labels)


def main():
    """Print the accuracy."""
    parser = argparse.ArgumentParser(description="Measure LeNet-5's float accuracy.")
    parser.add_argument("model", nargs="?", default=MODEL, help="ONNX file (default: lenet5.onnx)")
    correct, total = count_correct(parser.parse_args().model)
    print(f"{correct} of {total} test digits correct: {100 * correct / total:.2f} %")


if __name__ == "__main__":
    main()
