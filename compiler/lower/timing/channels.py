"""Read, weight and write channels of the DMA ports: `hdl.dma.fetch` and `hdl.dma.store`."""

from numba import njit

from .addresses import next_place
from .state import BEAT_PLACES, BURST_PLACES, PLACES
from .streams import has_room, has_word, pop, push

__all__ = ["level", "push_beat", "push_burst", "tick_reader", "tick_writer"]

#: Samples between address and extraction, and bursts that wait, at which no address is taken.
_PLACED, _WAITING = 248, 8

#: Cycles from an address to its place, or its burst, at the far end of their queues.
_COALESCE = 5

#: Beats that a writer holds before it takes no sample; bursts without a response.
_HELD, _UNANSWERED = 24, 15


@njit
def push_burst(channel, beats, time):
    """Queue a burst of so many beats, which may be asked for from a time on."""
    place = (channel.burst_head + channel.burst_count) & (BURST_PLACES - 1)
    channel.burst_time[place], channel.burst_beats[place] = time, beats
    channel.burst_count += 1


@njit
def _held(times, head, count, now):
    """Return the words of a queue that are in it, not on their way to it."""
    places = len(times)
    while count > 0 and times[(head + count - 1) & (places - 1)] > now + 1:
        count -= 1
    return count


@njit
def level(times, head, count, now):
    """Return the words in a queue's memory: the oldest one is in its output register."""
    return _held(times, head, count, now) - 1


@njit
def tick_reader(reader, walk, links, tables, now):
    """Take an address, ask for a burst, hand on a sample."""
    if reader.left == reader.total:
        return
    _take_address(reader, walk, tables, now)
    _ask(reader, now)
    _extract(reader, links, now)


@njit
def _take_address(reader, walk, tables, now):
    room = (now + 1 >= reader.begin
            and level(reader.place_time, reader.place_head, reader.place_count, now) < _PLACED
            and level(reader.burst_time, reader.burst_head, reader.burst_count, now) < _WAITING)
    if reader.room and reader.taken < reader.total:
        next_place(walk, tables)
        place = (reader.place_head + reader.place_count) & (PLACES - 1)
        reader.place_time[place] = now + _COALESCE
        reader.place_advance[place] = walk.advance
        reader.place_count += 1
        reader.taken += 1
        if walk.closed:
            push_burst(reader, walk.closed, now + _COALESCE)
        if reader.taken == reader.total:
            push_burst(reader, walk.length + 1, now + _COALESCE + 1)
    reader.room = room


@njit
def _ask(reader, now):
    place = reader.burst_head & (BURST_PLACES - 1)
    if (not reader.asks and reader.burst_count > 0 and reader.burst_time[place] <= now
            and reader.free >= reader.burst_beats[place]):
        reader.asks, reader.asked_beats = 1, reader.burst_beats[place]
        reader.free -= reader.asked_beats
        reader.outstanding += 1
        reader.burst_head += 1
        reader.burst_count -= 1
    reader.free += reader.freed
    reader.freed = reader.freeing
    reader.freeing = 0


@njit
def _extract(reader, links, now):
    place = reader.place_head & (PLACES - 1)
    if reader.place_count > 0 and reader.place_time[place] <= now:
        advance = reader.place_advance[place]
        here = (reader.beat_count > 0
                and reader.beat_time[reader.beat_head & (BEAT_PLACES - 1)] <= now)
        if (here or not advance) and has_room(links, reader.sink, 0, reader.sinks, now):
            push(links, reader.sink, 0, reader.sinks, now)
            reader.place_head += 1
            reader.place_count -= 1
            reader.left += 1
            if reader.left == reader.total:
                reader.done = now + 3
            if advance:
                reader.beat_head += 1
                reader.beat_count -= 1
                reader.freeing = 1


@njit
def tick_writer(writer, walk, links, tables, now):
    """Take a sample, ask for a burst."""
    link = links[writer.link]
    room = (_held(writer.beat_time, writer.beat_head, writer.beat_count, now) < _HELD
            and level(writer.burst_time, writer.burst_head, writer.burst_count, now) < _WAITING)
    if writer.room and writer.taken < writer.total and has_word(link, now):
        pop(link)
        _pack(writer, walk, tables, now)
    writer.room = room
    place = writer.burst_head & (BURST_PLACES - 1)
    if (not writer.asks and writer.burst_count > 0 and writer.burst_time[place] <= now
            and writer.outstanding < _UNANSWERED):
        writer.asks, writer.asked_beats = 1, writer.burst_beats[place]
        writer.outstanding += 1
        writer.burst_head += 1
        writer.burst_count -= 1
    if writer.complete and writer.outstanding == 0 and writer.burst_count == 0 and not writer.done:
        writer.done = now + 1


@njit
def _pack(writer, walk, tables, now):
    """Put a sample in its beat."""
    next_place(walk, tables)
    writer.taken += 1
    if walk.advance:
        if writer.filling:
            push_beat(writer, now + _COALESCE)
        writer.filling = 1
    if walk.closed:
        push_burst(writer, walk.closed, now + _COALESCE)
    if writer.taken == writer.total:
        push_beat(writer, now + _COALESCE + 1)
        push_burst(writer, walk.length + 1, now + _COALESCE + 1)
        writer.complete = 1


@njit
def push_beat(writer, time):
    """Queue a beat, which may be taken from a time on."""
    place = (writer.beat_head + writer.beat_count) & (BEAT_PLACES - 1)
    writer.beat_time[place] = time
    writer.beat_count += 1
