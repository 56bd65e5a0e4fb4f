"""A convolver: frames and weights in, the chain, accumulator halves and drains.

The chain moves by one enable: a sample, a head's word and, at the start of a pass, a free half of
the accumulators must be there. Everything behind it is counted in its cycles. Mirrors
`hdl.convolver`, file by file: frame, sequencer, accumulators, weights, drain.
"""

from numba import njit

from .state import MOST_SINKS
from .streams import has_room, has_word, pop, push

__all__ = ["tick_convolver"]

#: What the weight loader takes: parameters of a pass, weights of a context, nothing more.
_PARAMETERS, _CONTEXT, _OFF = 0, 1, 2

#: First cycles in which the frame builder and the sequencer have a word.
_FIRST_SAMPLE, _FIRST_WORD = 6, 4

#: Words of parameters of a lane and group.
_PARAMETER_WORDS = 4


@njit
def tick_convolver(conv, links, now):
    """Move a convolver by a cycle."""
    more = ((conv.samples > 1 or (conv.samples == 1 and not conv.enable))
            and (conv.words > 1 or (conv.words == 1 and not conv.enable)))
    pass_done, frame_done, demand = False, False, conv.asked == 1
    if conv.enable:
        pass_done, frame_done, starts = _chain(conv)
        if pass_done:
            conv.pass_time = now
            if conv.ended == conv.mark_pass:
                conv.mark_time = now
        demand = demand or starts
    wait = demand and conv.halves == 0
    conv.halves += conv.half_free - (1 if demand and not wait else 0)
    conv.asked = wait
    half_freed = conv.half_free
    _load(conv, links, now, frame_done, half_freed)
    _fill_words(conv, now)
    _fill_samples(conv, links, now)
    _drain(conv, links, now, pass_done)
    conv.enable = more and not wait and not conv.done


@njit
def _chain(conv):
    """Step the chain; return what its heads and its end come to in this cycle."""
    cycle = conv.cycle
    conv.cycle += 1
    conv.samples -= 1
    conv.words -= 1
    starts = cycle == conv.next_start and conv.begun < conv.passes
    if starts:
        conv.next_start += conv.pass_cycles
        conv.begun += 1
    frame_done = cycle == conv.next_frame
    if frame_done:
        conv.next_frame += conv.frame_cycles
    pass_done = cycle == conv.next_pass and conv.ended < conv.passes
    if pass_done:
        conv.next_pass += conv.pass_cycles
        conv.ended += 1
    return pass_done, frame_done, starts


@njit
def _fill_samples(conv, links, now):
    """Put a sample, or the zero that stands for one, in the queue ahead of the chain."""
    if now < _FIRST_SAMPLE or conv.samples >= 2:
        return
    if conv.frame_pass < conv.passes:
        column, row = conv.column - conv.x[conv.kind], conv.row - conv.y[conv.kind]
        if 0 <= column < conv.data_width and 0 <= row < conv.data_height:
            if not has_word(links[conv.link_a], now):
                return
            if conv.link_b >= 0:
                if not has_word(links[conv.link_b], now):
                    return
                pop(links[conv.link_b])
            pop(links[conv.link_a])
        _next_position(conv)
    conv.samples += 1


@njit
def _next_position(conv):
    conv.column += 1
    if conv.column < conv.width:
        return
    conv.column = 0
    conv.row += 1
    if conv.row < conv.height:
        return
    conv.row = 0
    conv.group += 1
    if conv.group < conv.interleave:
        return
    conv.group = 0
    conv.entry += 1
    conv.kind = conv.kind + 1 if conv.kind + 1 < conv.kinds else 0
    if conv.entry == conv.entries:
        conv.entry, conv.kind = 0, 0
        conv.frame_pass += 1


@njit
def _fill_words(conv, now):
    """Put a head's word in its queue; the first one of a frame waits for its context."""
    loaded = conv.loaded
    if now >= _FIRST_WORD and conv.words < 2:
        starts = conv.position == conv.next_word
        if not starts or loaded:
            conv.words += 1
            conv.position += 1
        if starts and loaded:
            conv.contexts -= 1
            conv.frames_left -= 1
            conv.next_word = conv.position - 1 + conv.frame_cycles if conv.frames_left else -1
    conv.loaded = conv.contexts > 0
    conv.contexts += conv.loaded_soon
    conv.loaded_soon = conv.loaded_later
    conv.loaded_later = 0


@njit
def _load(conv, links, now, frame_done, half_freed):
    """Take a word of the weight stream where there is room for what it belongs to."""
    first = False
    room = conv.context_room if conv.loading == _CONTEXT else conv.pass_room
    if conv.loading != _OFF and (conv.inside or room):
        link = links[conv.link_weights]
        if has_word(link, now):
            pop(link)
            first = not conv.inside
            conv.inside = 1
            conv.words_left -= 1
    context = first and conv.loading == _CONTEXT
    parameters = first and conv.loading == _PARAMETERS
    conv.context_room = conv.free_contexts > 0 and not first
    conv.pass_room = conv.parameters > 0 and not first
    conv.free_contexts += int(frame_done) - int(context)
    conv.parameters += int(half_freed) - int(parameters)
    if conv.inside and conv.words_left == 0:
        _next_load(conv)


@njit
def _next_load(conv):
    """Go on to the next context or to the parameters of the next pass."""
    conv.inside = 0
    if conv.loading == _CONTEXT:
        conv.loaded_later = 1
        conv.load_left -= 1
        if conv.load_left == 0:
            conv.load_pass += 1
            conv.loading = _OFF if conv.load_pass == conv.passes else _PARAMETERS
            conv.words_left = _PARAMETER_WORDS * conv.lanes * conv.interleave
            return
    else:
        conv.loading = _CONTEXT
        conv.load_left = conv.entries * conv.interleave
    conv.words_left = conv.lanes * conv.lane_length


@njit
def _drain(conv, links, now, pass_done):
    """Start the drains on a pass that is done; read a word for each."""
    ready = not conv.go and conv.active[0] == 0 and conv.active[1] == 0
    if ready and conv.last_pass:
        conv.finished = 1
    conv.half_free = ready and conv.draining
    if conv.go:
        for stream in range(2):
            conv.active[stream] = (conv.drain_last[stream] if conv.last_pass
                                   else conv.drain_words[stream])
    else:
        for stream in range(2):
            _drain_word(conv, links, now, stream)
    conv.go = 0
    if ready and conv.waiting > 0:
        conv.go, conv.draining = 1, 1
        conv.waiting -= 1
        conv.drains_left -= 1
        conv.last_pass = conv.drains_left == 0
    elif ready:
        conv.draining = 0
    conv.waiting += int(pass_done)
    if conv.finished and not conv.done and _drained(conv, links):
        conv.done = now + 1


@njit
def _drained(conv, links):
    for stream in range(2):
        for place in range(conv.drain_sinks[stream]):
            if links[conv.drain_sink[stream * MOST_SINKS + place]].count:
                return False
    return True


@njit
def _drain_word(conv, links, now, stream):
    sinks, first = conv.drain_sinks[stream], stream * MOST_SINKS
    if conv.active[stream] > 0 and has_room(links, conv.drain_sink, first, sinks, now):
        push(links, conv.drain_sink, first, sinks, now)
        conv.active[stream] -= 1
