"""What control does with the memory while a step runs: it loads the next one, and keeps the log.

The processor reads the next step's record, sets the loader on its packets, and then writes the
log record of the step before: `hdl.control.firmware`, `word_reader` and `packet_gate`.
"""

from numba import njit

from .channels import push_beat, push_burst
from .state import BEAT_PLACES

__all__ = ["tick_control"]

#: Beats of the loader's bursts, which begin at multiples of so many; two of them have room.
_BURST = 16

#: Words of a packet besides its payload, and cycles in which it takes none besides those in which
#: the payload is sent.
_OVERHEAD, _CHECK = 3, 5

#: Cycles of the processor from the record's arrival until it starts the loader, from there until
#: it writes the log, and from word to word of the log.
_AFTER_RECORD, _AFTER_LOADER, _WORD = 87, 86, 9


@njit
def tick_control(control, readers, writers, tables, now):
    """Move loader and processor by a cycle."""
    if control.packets > 0:
        _read_record(control, readers[control.processor], now)
    if control.beats > 0 and now >= control.load_start:
        _ask(control, readers[control.loader])
    if control.packet < control.packets:
        _take_word(control, readers[control.loader], tables, now)
    if control.log_words > 0 and now >= control.log_next:
        _write_word(control, writers[control.log], now)
    return control.packet == control.packets and control.log_words == 0


@njit
def _read_record(control, processor, now):
    """Ask for the line with the next step's record; go on when the record is there."""
    if now == control.record_begin:
        processor.asks, processor.asked_beats = 1, control.record_beats
        processor.outstanding += 1
    if control.load_start > now and processor.beat_count >= control.record_wait > 0:
        control.load_start = now + _AFTER_RECORD
        control.record_wait = 0
    if control.load_start == now:
        control.log_next = now + _AFTER_LOADER


@njit
def _write_word(control, writer, now):
    """Write a word of the log; the processor waits until memory has taken the word before."""
    if writer.asks or writer.burst_count or writer.beat_count:
        return
    push_beat(writer, now)
    push_burst(writer, 1, now)
    control.log_words -= 1
    control.log_next = now + _WORD
    control.log_end = now


@njit
def _ask(control, reader):
    if reader.asks or control.reserved > _BURST:
        return
    beats = min(control.beats, _BURST - control.next_beat % _BURST)
    reader.asks, reader.asked_beats = 1, beats
    reader.outstanding += 1
    control.reserved += beats
    control.next_beat += beats
    control.beats -= beats


@njit
def _take_word(control, reader, tables, now):
    if control.pause > 0:
        control.pause -= 1
        return
    if reader.beat_count == 0 or reader.beat_time[reader.beat_head & (BEAT_PLACES - 1)] > now:
        return
    control.word += 1
    if control.word % control.beat_words == 0:
        reader.beat_head += 1
        reader.beat_count -= 1
        control.reserved -= 1
    control.taken += 1
    payload = tables[control.table + control.packet]
    if control.taken == payload + _OVERHEAD:
        control.taken = 0
        control.packet += 1
        control.pause = payload + _CHECK
        control.load_end = now + control.pause
