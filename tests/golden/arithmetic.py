"""Every number the hardware computes, straight from docs/arithmetic.md, on Python integers."""

LOW, HIGH = -32768, 32767


def saturate(value):
    return min(max(value, LOW), HIGH)


def round_shift(value, shift):
    """Requantise before it saturates."""
    half = 1 << (shift - 1) if shift else 0
    return (value + half) // (1 << shift)


def requantise(value, shift):
    return saturate(round_shift(value, shift))
