"""Which tiles work together: each convolver and its partner, and pairs of DMA ports."""

from functools import lru_cache

__all__ = ["OPPOSITE", "partners", "port_pairs"]

#: The neighbour's name for the link in each direction.
OPPOSITE = {"n": "s", "e": "w", "s": "n", "w": "e"}


def _match(target, firsts, seconds):
    """Return disjoint pairs of neighbours, greedily: {first: (second, direction)}."""
    used, pairs = set(), {}
    for tile in firsts:
        if tile in used:
            continue
        for direction in ("e", "w", "s", "n"):
            other = target.neighbour(tile, direction)
            if other in seconds and other not in used:
                used |= {tile, other}
                pairs[tile] = other, direction
                break
    return pairs


@lru_cache
def partners(target):
    """Return the partner of each convolver tile, a neighbour that has a DMA port to spare.

    Parameters
    ----------
    target : Target
        The machine.

    Returns
    -------
    dict of int to tuple
        Convolver tile to partner tile and its direction; empty unless every convolver has one.
    """
    spare = set(target.dma_tiles) - set(target.convolvers)
    pairs = _match(target, target.convolvers, spare)
    return pairs if len(pairs) == len(target.convolvers) else {}


@lru_cache
def port_pairs(target):
    """Return disjoint pairs of neighbours with DMA ports: {tile: (neighbour, direction)}."""
    return _match(target, target.dma_tiles, set(target.dma_tiles))
