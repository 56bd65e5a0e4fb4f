"""The digits LeNet-5 is trained, calibrated and measured on.

scikit-learn carries 1,797 handwritten digits of 8x8 pixels (the test half of the UCI set "Optical
Recognition of Handwritten Digits"). They are scaled to 28x28 by cubic splines and centred in the
32x32 that LeNet-5 reads. Everything here is deterministic and needs neither a network nor torch.

Run as a program, it writes the calibration data that the compiler asks for::

    python -m examples.lenet5.data calibration.npz
"""

import argparse
from functools import cache

import numpy as np
from scipy import ndimage
from sklearn.datasets import load_digits

INPUT_NAME = "image"
OUTPUT_NAME = "logits"
IMAGE_SIZE = 32
DIGIT_SIZE = 28
TEST_COUNT = 397
SPLIT_SEED = 5


def scale_digit(pixels):
    """Scale a digit of 8x8 pixels to the network's input.

    Parameters
    ----------
    pixels : numpy.ndarray
        8x8 values from 0 (paper) to 16 (ink).

    Returns
    -------
    numpy.ndarray
        32x32 float32 values, -1 (paper) to 1 (ink), the digit in the central 28x28.
    """
    # "grid-constant" and grid_mode align the outer edges of the pixels, not their centres: the
    # digit keeps its place, and its outermost strokes fade out into the paper.
    digit = ndimage.zoom(np.asarray(pixels, np.float64) / 16, DIGIT_SIZE / 8, order=3,
                         mode="grid-constant", grid_mode=True)
    margin = (IMAGE_SIZE - DIGIT_SIZE) // 2
    return (2 * np.pad(np.clip(digit, 0, 1), margin) - 1).astype(np.float32)


@cache
def _digits():
    digits = load_digits()
    images = np.stack([scale_digit(pixels) for pixels in digits.images])[:, None]
    labels = digits.target.astype(np.int64)
    images.flags.writeable = labels.flags.writeable = False
    return images, labels


def split_indices():
    """Return which of the 1,797 digits train the network and which test it.

    Returns
    -------
    train, test : numpy.ndarray
        Sorted indices into the data set: 1,400 and 397, disjoint, the same on every machine.
    """
    # RandomState's stream is frozen by NumPy; that of default_rng may change.
    order = np.random.RandomState(SPLIT_SEED).permutation(len(load_digits().target))
    return np.sort(order[TEST_COUNT:]), np.sort(order[:TEST_COUNT])


def load_train():
    """Return the training images and labels.

    Returns
    -------
    images : numpy.ndarray
        float32, 1400 x 1 x 32 x 32, in -1..1.
    labels : numpy.ndarray
        int64, 1400, in 0..9.
    """
    images, labels = _digits()
    train, _ = split_indices()
    return images[train], labels[train]


def load_test():
    """Return the test images and labels, never seen in training or calibration.

    Returns
    -------
    images : numpy.ndarray
        float32, 397 x 1 x 32 x 32, in -1..1.
    labels : numpy.ndarray
        int64, 397, in 0..9.
    """
    images, labels = _digits()
    _, test = split_indices()
    return images[test], labels[test]


def calibration(count=100):
    """Return training images to calibrate the quantisation with.

    Parameters
    ----------
    count : int
        How many, at most the 1,400 of the training split.

    Returns
    -------
    dict of str to numpy.ndarray
        ``{"image": ...}``, float32, count x 1 x 32 x 32: the key is the ONNX input's name.

    Raises
    ------
    ValueError
        If there are not that many training images.
    """
    images, _ = load_train()
    if not 1 <= count <= len(images):
        raise ValueError(f"Calibration takes 1..{len(images)} training images, not {count!r}")
    return {INPUT_NAME: images[:count]}


def main():
    """Write calibration data to a file."""
    parser = argparse.ArgumentParser(description="Write calibration data for LeNet-5.")
    parser.add_argument("output", help="file to write (.npz)")
    parser.add_argument("--count", type=int, default=100, help="images to write (default: 100)")
    arguments = parser.parse_args()
    np.savez_compressed(arguments.output, **calibration(arguments.count))


if __name__ == "__main__":
    main()
