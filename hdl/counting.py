"""Counters, written so that a bit of one is a single LUT before the carry chain."""

from amaranth.hdl import Cat, Const, Mux, Value

__all__ = ["count_down", "step"]


def count_down(start, limit, left):
    """Return what a counter of the turns left after this one holds next.

    A loop of ``limit`` turns counts ``limit - 1`` ... 0, so that the choice of what is counted
    down shares the LUTs of the subtraction.

    Parameters
    ----------
    start : Value
        One bit: begin with ``limit``, else go on from ``left``.
    limit, left : Value
        Unsigned, of one width. Past 0 the counter goes on at its largest number.
    """
    left = Value.cast(left)
    return (Const(-1, len(left)).as_unsigned() + Mux(start, limit, left))[:len(left)]


def step(count, up, down):
    """Return ``count``, one more with ``up`` and one less with ``down``, the same with both.

    Parameters
    ----------
    count : Value
        Unsigned; wraps.
    up, down : Value
        One bit each.
    """
    count = Value.cast(count)
    change = Cat(up ^ down, (down & ~up).replicate(len(count) - 1))
    return (change + count)[:len(count)]
