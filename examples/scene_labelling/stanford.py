"""Reader of the Stanford Background data set, for those who have it on disk.

715 photographs of outdoor scenes with a class for every pixel (S. Gould, R. Fulton and D. Koller,
"Decomposing a Scene into Geometric and Semantically Consistent Regions", ICCV 2009). It unpacks to
a folder with ``images/NAME.jpg`` and ``labels/NAME.regions.txt``: a row of integers a row of
pixels, 0 to 7 as in :data:`examples.scene_labelling.scenes.CLASSES`, negative where unknown.
"""

from pathlib import Path

import numpy as np
from PIL import Image

from examples.scene_labelling import scenes

UNKNOWN = -1
TEST_SHARE = 0.2
SPLIT_SEED = 3


def fit(image, resample):
    """Cut the largest 4:3 rectangle out of a picture's middle and scale it to 320x240.

    Parameters
    ----------
    image : PIL.Image.Image
        The picture, of any size.
    resample : PIL.Image.Resampling
        How to scale: bilinear for colours, nearest for labels.

    Returns
    -------
    numpy.ndarray
        uint8, 240 x 320 (x 3 for RGB).
    """
    width = min(image.width, image.height * scenes.WIDTH / scenes.HEIGHT)
    height = min(image.height, image.width * scenes.HEIGHT / scenes.WIDTH)
    left, top = (image.width - width) / 2, (image.height - height) / 2
    return np.asarray(image.resize((scenes.WIDTH, scenes.HEIGHT), resample,
                                   box=(left, top, left + width, top + height)))


def names(folder):
    """Return the data set's pictures, split for training and test.

    Parameters
    ----------
    folder : path-like
        Where the data set is, the folder that holds ``images`` and ``labels``.

    Returns
    -------
    train, test : list of str
        Names without ``.jpg``: four fifths and one fifth, disjoint, sorted, the same each time.

    Raises
    ------
    FileNotFoundError
        If there are no pictures.
    """
    found = sorted(path.stem for path in Path(folder, "images").glob("*.jpg"))
    if not found:
        raise FileNotFoundError(
            f"{folder}: no images/*.jpg in it; name the folder of the Stanford Background data "
            "set that holds images/ and labels/")
    order = np.random.RandomState(SPLIT_SEED).permutation(len(found))
    count = max(1, round(TEST_SHARE * len(found)))
    return (sorted(found[i] for i in order[count:]), sorted(found[i] for i in order[:count]))


def _read_labels(path):
    if not path.is_file():
        raise FileNotFoundError(f"{path}: missing; every picture needs its regions")
    rows = [line.split() for line in path.read_text(encoding="ascii", errors="replace").splitlines()
            if line.strip()]
    if not rows or any(len(row) != len(rows[0]) for row in rows):
        raise ValueError(f"{path}: must hold rows of equally many integers")
    try:
        labels = np.array(rows, np.int64)
    except ValueError as error:
        raise ValueError(f"{path}: must hold integers only ({error})") from None
    if labels.max() >= len(scenes.CLASSES):
        raise ValueError(f"{path}: classes must be at most {len(scenes.CLASSES) - 1}, "
                         f"not {labels.max()}")
    return np.where(labels < 0, UNKNOWN, labels)


def read(folder, name):
    """Read a picture and its labels.

    Parameters
    ----------
    folder : path-like
        Where the data set is.
    name : str
        The picture's name without ``.jpg``.

    Returns
    -------
    rgb : numpy.ndarray
        uint8, 240 x 320 x 3.
    labels : numpy.ndarray
        int8, 240 x 320, -1 where unknown.

    Raises
    ------
    FileNotFoundError
        If the labels are missing.
    ValueError
        If they are no matrix of classes of the picture's size.
    """
    path = Path(folder, "labels", f"{name}.regions.txt")
    labels = _read_labels(path)
    with Image.open(Path(folder, "images", f"{name}.jpg")) as image:
        if labels.shape != (image.height, image.width):
            raise ValueError(f"{path}: {labels.shape[0]}x{labels.shape[1]} classes for a picture "
                             f"of {image.height}x{image.width}")
        rgb = fit(image.convert("RGB"), Image.Resampling.BILINEAR)
    # An 8-bit picture holds no negative numbers: one up and down again.
    codes = fit(Image.fromarray((labels - UNKNOWN).astype(np.uint8)), Image.Resampling.NEAREST)
    return rgb, codes.astype(np.int8) + np.int8(UNKNOWN)
