"""State of the timing model: one record a unit, whole numbers all, as compiled code wants it.

Times are cycles since the step's `start`. A *ring* is a queue in an array: word n stands in place
n modulo its length, and what it holds is the first cycle in which the word can be taken.
"""

import numpy as np

__all__ = ["BEAT_PLACES", "BURST_PLACES", "BUS", "CONTROL", "CONVOLVER", "LINK", "LINK_PLACES",
           "MOST_SINKS", "PLACES", "READER", "REQUEST_PLACES", "UNIT", "WALK", "WRITER"]

#: Places of the rings: of a link, of samples under way in a read channel, of beats, of bursts, and
#: of requests in the interconnect and the memory. All are powers of two.
LINK_PLACES, PLACES, BEAT_PLACES, BURST_PLACES, REQUEST_PLACES = 128, 512, 128, 32, 128

#: Most sinks of one source.
MOST_SINKS = 8


def _record(*fields):
    """Return a record of whole numbers; a field is a name, or a name and a count."""
    return np.dtype([(field, np.int64) if isinstance(field, str) else
                     (field[0], np.int64, (field[1],)) for field in fields])


#: A stream from a source to one of its sinks. ``latency``: cycles from the source's decision to
#: the first one in which the sink may take the word; ``capacity``: words between the two at which
#: the source waits, of which only those count that the sink may take in ``behind`` cycles.
LINK = _record("latency", "capacity", "behind", "head", "count", ("ring", LINK_PLACES))

#: Addresses of a DMA channel, and the coalescer behind it: ``beat`` is that of the last sample,
#: ``length`` the open burst's beats less one, ``left`` and ``limit`` what the span leaves.
WALK = _record(
    ("count", 4), ("stride", 4), ("index", 4), ("here", 4), "origin", "table", "entries", "entry",
    "lanes", "page", "span", "beat", "length", "opened", "left", "limit",
    "advance", "closed")

#: A read or weight channel. ``total``: samples to read; ``level``: beats that are here and not
#: begun; ``sinks``: links that take its samples.
READER = _record(
    "total", "taken", "left", "room", "free", "freeing", "freed", "outstanding", "few", "urgent",
    "asks", "asked_beats",
    "place_head", "place_count", ("place_time", PLACES), ("place_advance", PLACES),
    "burst_head", "burst_count", ("burst_time", BURST_PLACES), ("burst_beats", BURST_PLACES),
    "beat_head", "beat_count", ("beat_time", BEAT_PLACES),
    "sinks", ("sink", MOST_SINKS), "begin", "done")

#: A write channel. ``total``: samples to write.
WRITER = _record(
    "link", "total", "taken", "room", "filling", "complete", "outstanding",
    "beat_head", "beat_count", ("beat_time", BEAT_PLACES),
    "burst_head", "burst_count", ("burst_time", BURST_PLACES), ("burst_beats", BURST_PLACES),
    "asks", "asked_beats", "done")

#: An operator or a mapper: a word for each ``window`` words of its one or two inputs.
UNIT = _record("inputs", ("input", 2), "window", "taken", "sinks", ("sink", MOST_SINKS))

#: A convolver with its weight loader and its drains. See `timing.convolver`.
CONVOLVER = _record(
    "passes", "entries", "interleave", "lanes", "lane_length", "width", "height", "kinds",
    "data_width", "data_height", ("x", 16), ("y", 16), "skip",
    "link_a", "link_b", "link_weights",
    # Frame builder and sequencer: position, and words in the queues ahead of the chain.
    "column", "row", "group", "entry", "kind", "frame_pass", "samples", "words", "position",
    "next_word", "frames_left",
    "enable", "cycle", "contexts", "loaded", "loaded_soon", "loaded_later",
    # What the chain's end and the heads come to next, in chain cycles.
    "pass_cycles", "frame_cycles", "next_start", "next_frame", "next_pass", "begun",
    "ended", "mark_pass", "mark_time", "pass_time", "halves", "half_free", "asked",
    # Weight loader.
    "loading", "inside", "words_left", "load_pass", "load_left", "free_contexts", "parameters",
    "context_room", "pass_room",
    # Drains.
    "waiting", "go", "draining", "drains_left", "last_pass", "finished", ("active", 2),
    ("drain_words", 2), ("drain_last", 2), ("drain_sinks", 2),
    ("drain_sink", 2 * MOST_SINKS), "done")

#: Interconnect and memory. ``read_*`` and ``write_*``: queue of requests, then the bursts that
#: memory has accepted; ``order``: write bursts whose beats are to come.
BUS = _record(
    "rate", "cost", "depth", "latency", "most_bursts", "tokens", "writes_turn",
    ("read_grant", 2), "read_behind", "read_room", ("write_grant", 2), "write_behind",
    "write_room",
    "read_head", "read_count", ("read_time", REQUEST_PLACES), ("read_owner", REQUEST_PLACES),
    ("read_beats", REQUEST_PLACES),
    "memory_head", "memory_count", ("memory_time", REQUEST_PLACES),
    ("memory_owner", REQUEST_PLACES), ("memory_beats", REQUEST_PLACES), "offered",
    "offered_owner", "offered_last", ("coming", 4), ("coming_last", 4),
    "write_head", "write_count", ("write_time", REQUEST_PLACES), ("write_owner", REQUEST_PLACES),
    ("write_beats", REQUEST_PLACES),
    "fill_head", "fill_count", ("fill_owner", REQUEST_PLACES), ("fill_beats", REQUEST_PLACES),
    "answer_head", "answer_count", ("answer_time", REQUEST_PLACES),
    ("answer_owner", REQUEST_PLACES), ("answering", 4),
    "order_head", "order_count", ("order_time", REQUEST_PLACES), ("order_owner", REQUEST_PLACES),
    ("order_beats", REQUEST_PLACES), "turn", "turn_left",
    "output_head", "output_count", ("output_time", BURST_PLACES), "output_room", "pause", "urgent")

#: Loader and processor. ``packets`` payload lengths stand in the joined tables from ``table`` on.
CONTROL = _record(
    "loader", "processor", "log", "load_start", "beats", "beat_words", "next_beat", "reserved",
    "word", "taken", "pause", "table", "packets", "packet", "record_begin", "record_beats",
    "record_wait", "log_words", "log_next", "load_end", "log_end",
    "step_end")
