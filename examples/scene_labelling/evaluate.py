"""Measure how many pixels the network labels correctly, with onnxruntime.

::

    python -m examples.scene_labelling.evaluate

The test is 100 synthetic scenes that training never sees, or the test part of the Stanford
Background data set with ``--data FOLDER``. Each of the network's labels counts for its 4x4 pixels.
"""

import argparse

import numpy as np
import onnxruntime

from examples.scene_labelling import data, export, scenes
from examples.scene_labelling import network as scene


def open_model(model=None):
    """Return a session that runs a model.

    Parameters
    ----------
    model : path-like, optional
        An ONNX file as ``export.py`` writes it; without one, the trained network.

    Returns
    -------
    onnxruntime.InferenceSession
        The session.
    """
    source = export.to_onnx(scene.load()).SerializeToString() if model is None else str(model)
    return onnxruntime.InferenceSession(source, providers=["CPUExecutionProvider"])


def label(session, rgb):
    """Return the class of each 4x4 pixels of a frame.

    Parameters
    ----------
    session : onnxruntime.InferenceSession
        From :func:`open_model`.
    rgb : numpy.ndarray
        uint8, rows x columns x 3.

    Returns
    -------
    numpy.ndarray
        int64, rows/4 x columns/4.
    """
    labels, = session.run([export.LABELS_NAME], {data.INPUT_NAME: data.to_yuv(rgb)[None]})
    return labels[0, 0]


def enlarge(labels, stride=scene.STRIDE):
    """Return labels repeated to the pixels they stand for."""
    return labels.repeat(stride, 0).repeat(stride, 1)


def confusion(session, rgb, labels):
    """Count the pixels of each class by the class they were given.

    Parameters
    ----------
    session : onnxruntime.InferenceSession
        From :func:`open_model`.
    rgb, labels : numpy.ndarray
        Frames, as from :func:`examples.scene_labelling.data.load_test`.

    Returns
    -------
    numpy.ndarray
        int64, 8 x 8: row is the true class, column the given one. Unknown pixels do not count.
    """
    size = len(scenes.CLASSES)
    counts = np.zeros(size**2, np.int64)
    for frame, truth in zip(rgb, labels, strict=True):
        pairs = truth.astype(np.int64) * size + enlarge(label(session, frame))
        counts += np.bincount(pairs[truth >= 0], minlength=size**2)
    return counts.reshape(size, size)


def accuracy(counts):
    """Return the share of pixels with the right class, from :func:`confusion`'s counts."""
    return np.trace(counts) / counts.sum()


def main():
    """Print the accuracy, whole and of each class."""
    parser = argparse.ArgumentParser(description="Measure the scene-labelling network.")
    parser.add_argument("model", nargs="?", help="ONNX file (default: the trained network)")
    parser.add_argument("--data", metavar="FOLDER",
                        help="the Stanford Background data set (default: synthetic scenes)")
    parser.add_argument("--count", type=int, help="frames to label (default: all of the test)")
    arguments = parser.parse_args()
    rgb, labels = data.load_test(arguments.count, arguments.data)
    counts = confusion(open_model(arguments.model), rgb, labels)
    print(f"{len(rgb)} frames: {100 * accuracy(counts):.2f} % of the pixels correct")
    for name, row, index in zip(scenes.CLASSES, counts, range(len(counts)), strict=True):
        if row.sum():
            worst = max((column for column in range(len(row)) if column != index),
                        key=lambda column: row[column])
            print(f"  {name:18}{100 * row[index] / row.sum():5.1f} %   most often else "
                  f"{scenes.CLASSES[worst]}, {100 * row[worst] / row.sum():.1f} %")


if __name__ == "__main__":
    main()
