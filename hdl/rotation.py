"""A counter for addresses whose order does not matter: one LUT, however wide."""

from amaranth.hdl import Cat

__all__ = ["following"]

#: The lower tap of a shift register of maximal length, by its bits (Xilinx XAPP052, table 3).
_TAPS = {2: 1, 3: 2, 4: 3, 5: 3, 6: 5}


def following(place):
    """Return the value after ``place`` in a cycle through all values of its width.

    A linear feedback shift register; its feedback is inverted at both ends of the run of zeros,
    so that 0 has its place in the cycle, too. Wider than 6 bits, where that takes more than one
    LUT, it counts.

    Parameters
    ----------
    place : Signal
        Unsigned.
    """
    if len(place) == 1:
        return ~place
    if len(place) not in _TAPS:
        return (place + 1)[:len(place)]
    return Cat(place[-1] ^ place[_TAPS[len(place)] - 1] ^ ~place[:-1].any(), place[:-1])
