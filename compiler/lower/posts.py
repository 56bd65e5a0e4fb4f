"""What stands between a head and the write channel: mapper and reducing operator."""

from hdl.registers import OPERATIONS

from ..fixed import Lookup
from .circuit import route

__all__ = ["average_factor", "chain", "mapper_values", "reduction"]


def average_factor(samples):
    """Return (factor, shift) that average ``samples`` samples, see docs/arithmetic.md."""
    if samples & (samples - 1) == 0:
        return 1, samples.bit_length() - 1
    # round(2**shift / samples), ties up as everywhere.
    for shift in range(31, -1, -1):
        factor = ((2 << shift) + samples) // (2 * samples)
        if factor <= 32767:
            return factor, shift
    raise AssertionError("shift 0 gives a factor of at most 1")


def mapper_values(table):
    """Return registers of the mapper and words of its table for a `LookupTable`."""
    registers = {
        "low": table.low, "high": table.high, "origin": table.origin,
        "logarithmic": int(table.logarithmic), "segment_shift": table.segment_shift,
        "square_shift": table.square_shift, "shift": table.shift}
    words = []
    for a, b, c in zip(table.a, table.b, table.c, strict=True):
        words += [(b & 0xFFFF) << 16 | a & 0xFFFF, c & 0xFFFFFFFF]
    return registers, words


def reduction(kind, taken, averaged):
    """Return registers of an operator that reduces windows.

    Parameters
    ----------
    kind : str
        "max" or "average".
    taken : int
        Samples of a window that are read.
    averaged : int
        Samples an average divides by.
    """
    if kind == "max":
        return {"operation": OPERATIONS.index("reduce_max"), "count": taken}
    factor, shift = average_factor(averaged)
    return {"operation": OPERATIONS.index("reduce_sum"), "count": taken, "constant": factor,
            "shift": shift}


def chain(circuit, tile, source, posts, pairs, reduce=None):
    """Wire ``source`` through the posts to the write channel of a tile.

    Parameters
    ----------
    circuit : Circuit
        Gets the registers of mapper, operator and router.
    tile : int
        The tile.
    source : str
        Router source of the samples.
    posts : sequence of Node
        A Lookup is the mapper; anything else stands for operator 0 with registers ``reduce``, or
        for nothing without them.
    pairs : dict
        Sinks and sources wired already; the router is set from them and the chain.
    reduce : dict or None
        Registers of operator 0.
    """
    pairs = dict(pairs)
    for post in posts:
        if isinstance(post, Lookup):
            registers, words = mapper_values(post.table)
            circuit.set(tile, "mapper", registers)
            circuit.set(tile, "mapper_table", words)
            pairs["mapper"], source = source, "mapper"
        elif reduce is not None:
            circuit.set(tile, "op0", reduce)
            pairs["op0_a"], source = source, "op0"
    route(circuit, tile, pairs | {"dma": source})
