"""Addresses of a DMA channel, joined to beats and bursts: `hdl.dma.address` and `coalescer`."""

from numba import njit

__all__ = ["next_place"]

#: Most beats of a burst.
MAX_BEATS = 16


@njit
def _next_address(walk, tables):
    """Return the next sample address and step the loops, the table and its repetitions."""
    for loop in range(4):
        if walk.index[loop] + 1 < walk.count[loop]:
            walk.index[loop] += 1
            address = walk.here[loop] + walk.stride[loop]
            for inner in range(loop + 1):
                walk.here[inner] = address
            for inner in range(loop):
                walk.index[inner] = 0
            return address
    address = walk.origin
    if walk.entries:
        address += tables[walk.table + walk.entry]
        walk.entry = walk.entry + 1 if walk.entry + 1 < walk.entries else 0
    for loop in range(4):
        walk.index[loop], walk.here[loop] = 0, address
    return address


@njit
def next_place(walk, tables):
    """Take the next address: say what it does to beats and bursts.

    Sets ``walk.advance`` to 1 if a new beat begins with it, and ``walk.closed`` to the beats of
    the burst that ends before it, 0 if none does.
    """
    address = _next_address(walk, tables)
    beat = address // walk.lanes
    full = walk.span > 0 and walk.left == 0
    spent = walk.span > 0 and walk.left <= walk.lanes
    shares = walk.opened and beat == walk.beat and not full
    lengthens = (walk.opened and beat == walk.beat + 1 and beat % walk.page != 0
                 and walk.length != MAX_BEATS - 1 and not spent)
    walk.beat = beat
    walk.advance = 0 if shares else 1
    walk.closed = 0
    if shares or lengthens:
        walk.left -= 1
        walk.length += walk.advance
        return
    if walk.opened:
        walk.closed = walk.length + 1
    walk.opened, walk.length = 1, 0
    walk.left = walk.limit + walk.lanes
    walk.limit = min(2 * walk.limit + 1, walk.span - 1)
