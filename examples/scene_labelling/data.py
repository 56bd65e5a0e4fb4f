"""Frames for the scene-labelling network: labelled ones and photographs, as Y, U and V.

Run as a program, it writes the calibration data that the compiler asks for::

    python -m examples.scene_labelling.data calibration.npz
"""

import argparse

import numpy as np
from PIL import Image
from sklearn.datasets import load_sample_image

from examples.scene_labelling import scenes, stanford

INPUT_NAME = "yuv"
PHOTOGRAPHS = ("china", "flower")
TEST_COUNT = 100
TRAIN_COUNT = 800
# Scenes 0 to 99 are the test; training starts here.
FIRST_TRAIN = 1000


def to_yuv(rgb):
    """Convert RGB to the Y, U and V of BT.601, with Y about zero.

    Parameters
    ----------
    rgb : numpy.ndarray
        ... x rows x columns x 3 values from 0 to 255.

    Returns
    -------
    numpy.ndarray
        float32, ... x 3 x rows x columns: Y - 0.5 in -0.5..0.5 (so that the zeros beyond the
        frame's edge are a middle grey), U = 0.492 (B - Y) in -0.436..0.436, V = 0.877 (R - Y) in
        -0.615..0.615, for R, G and B from 0 to 1.
    """
    red, green, blue = np.moveaxis(np.asarray(rgb, np.float32) / 255, -1, 0)
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    return np.stack([luma - 0.5, 0.492 * (blue - luma), 0.877 * (red - luma)], axis=-3)


def read_picture(path):
    """Read a picture file as a frame.

    Parameters
    ----------
    path : path-like
        Any format that Pillow reads.

    Returns
    -------
    numpy.ndarray
        uint8, 240 x 320 x 3: the largest 4:3 rectangle in the picture's middle.
    """
    with Image.open(path) as image:
        return stanford.fit(image.convert("RGB"), Image.Resampling.LANCZOS)


def photograph(name):
    """Return one of scikit-learn's photographs as a frame.

    Parameters
    ----------
    name : str
        ``"china"`` (a temple before trees) or ``"flower"``.

    Returns
    -------
    numpy.ndarray
        uint8, 240 x 320 x 3.
    """
    return stanford.fit(Image.fromarray(load_sample_image(f"{name}.jpg")),
                        Image.Resampling.LANCZOS)


def crop(rgb, height, width):
    """Return the middle of frames.

    Parameters
    ----------
    rgb : numpy.ndarray
        ... x rows x columns x 3.
    height, width : int
        Rows and columns to keep.

    Raises
    ------
    ValueError
        If the frames have fewer.
    """
    rows, columns = rgb.shape[-3:-1]
    if height > rows or width > columns:
        raise ValueError(f"The photograph has {rows}x{columns} pixels, too few for a frame of "
                         f"{height}x{width}")
    top, left = (rows - height) // 2, (columns - width) // 2
    return rgb[..., top:top + height, left:left + width, :]


def _load(names, count, folder, part):
    count = len(names) if count is None else count
    if not 1 <= count <= len(names):
        raise ValueError(f"There are 1..{len(names)} {part} frames, not {count!r}")
    rgb, labels = zip(*(scenes.make(name) if folder is None else stanford.read(folder, name)
                        for name in names[:count]), strict=True)
    return np.stack(rgb), np.stack(labels)


def load_test(count=None, folder=None):
    """Return labelled frames never seen in training or calibration.

    Parameters
    ----------
    count : int, optional
        How many, from the first; by default all: 100 synthetic scenes, or the test part of the
        data set.
    folder : path-like, optional
        Where the Stanford Background data set is; without it the frames are synthetic.

    Returns
    -------
    rgb : numpy.ndarray
        uint8, count x 240 x 320 x 3.
    labels : numpy.ndarray
        int8, count x 240 x 320, -1 where unknown.

    Raises
    ------
    ValueError
        If there are not that many.
    """
    names = range(TEST_COUNT) if folder is None else stanford.names(folder)[1]
    return _load(names, count, folder, "test")


def load_train(count=None, folder=None):
    """Return labelled frames to train with.

    Parameters
    ----------
    count : int, optional
        How many, from the first; by default all: 800 synthetic scenes, or the training part of
        the data set. More synthetic scenes than that may be asked for, up to 100,000.
    folder : path-like, optional
        Where the Stanford Background data set is; without it the frames are synthetic.

    Returns
    -------
    rgb : numpy.ndarray
        uint8, count x 240 x 320 x 3.
    labels : numpy.ndarray
        int8, count x 240 x 320, -1 where unknown.

    Raises
    ------
    ValueError
        If there are not that many.
    """
    if folder is not None:
        return _load(stanford.names(folder)[0], count, folder, "training")
    return _load(range(FIRST_TRAIN, FIRST_TRAIN + 100_000),
                 TRAIN_COUNT if count is None else count, None, "training")


def calibration(count=8, size=(240, 320)):
    """Return training frames to calibrate the quantisation with.

    Parameters
    ----------
    count : int
        How many synthetic scenes; the first are a mixture of all kinds.
    size : tuple of int
        Rows and columns to keep of their middle.

    Returns
    -------
    dict of str to numpy.ndarray
        ``{"yuv": ...}``, float32, count x 3 x rows x columns: the key is the ONNX input's name.

    Raises
    ------
    ValueError
        If there are not that many scenes, or they are smaller.
    """
    return {INPUT_NAME: to_yuv(crop(load_train(count)[0], *size))}


def main():
    """Write calibration data to a file."""
    parser = argparse.ArgumentParser(description="Write calibration data for scene labelling.")
    parser.add_argument("output", help="file to write (.npz)")
    parser.add_argument("--count", type=int, default=8, help="frames to write (default: 8)")
    arguments = parser.parse_args()
    np.savez_compressed(arguments.output, **calibration(arguments.count))


if __name__ == "__main__":
    main()
