"""Links, and the units between them: operators and mappers."""

from numba import njit

from .state import LINK_PLACES

__all__ = ["has_room", "has_word", "pop", "push", "tick_unit"]


@njit
def has_word(link, now):
    """Return whether the sink of a link can take a word."""
    return link.count > 0 and link.ring[link.head & (LINK_PLACES - 1)] <= now


@njit
def pop(link):
    """Take a word from a link."""
    link.head += 1
    link.count -= 1


@njit
def has_room(links, sinks, first, count, now):
    """Return whether all ``count`` links that ``sinks`` names from ``first`` on take a word."""
    for place in range(first, first + count):
        link = links[sinks[place]]
        if link.count >= link.capacity and _held(link, now) >= link.capacity:
            return False
    return True


@njit
def _held(link, now):
    """Return the words of a link that are out of the source's pipeline."""
    count = link.count
    while count > 0 and (link.ring[(link.head + count - 1) & (LINK_PLACES - 1)]
                         > now + link.behind):
        count -= 1
    return count


@njit
def push(links, sinks, first, count, now):
    """Send a word on all those links."""
    for place in range(first, first + count):
        link = links[sinks[place]]
        link.ring[(link.head + link.count) & (LINK_PLACES - 1)] = now + link.latency
        link.count += 1


@njit
def tick_unit(unit, links, now):
    """Take a word of each input; with the last of ``window`` words a result is on its way."""
    for place in range(unit.inputs):
        if not has_word(links[unit.input[place]], now):
            return
    if not has_room(links, unit.sink, 0, unit.sinks, now):
        return
    for place in range(unit.inputs):
        pop(links[unit.input[place]])
    unit.taken += 1
    if unit.taken == unit.window:
        unit.taken = 0
        push(links, unit.sink, 0, unit.sinks, now)
