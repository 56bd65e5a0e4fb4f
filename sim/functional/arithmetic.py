"""Rounding and saturation on arrays, see docs/arithmetic.md."""

import numpy as np

__all__ = ["HIGH", "LOW", "requantise", "saturate"]

LOW, HIGH = -32768, 32767


def saturate(values):
    """Return the values as samples of 16 bits."""
    return np.clip(values, LOW, HIGH).astype(np.int16)


def requantise(values, shift):
    """Add half, shift right, saturate; ``shift`` may be an array."""
    shift = np.asarray(shift, np.int64)
    half = np.where(shift > 0, np.left_shift(1, np.maximum(shift - 1, 0)), 0)
    return saturate((values + half) >> shift)
