"""Cycles of a program's steps: each is run in the timing model, long ones in part.

A step of many passes or samples goes on as it began. So its first part is run twice, to two
lengths, and what the longer one takes more is what the rest takes, too.
"""

import math
from dataclasses import dataclass

from .build import Background, Shares, build

__all__ = ["Packets", "StepTiming", "time_program"]

#: Cycles from a step's start, in which the model counts, to what control measures: from the
#: commit on, and until it has seen the end.
_MEASURED = 5

#: Cycles from the end of the loader's last packet, and from the last word of the log, until
#: control can commit.
_AFTER_LOAD, _AFTER_LOG = 20, 34

#: Cycles between two steps, in which the memory's pauses run down.
_BETWEEN = 24

#: Cycles of a step that is run to its end, and of the parts of longer ones: a first one, after
#: which all goes on alike, and how much longer the second one is.
_WHOLE, _FIRST, _MORE = 30_000, 4_000, 3_000

#: Samples of a step without convolvers that is run to its end, and of two parts of longer ones.
_WHOLE_SAMPLES, _SAMPLES = 10_000, (4_000, 9_000)

#: Passes of the two parts of a step: the third one waits for the drain of the first.
_PASSES = (3, 5)

#: Cycles after which the model gives up.
_LIMIT = 1_000_000


@dataclass(frozen=True)
class Packets:
    """Configuration packets of a step.

    Parameters
    ----------
    address : int
        Byte address of the first one; they follow each other.
    payloads : tuple of int
        Payload words of each.
    """

    address: int
    payloads: tuple


@dataclass(frozen=True)
class StepTiming:
    """When a step ends, in cycles.

    Parameters
    ----------
    cycles : int
        From commit to end.
    control : int
        From commit until control could commit the next step: its packets are loaded, and the log
        of the step before is written.
    load : int
        That loading the next step's packets takes.
    """

    cycles: int
    control: int
    load: int


def time_program(plans, packets, target, *, records, log_words):
    """Return the timing of every step, and the cycles that loading the first one takes.

    Parameters
    ----------
    plans : list of StepPlan
        The steps, in order.
    packets : list of Packets
        What configures each.
    target : Target
        The machine.
    records : tuple of int
        Byte address of the first step record, and bytes of each.
    log_words : int
        Words of a log record, 0 for no log.

    Returns
    -------
    list of StepTiming
    int
    """
    pause, timings = 0, []
    for number, plan in enumerate(plans):
        follows = number + 1 < len(plans)
        following = packets[number + 1] if follows else Packets(0, ())
        background = Background(
            following.address, following.payloads, log_words if number else 0,
            records[0] + records[1] * (number + 1) if number and follows else -1)
        timing, pause = _time_step(plan, target, background, pause)
        timings.append(timing)
    first, _ = _run({}, target, Background(packets[0].address, packets[0].payloads), 0)
    return timings, first.load if first else 0


def _time_step(plan, target, background, pause):
    """Return the timing of a step, and the pause of writes when the next one begins."""
    units = plan.circuit.units
    convolvers = [unit["convolver"] for unit in units.values() if "convolver" in unit]

    def run(**shares):
        timing, pause_then = _run(units, target, background, pause, Shares(**shares))
        return timing or StepTiming(plan.cycles, plan.cycles, 0), pause_then
    if convolvers:
        return _time_passes(run, max(convolvers, key=_chain_cycles), target)
    return _time_samples(run, max(_samples(unit["read"], unit["read_table"])
                                  for unit in units.values() if "read" in unit))


def _samples(registers, table):
    return math.prod(max(1, count) for count in registers["count"]) * len(table)


def _chain_cycles(registers):
    return registers["passes"] * registers["entries"] * _entry_cycles(registers)


def _entry_cycles(registers):
    return registers["frame_width"] * registers["frame_height"] * registers["interleave"]


def _time_samples(run, samples):
    """Return the timing of a step without convolvers."""
    if samples <= _WHOLE_SAMPLES:
        return run()
    (first, _), (second, pause) = (run(samples=part / samples) for part in _SAMPLES)
    each = (second.cycles - first.cycles) / (_SAMPLES[1] - _SAMPLES[0])
    return _longer(second, (samples - _SAMPLES[1]) * each), pause


def _time_passes(run, longest, target):
    """Return the timing of a step with convolvers, of which one works longest."""
    passes, entries = longest["passes"], longest["entries"]
    each = max(_entry_cycles(longest), longest["interleave"] * longest["lanes"]
               * target.lane_length(longest["lanes"]))
    drain = (math.prod(longest["drain_count"]) * longest["interleave"]
             * max(longest["drain_lanes"]))
    if passes * max(entries * each, drain) <= _WHOLE:
        return run()
    few, more = _parts(entries, each, longest["kinds"], drain)
    some = min(passes, _PASSES[0])
    first, pause = run(passes=some / passes, entries=few / entries)
    extra = 0.0
    if more < entries:
        second, pause = run(passes=some / passes, entries=more / entries)
        extra = passes * (entries - few) * (second.cycles - first.cycles) / (some * (more - few))
    if passes > some:
        several = _several(passes, few * max(each, drain / few))
        third, pause = run(passes=several / passes, entries=few / entries)
        extra += (passes - some) * (third.cycles - first.cycles) / (several - some)
    return _longer(first, extra), pause


def _parts(entries, each, kinds, drain):
    """Return the entries of a pass in two parts, or twice all of them if it is short.

    Each part has whole turns of the kinds, and is long enough for the drain of the pass before.
    """
    turn = kinds * each
    few = kinds * math.ceil(max(_FIRST, 1.3 * drain) / turn)
    more = few + kinds * math.ceil(_MORE / turn)
    return (few, more) if more < entries else (entries, entries)


def _several(passes, cycles):
    """Return the passes of the longer part, given the cycles of one."""
    return min(passes, max(_PASSES[1], _PASSES[0] + math.ceil(_MORE / cycles)))


def _longer(timing, cycles):
    return StepTiming(round(timing.cycles + cycles), timing.control, timing.load)


def _run(units, target, background, pause, shares=None):
    """Run the model; return the timing, None if it does not end, and the pause of writes then."""
    # Compiled code takes a second to load: only who compiles programs waits for it.
    from .machine import run

    arrays = build(units, target, background, pause, shares or Shares())
    ended = run(*arrays, _LIMIT)
    bus, control = arrays[0][0], arrays[1][0]
    pause = max(0, int(bus["pause"]) - _BETWEEN)
    if not ended:
        return None, pause
    ready = max(int(control["load_end"]) + _AFTER_LOAD if background.packets else 0,
                int(control["log_end"]) + _AFTER_LOG if background.log_words else 0)
    load = max(0, int(control["load_end"]) - int(control["load_start"]))
    return StepTiming(int(control["step_end"]) + _MEASURED, ready, load), pause
