"""Cycles of a program's steps: each is run in the timing model, long ones in small.

A step of many passes goes on as its first ones go, and one of many frames a pass takes as much
longer as it has more. So a long step is run with few passes, and with two shares of the frames
that each adds up and of the sums that each drains; the rest is a straight line through the two.
"""

import math
from dataclasses import dataclass, replace

from .build import Background, Shares, build

__all__ = ["Packets", "StepTiming", "time_program"]

#: Cycles from a step's start, in which the model counts, to what control measures: from the
#: commit on, and until it has seen the end.
_MEASURED = 5

#: Cycles from the end of the loader's last packet, and from the last word of the log, until
#: control can commit.
_AFTER_LOAD, _AFTER_LOG = 22, 37

#: Cycles between two steps, in which the memory's pauses run down.
_BETWEEN = 24

#: Cycles of a step that is run to its end; least cycles of a pass in small, and of the passes that
#: are run; least passes.
_WHOLE, _PASS, _PASSES_CYCLES, _PASSES = 24_000, 2_000, 12_000, 6

#: Samples of a step without convolvers that is run to its end, and of two parts of longer ones.
_WHOLE_SAMPLES, _SAMPLES = 10_000, (4_000, 9_000)

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
    first = _run({}, target, Background(packets[0].address, packets[0].payloads), 0)
    return timings, first.timing.load if first else 0


def _time_step(plan, target, background, pause):
    """Return the timing of a step, and the pause of writes when the next one begins."""
    units = plan.circuit.units
    convolvers = [unit["convolver"] for _, unit in sorted(units.items()) if "convolver" in unit]

    def run(**shares):
        return _run(units, target, background, pause, Shares(**shares)) or _Ran(
            StepTiming(plan.cycles, plan.cycles, 0), 0, 0)
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
    """Return the timing of a step without convolvers, and the pause of writes behind it."""
    if samples <= _WHOLE_SAMPLES:
        ran = run()
        return ran.timing, ran.pause
    parts = [part / samples for part in _SAMPLES]
    first, second = (run(samples=part) for part in parts)
    cycles = _line(parts, [first.timing.cycles, second.timing.cycles])
    return replace(second.timing, cycles=round(cycles)), second.pause


def _line(shares, values):
    """Return the value at share 1 of the straight line through two shares."""
    (first, second), (low, high) = shares, values
    return high + (1 - second) * (high - low) / (second - first)


def _time_passes(run, longest, target):
    """Return the same of a step with convolvers, of which one works longest."""
    passes, entries, kinds = (longest[name] for name in ("passes", "entries", "kinds"))
    lanes, interleave = longest["lanes"], longest["interleave"]
    turn = kinds * max(_entry_cycles(longest), interleave * lanes * target.lane_length(lanes))
    drain = math.prod(longest["drain_count"]) * interleave * max(longest["drain_lanes"])
    whole = max(entries // kinds * turn, drain)
    if passes * whole <= _WHOLE:
        ran = run()
        return ran.timing, ran.pause
    turns = math.ceil(_PASS / turn)
    shares = [number * turns * kinds / entries for number in (1, 2)]
    if entries % kinds or shares[1] > 0.75:
        shares = [1.0]
    some = max(_PASSES, math.ceil(_PASSES_CYCLES / (shares[-1] * whole)))
    some = min(passes, some)
    ran = [run(passes=some / passes, entries=share) for share in shares]
    cycles = [one.timing.cycles + (passes - some) * one.each for one in ran]
    total = _line(shares, cycles) if len(shares) == 2 else cycles[0]
    return replace(ran[-1].timing, cycles=round(total)), ran[-1].pause


@dataclass(frozen=True)
class _Ran:
    """A step that was run: its timing, the pause of writes behind it, cycles of its last passes."""

    timing: StepTiming
    pause: int
    each: float


def _run(units, target, background, pause, shares=None):
    """Run the model; return None if it does not end."""
    # Compiled code takes a second to load: only who compiles programs waits for it.
    from .machine import run

    arrays = build(units, target, background, pause, shares or Shares())
    if not run(*arrays, _LIMIT):
        return None
    bus, control, convolvers = arrays[0][0], arrays[1][0], arrays[7]
    ready = max(int(control["load_end"]) + _AFTER_LOAD if background.packets else 0,
                int(control["log_end"]) + _AFTER_LOG if background.log_words else 0)
    load = max(0, int(control["load_end"]) - int(control["load_start"]))
    timing = StepTiming(int(control["step_end"]) + _MEASURED, ready, load)
    each = max(((unit["pass_time"] - unit["mark_time"]) / (unit["passes"] - unit["mark_pass"])
                for unit in convolvers), default=0)
    return _Ran(timing, max(0, int(bus["pause"]) - _BETWEEN), float(each))
