"""Trace events: a run on tracks of time, for Perfetto and Chrome's trace viewer.

Source: Google, "Trace Event Format" (the JSON object form; complete, counter and metadata events).
Times are in microseconds at the machine's clock. The counters tell how many cycles of a step went
to what, not which ones: a unit has one slice a step, which carries its counts.
"""

from hdl.target import get_target

__all__ = ["predicted_events", "run_events"]

#: Process numbers: a group of tracks each.
_CONTROL, _CONVOLVERS, _PORTS = 1, 2, 3

#: Channels of a port, by the beginning of their events.
_CHANNELS = ("read", "write")


class _Trace:
    """Collects events.

    Parameters
    ----------
    target : Target
        The machine.
    """

    def __init__(self, target):
        self.target = target
        self.events = []

    def microseconds(self, cycles):
        """Return the time of so many cycles."""
        return 1e6 * cycles / self.target.clock_hz

    def name_process(self, process, name):
        """Name a group of tracks; groups stand in the order of their numbers."""
        self._metadata("process_name", process, 0, name=name)
        self._metadata("process_sort_index", process, 0, sort_index=process)

    def name_track(self, process, track, name):
        """Name a track."""
        self._metadata("thread_name", process, track, name=name)
        self._metadata("thread_sort_index", process, track, sort_index=track)

    def _metadata(self, what, process, track, **arguments):
        self.events.append({"name": what, "ph": "M", "ts": 0, "pid": process, "tid": track,
                            "args": arguments})

    def slice(self, process, track, name, category, start, cycles, **arguments):
        """Add a slice that begins in cycle ``start``."""
        self.events.append({
            "name": name, "cat": category, "ph": "X", "ts": self.microseconds(start),
            "dur": self.microseconds(cycles), "pid": process, "tid": track,
            "args": {"cycles": cycles, **arguments}})

    def count(self, process, name, start, values):
        """Set the values of a counter track from cycle ``start`` on."""
        self.events.append({"name": name, "cat": "counters", "ph": "C",
                            "ts": self.microseconds(start), "pid": process, "tid": 0,
                            "args": values})

    def finish(self, **data):
        """Return the whole trace as one JSON object."""
        return {"traceEvents": self.events, "displayTimeUnit": "ns",
                "otherData": {"target": self.target.name, "clock_hz": self.target.clock_hz,
                              **data}}


def run_events(profile):
    """Return the trace of a run, with a track for control and each convolver and port channel.

    Parameters
    ----------
    profile : host.profile.Profile
        The run.

    Returns
    -------
    dict
        To be written as JSON.
    """
    trace = _Trace(profile.target)
    trace.name_process(_CONTROL, "steps")
    trace.name_track(_CONTROL, 0, "control")
    before = commit = 0
    for step in profile.steps:
        # The counter wraps; differences do not.
        commit = before + step.use.control
        if step.use.control:
            trace.slice(_CONTROL, 0, "between steps", "control", before, step.use.control)
        trace.slice(_CONTROL, 0, step.record.layer, "step", commit, step.use.cycles,
                    step=step.record.number, node=step.record.name,
                    predicted_cycles=step.use.predicted, macs=step.use.macs,
                    bytes_read=step.use.bytes_read, bytes_written=step.use.bytes_written)
        for unit in step.units:
            add = _add_convolver if unit.kind == "convolver" else _add_port
            add(trace, step, unit, commit)
        before = commit + step.use.cycles
    if profile.cycles > before:
        trace.slice(_CONTROL, 0, "after the last step", "control", before,
                    profile.cycles - before)
    _name_units(trace, profile)
    return trace.finish(cycles=profile.cycles)


def _add_convolver(trace, step, unit, commit):
    name = f"tile {unit.number}, % of the step"
    trace.slice(_CONVOLVERS, unit.number, step.record.layer, "convolver", commit, step.use.cycles,
                **unit.cycles)
    shares = {event: 100 * cycles / step.use.cycles for event, cycles in unit.cycles.items()}
    trace.count(_CONVOLVERS, name, commit, shares)
    trace.count(_CONVOLVERS, name, commit + step.use.cycles, dict.fromkeys(shares, 0))


def _add_port(trace, step, unit, commit):
    for index, channel in enumerate(_CHANNELS):
        moved, stalled = (unit.cycles[f"{channel}_{event}"] for event in ("active", "stall"))
        if moved:
            trace.slice(_PORTS, len(_CHANNELS) * unit.number + index, step.record.layer, channel,
                        commit, step.use.cycles, samples=moved, waited=stalled,
                        bytes_per_cycle=2 * moved / step.use.cycles)


def _name_units(trace, profile):
    trace.name_process(_CONVOLVERS, "convolvers")
    trace.name_process(_PORTS, "DMA ports")
    for unit, _ in profile.unit_totals():
        if unit.kind == "convolver":
            trace.name_track(_CONVOLVERS, unit.number, f"tile {unit.number}")
            continue
        tile = profile.target.dma_tiles[unit.number]
        for index, channel in enumerate(_CHANNELS):
            trace.name_track(_PORTS, len(_CHANNELS) * unit.number + index,
                             f"port {unit.number} (tile {tile}) {channel}")


def predicted_events(program):
    """Return the trace of a run as the compiler predicts it: one track, steps without gaps.

    Parameters
    ----------
    program : compiler.program.Program
        The program.

    Returns
    -------
    dict
        To be written as JSON.
    """
    trace, start = _Trace(get_target(program.target)), 0
    trace.name_process(_CONTROL, "steps, predicted")
    trace.name_track(_CONTROL, 0, "control")
    for step in program.manifest["steps"]:
        cycles = step["predicted_cycles"]
        trace.slice(_CONTROL, 0, step["layer"], "step", start, cycles, step=step["number"],
                    node=step["name"], macs=step["macs"])
        start += cycles
    return trace.finish(predicted_cycles=start)
