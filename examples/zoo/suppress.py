"""Non-maximum suppression: what the host does with heat maps."""

from dataclasses import dataclass

import numpy as np

__all__ = ["Detection", "best_of", "detections", "overlap"]


@dataclass(frozen=True)
class Detection:
    """A window that scored.

    Parameters
    ----------
    score : float
        Its value in the heat map.
    box : tuple of float
        Top, left, bottom, right in pixels of the whole picture.
    """

    score: float
    box: tuple


def overlap(a, b):
    """Return the area that two boxes share over the area of both together."""
    high = min(a[2], b[2]) - max(a[0], b[0])
    wide = min(a[3], b[3]) - max(a[1], b[1])
    shared = max(high, 0) * max(wide, 0)
    both = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (a, b))
    return shared / (both - shared)


def detections(heat, threshold, *, window, stride, scale=1):
    """Return the windows of one heat map that score above a threshold.

    Parameters
    ----------
    heat : numpy.ndarray
        Scores, rows x columns; place (i, j) is for the window at (i, j) * stride.
    threshold : float
        Scores up to this are left out.
    window, stride : int
        What the network sees of its input at each place, and from one place to the next.
    scale : float
        Pixels of the picture for one of the network's input.

    Returns
    -------
    list of Detection
        In the order of the map.
    """
    return [Detection(float(heat[row, column]), tuple(
        float(scale * edge) for edge in (row * stride, column * stride,
                                         row * stride + window, column * stride + window)))
            for row, column in np.argwhere(heat > threshold)]


def best_of(candidates, most=0.3):
    """Keep the best of the windows that overlap.

    Parameters
    ----------
    candidates : list of Detection
        From all scales.
    most : float
        Overlap up to which two windows are two objects.

    Returns
    -------
    list of Detection
        Best first; no two overlap by more.
    """
    kept = []
    for one in sorted(candidates, key=lambda one: -one.score):
        if all(overlap(one.box, other.box) <= most for other in kept):
            kept.append(one)
    return kept
