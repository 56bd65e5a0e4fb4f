"""A multiplexer chosen by a number, written so that it maps to few LUTs."""

from amaranth.hdl import Mux, Value

__all__ = ["select"]


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
