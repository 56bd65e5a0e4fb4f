"""Interconnect and external memory: `hdl.dma.interconnect` and what lies behind the AXI4 port.

Memory answers bursts in order, a beat a cycle each way, as far as its bandwidth goes: tokens of so
many bytes a cycle, of which an idle memory saves up four beats.
"""

from numba import njit

from .channels import level
from .state import BEAT_PLACES, BURST_PLACES, REQUEST_PLACES

__all__ = ["tick_bus"]

#: Requests in a queue, write bursts whose beats are to come, and beats that wait for the port, from
#: which on no more are taken.
_QUEUED, _ORDERED, _BEATS = 4, 12, 12

#: Cycles from a granted request to the memory's port; from the port of memory to a master; from a
#: beat's take to the port.
_QUEUE, _RETURN, _SEND = 2, 2, 4

#: Cycles that a beat written holds up the next burst, and most: see `hdl.dma.precedence`.
_BEAT_PAUSE, _MOST_PAUSE = 16, 255


@njit
def tick_bus(bus, readers, writers, now):
    """Move beats, responses and requests by a cycle."""
    urgent = _watch(readers)
    _arrive(bus, readers, writers, now)
    _write_beats(bus, writers, now)
    bus.urgent = urgent
    tokens = bus.tokens
    accepts = bus.memory_count < bus.most_bursts
    takes = bus.fill_count + bus.answer_count < bus.most_bursts
    _take_data(bus, tokens, now)
    place = bus.read_head & (REQUEST_PLACES - 1)
    if accepts and bus.read_count > 0 and bus.read_time[place] <= now:
        end = (bus.memory_head + bus.memory_count) & (REQUEST_PLACES - 1)
        bus.memory_owner[end] = bus.read_owner[place]
        bus.memory_beats[end] = bus.read_beats[place]
        bus.memory_time[end] = now + bus.latency
        bus.memory_count += 1
        bus.read_head += 1
        bus.read_count -= 1
    place = bus.write_head & (REQUEST_PLACES - 1)
    if takes and bus.write_count > 0 and bus.write_time[place] <= now:
        end = (bus.fill_head + bus.fill_count) & (REQUEST_PLACES - 1)
        bus.fill_owner[end] = bus.write_owner[place]
        bus.fill_beats[end] = bus.write_beats[place]
        bus.fill_count += 1
        bus.write_head += 1
        bus.write_count -= 1
    _answer(bus, now)
    _grant_reads(bus, readers, now)
    _grant_writes(bus, writers, now)


@njit
def _watch(readers):
    """Return whether a reader was urgent; say which ones are."""
    urgent = False
    for place in range(len(readers)):
        reader = readers[place]
        urgent = urgent or reader.urgent
        reader.urgent = reader.outstanding > 0 and reader.beat_count < reader.few
    return urgent


@njit
def _arrive(bus, readers, writers, now):
    """Hand masters what left the memory some cycles ago."""
    place = now & 3
    owner = bus.coming[place]
    if owner >= 0:
        reader = readers[owner]
        end = (reader.beat_head + reader.beat_count) & (BEAT_PLACES - 1)
        reader.beat_time[end] = now + 1
        reader.beat_count += 1
        if bus.coming_last[place]:
            reader.outstanding -= 1
        bus.coming[place] = -1
    owner = bus.answering[place]
    if owner >= 0:
        writers[owner].outstanding -= 1
        bus.answering[place] = -1


@njit
def _answer(bus, now):
    """Offer a beat read and a response for the next cycle."""
    bus.tokens = min(bus.tokens + bus.rate, bus.depth)
    contended = bus.fill_count > 0 and bus.tokens < 2 * bus.cost
    place = bus.memory_head & (REQUEST_PLACES - 1)
    if (bus.tokens >= bus.cost and not (contended and bus.writes_turn) and bus.memory_count > 0
            and bus.memory_time[place] <= now + 1):
        bus.tokens -= bus.cost
        bus.writes_turn = 1
        bus.memory_beats[place] -= 1
        last = bus.memory_beats[place] == 0
        arrives = (now + 1 + _RETURN) & 3
        bus.coming[arrives], bus.coming_last[arrives] = bus.memory_owner[place], last
        if last:
            bus.memory_head += 1
            bus.memory_count -= 1
    place = bus.answer_head & (REQUEST_PLACES - 1)
    if bus.answer_count > 0 and bus.answer_time[place] <= now + 1:
        bus.answering[(now + 1 + _RETURN) & 3] = bus.answer_owner[place]
        bus.answer_head += 1
        bus.answer_count -= 1


@njit
def _take_data(bus, tokens, now):
    """Take a beat to write, if one is on the port."""
    if bus.output_count == 0 or bus.output_time[bus.output_head & (BURST_PLACES - 1)] > now:
        return
    if bus.fill_count == 0 or tokens < bus.cost:
        return
    bus.output_head += 1
    bus.output_count -= 1
    bus.tokens -= bus.cost
    bus.writes_turn = 0
    place = bus.fill_head & (REQUEST_PLACES - 1)
    bus.fill_beats[place] -= 1
    if bus.fill_beats[place] == 0:
        end = (bus.answer_head + bus.answer_count) & (REQUEST_PLACES - 1)
        bus.answer_time[end] = now + bus.latency
        bus.answer_owner[end] = bus.fill_owner[place]
        bus.answer_count += 1
        bus.fill_head += 1
        bus.fill_count -= 1


@njit
def _write_beats(bus, writers, now):
    """Take a beat of the writer whose turn it is; begin the next burst."""
    room = level(bus.output_time, bus.output_head, bus.output_count, now) < _BEATS
    takes = bus.turn >= 0 and bus.output_room
    if takes:
        writer = writers[bus.turn]
        writer.beat_head += 1
        writer.beat_count -= 1
        place = (bus.output_head + bus.output_count) & (BURST_PLACES - 1)
        bus.output_time[place] = now + _SEND
        bus.output_count += 1
        bus.turn_left -= 1
    if bus.turn < 0 or (takes and bus.turn_left == 0):
        bus.turn = -1
        place = bus.order_head & (REQUEST_PLACES - 1)
        if ((not bus.urgent or bus.pause == 0) and bus.order_count > 0
                and bus.order_time[place] <= now):
            bus.turn, bus.turn_left = bus.order_owner[place], bus.order_beats[place]
            bus.order_head += 1
            bus.order_count -= 1
    bus.output_room = room
    if takes:
        bus.pause = min(bus.pause + _BEAT_PAUSE, _MOST_PAUSE)
    elif bus.pause > 0:
        bus.pause -= 1


@njit
def _choose(masters, behind, room):
    """Return the next master that asks, in turn, or -1."""
    if room:
        place = behind
        for _ in range(len(masters)):
            if place >= len(masters):
                place -= len(masters)
            if masters[place].asks:
                return place
            place += 1
    return -1


@njit
def _grant_reads(bus, readers, now):
    """Take the burst whose grant has come; grant the next one."""
    room = bus.read_count - 1 < _QUEUED
    chosen = _choose(readers, bus.read_behind, bus.read_room)
    granted = bus.read_grant[1]
    if granted >= 0 and readers[granted].asks:
        reader = readers[granted]
        end = (bus.read_head + bus.read_count) & (REQUEST_PLACES - 1)
        bus.read_owner[end], bus.read_beats[end] = granted, reader.asked_beats
        bus.read_time[end] = now + _QUEUE
        bus.read_count += 1
        reader.asks = 0
    bus.read_grant[1] = bus.read_grant[0]
    bus.read_grant[0] = chosen
    if chosen >= 0:
        bus.read_behind = chosen + 1
    bus.read_room = room


@njit
def _grant_writes(bus, writers, now):
    """Do the same for bursts to write."""
    room = bus.write_count - 1 < _QUEUED and bus.order_count - 1 < _ORDERED
    chosen = _choose(writers, bus.write_behind, bus.write_room)
    granted = bus.write_grant[1]
    if granted >= 0 and writers[granted].asks:
        writer = writers[granted]
        end = (bus.write_head + bus.write_count) & (REQUEST_PLACES - 1)
        bus.write_owner[end], bus.write_beats[end] = granted, writer.asked_beats
        bus.write_time[end] = now + _QUEUE
        bus.write_count += 1
        end = (bus.order_head + bus.order_count) & (REQUEST_PLACES - 1)
        bus.order_owner[end], bus.order_time[end] = granted, now + _QUEUE
        bus.order_beats[end] = writer.asked_beats
        bus.order_count += 1
        writer.asks = 0
    bus.write_grant[1] = bus.write_grant[0]
    bus.write_grant[0] = chosen
    if chosen >= 0:
        bus.write_behind = chosen + 1
    bus.write_room = room
