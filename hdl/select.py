"""Choices among words, and comparison, written so that they map to few LUTs."""

import functools
import operator

from amaranth.hdl import Cat, Mux, Value

__all__ = ["equal", "or_reduce", "select", "select_window"]


def select(index, values):
    """Return element ``index`` of ``values`` as a tree of two-way multiplexers.

    A tree over the bits of ``index`` maps four inputs to one 6-input LUT; comparing ``index``
    with each position would cost a decoder for each. An index past the end gives some element.

    Parameters
    ----------
    index : Value
        Unsigned.
    values : sequence of Value
        At least one, all of one shape.

    Raises
    ------
    ValueError
        If there are no values, or more than ``index`` can tell apart.
    """
    values, index = list(values), Value.cast(index)
    if not 1 <= len(values) <= 1 << len(index):
        raise ValueError(f"values must be 1 to {1 << len(index)} for an index of {len(index)} "
                         f"bits, not {len(values)}")
    bit = 0
    while len(values) > 1:
        pairs = [values[at:at + 2] for at in range(0, len(values), 2)]
        values = [Mux(index[bit], pair[1], pair[0]) if len(pair) == 2 else pair[0]
                  for pair in pairs]
        bit += 1
    return values[0]


def select_window(place, word, width, step):
    """Return ``width`` bits of ``word`` from bit ``place * step`` on: one step of a shifter.

    With a place of two bits each bit is a multiplexer of four, one 6-input LUT. Neighbours' trees
    would have nodes in common, which synthesis would build on their own; so the trees take turns
    between forms that share none.

    Parameters
    ----------
    place : Value
        One or two bits.
    word : Value
        Long enough for the last place.
    width, step : int
        Bits.
    """
    windows = [word[index * step:][:width] for index in range(1 << len(place))]
    if len(place) != 2:
        return select(place, windows)
    low, high = place
    forms = [
        lambda a, b, c, d: Mux(high, Mux(low, d, c), Mux(low, b, a)),
        lambda a, b, c, d: Mux(high, Mux(low, d, c), Mux(low, b, a)),
        lambda a, b, c, d: Mux(low, Mux(high, d, b), Mux(high, c, a)),
        lambda a, b, c, d: Mux(low ^ high, Mux(low, b, c), Mux(low, d, a)),
    ]
    return Cat(forms[bit // step % 4](*inputs)
               for bit, inputs in enumerate(zip(*windows, strict=True)))


def or_reduce(words):
    """Return the one of some words that is not 0: their OR, six of them in a LUT."""
    return functools.reduce(operator.or_, words)


def equal(a, b):
    """Return whether two words of one width are equal: a 6-input LUT for each three bits.

    A carry chain joins them; a tree would take half as many LUTs again.

    Raises
    ------
    ValueError
        If the widths differ.
    """
    if len(a) != len(b):
        raise ValueError(f"words must have one width, not {len(a)} and {len(b)} bits")
    groups = Cat(a[at:at + 3] == b[at:at + 3] for at in range(0, len(a), 3))
    return (groups + 1)[len(groups)]
