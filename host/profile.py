"""Where a run's cycles went: by layer, step, tile and port, from the machine's own counters."""

import functools
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hdl.events import CONVOLVER_EVENTS, PORT_EVENTS
from hdl.target import get_target
from sim.functional import prepare
from sim.functional.demand import step_demands

from . import files, render
from .bench import step_uses, total
from .device import open_device
from .estimate import bound_of, estimate_program
from .outcome import Result, UsageError
from .trace_events import predicted_events, run_events

__all__ = ["Profile", "StepProfile", "UnitUse", "bound_by", "layer_totals", "profile_file",
           "profile_run"]

#: What runs a program for a profile.
BACKENDS = ("rtl", "functional")

_TIMES = ("active", "border", "stall_input", "stall_weights", "stall_output", "idle")

_LAYER_HEADERS = ("layer", "steps", "cycles", "of run", "predicted", "busy", "bound by", "active",
                  "border", "input", "weights", "output", "idle", "control")
_TILE_HEADERS = ("convolver", "steps", "cycles", "active", "border", "input", "weights", "output",
                 "idle")
_PORT_HEADERS = ("DMA port", "tile", "samples read", "waited for memory", "samples written",
                 "waited to write")


@dataclass(frozen=True)
class UnitUse:
    """What one convolver or DMA port did in a step, in cycles.

    Parameters
    ----------
    kind : str
        "convolver" or "port".
    number : int
        Its tile, or the port.
    cycles : dict of str to int
        By event: of a convolver those of `hdl.events.CONVOLVER_EVENTS` with ``border`` (the chain
        at positions that give no output) and ``idle`` (the rest of the step); of a port those of
        `hdl.events.PORT_EVENTS`, in which ``active`` moves one sample a cycle.
    """

    kind: str
    number: int
    cycles: dict

    @property
    def data(self):
        """Everything as a dict."""
        return {"kind": self.kind, "number": self.number, **self.cycles}


@dataclass(frozen=True)
class StepProfile:
    """One step of a run.

    Parameters
    ----------
    record : host.steps.StepRecord
        Its place, name and layer, and the cycles of its commit and its end.
    use : host.bench.Use
        Where its cycles went.
    units : list of UnitUse
        What the convolvers and ports that took part did.
    """

    record: object
    use: object
    units: list


@dataclass(frozen=True)
class Profile:
    """A run, step by step.

    Parameters
    ----------
    target : Target
        The machine.
    steps : list of StepProfile
        In the order in which they ran.
    cycles : int
        Of the whole run.
    """

    target: object
    steps: list
    cycles: int

    @property
    def data(self):
        """Everything, for programs."""
        return {
            "target": self.target.name, "backend": "rtl", "clock_hz": self.target.clock_hz,
            "cycles": self.cycles, "milliseconds": 1e3 * self.cycles / self.target.clock_hz,
            "layers": [{**use.data(self.target), "steps": count, "bound": bound_by(use, macs)}
                       for use, count, macs in layer_totals(self.steps)],
            "steps": [{"number": step.record.number, "node": step.record.name,
                       "commit": step.record.commit, "end": step.record.end,
                       **step.use.data(self.target),
                       "bound": bound_by(step.use, _has_convolvers(step)),
                       "units": [unit.data for unit in step.units]} for step in self.steps],
            "units": [unit.data | {"steps": count} for unit, count in self.unit_totals()]}

    def unit_totals(self):
        """Return the `UnitUse` of every convolver and port over all steps, and the steps' count."""
        sums = {}
        for step in self.steps:
            for unit in step.units:
                sums.setdefault((unit.kind, unit.number), []).append(unit.cycles)
        return [(UnitUse(*key, {name: sum(cycles[name] for cycles in found) for name in found[0]}),
                 len(found)) for key, found in sorted(sums.items())]

    def parts(self):
        """Return what is shown to people."""
        clock = self.target.clock_hz
        yield (f"{self.cycles:,} cycles on {self.target.name}: "
               f"{1e3 * self.cycles / clock:.3f} ms at {render.units(clock, 'Hz')}.")
        yield render.table(_LAYER_HEADERS, [
            (use.name, count, f"{use.cycles:,}", f"{use.cycles / self.cycles:.1%}",
             f"{use.predicted:,}", f"{use.share(self.target):.1%}", bound_by(use, macs),
             *(f"{getattr(use, name):,.0f}" for name in (*_TIMES, "control")))
            for use, count, macs in layer_totals(self.steps)],
            numbers=(*_LAYER_HEADERS[1:6], *_LAYER_HEADERS[7:]))
        units = self.unit_totals()
        rows = [(f"tile {unit.number}", count, f"{sum(unit.cycles.values()):,}",
                 *(f"{unit.cycles[name]:,}" for name in _TIMES))
                for unit, count in units if unit.kind == "convolver"]
        if rows:
            yield render.table(_TILE_HEADERS, rows, numbers=_TILE_HEADERS[1:])
        yield render.table(_PORT_HEADERS, [
            (unit.number, self.target.dma_tiles[unit.number],
             *(f"{unit.cycles[event]:,}" for event in PORT_EVENTS))
            for unit, _ in units if unit.kind == "port"], numbers=_PORT_HEADERS)


def _has_convolvers(step):
    return any(unit.kind == "convolver" for unit in step.units)


def layer_totals(steps):
    """Return (`host.bench.Use`, number of steps, whether convolvers work in them) of each layer.

    Parameters
    ----------
    steps : list of StepProfile
        Of a run.
    """
    layers = {}
    for step in steps:
        layers.setdefault(step.record.layer, []).append(step)
    return [(total(layer, [step.use for step in found]), len(found),
             any(map(_has_convolvers, found))) for layer, found in layers.items()]


def bound_by(use, convolvers):
    """Return what most cycles went to, in the words of `host.estimate.bound_of`.

    Parameters
    ----------
    use : host.bench.Use
        Counted cycles.
    convolvers : bool
        Whether convolvers work in them.
    """
    causes = {"chain" if convolvers else "stream": use.active + use.border,
              "memory": use.stall_input, "weights": use.stall_weights,
              "drain": use.stall_output, "start": use.idle}
    return max(causes, key=causes.get)


def _units(step, record, target):
    """Return the `UnitUse` of the convolvers and ports that took part in a step."""
    units = []
    for part in step["convolvers"]:
        cycles = {event: record.counters[f"convolver{part['tile']}_{event}"]
                  for event in CONVOLVER_EVENTS}
        cycles["border"] = part["chain_cycles"] - part["active_cycles"]
        cycles["idle"] = record.cycles - sum(cycles.values())
        units.append(UnitUse("convolver", part["tile"], cycles))
    for port in range(target.ports):
        cycles = {event: record.counters[f"port{port}_{event}"] for event in PORT_EVENTS}
        if cycles["read_active"] or cycles["write_active"]:
            units.append(UnitUse("port", port, cycles))
    return units


def profile_run(program, records, cycles):
    """Return the `Profile` of a run.

    Parameters
    ----------
    program : compiler.program.Program
        The program.
    records : list of host.steps.StepRecord
        What `Device.steps` says about the run.
    cycles : int
        Of the whole run.
    """
    target = get_target(program.target)
    return Profile(target, [
        StepProfile(record, use, _units(step, record, target)) for step, record, use in zip(
            program.manifest["steps"], records, step_uses(program, records), strict=True)], cycles)


def _predicted(program):
    """Return what the compiler predicts for a run: data, and parts for people."""
    target = get_target(program.target)
    estimate = estimate_program(program, target)
    prepared = prepare(np.frombuffer(program.image, np.uint8), program.manifest["program_address"],
                       target)
    steps = [{"number": step["number"], "node": step["name"], "name": step["layer"],
              "macs": step["macs"], "predicted": step["predicted_cycles"],
              "bound": bound_of(step["predicted_cycles"], demand)} for step, demand in zip(
                  program.manifest["steps"], step_demands(target, prepared), strict=True)]
    headers = ("step", "layer", "MACs", "predicted cycles", "bound by")
    table = render.table(headers, [
        (step["number"], step["name"], f"{step['macs']:,}", f"{step['predicted']:,}",
         step["bound"]) for step in steps], numbers=(headers[0], *headers[2:4]))
    return {**estimate.data, "backend": "functional", "steps": steps}, (table, *estimate.parts())


def profile_file(program, inputs, *, backend="rtl", trace_events=None, progress=None):
    """Run a program file on an input file and tell where its cycles went.

    Parameters
    ----------
    program, inputs : path-like
        As `host.commands.run_file` takes them; of a batch, the last run is told about.
    backend : str
        "rtl" counts, "functional" gives what the compiler predicts.
    trace_events : path-like or None
        JSON file of Chrome trace events to write.
    progress : callable or None
        Told how far the work is.

    Returns
    -------
    host.outcome.Result
        Cycles by layer, step, tile and port.

    Raises
    ------
    Exception
        One of `host.outcome.user_errors`; then no file was made or changed.
    """
    from compiler.program import Program

    if backend not in BACKENDS:
        raise UsageError(f"backend {backend!r} knows no cycles; those that do are "
                         f"{' and '.join(BACKENDS)}")
    if trace_events is not None:
        files.check_output(trace_events, (".json",))
    program = Program.load(program)
    arrays = files.read_arrays(inputs, program.graph.inputs)
    if backend == "rtl" and progress:
        progress = functools.partial(progress, unit="cycles")
    with open_device(program, backend, progress=progress) as device:
        device.run(arrays, raw=True)
        records, counters = device.steps(), device.counters()
    if backend == "functional":
        data, parts = _predicted(program)
        events = predicted_events(program)
    else:
        profile = profile_run(program, records, counters["cycles"])
        data, parts, events = profile.data, tuple(profile.parts()), run_events(profile)
    if trace_events is not None:
        files.write_json(Path(trace_events), events)
        parts = (*parts, f"wrote {trace_events}")
    return Result({**data, "trace_file": trace_events and str(trace_events)}, parts)
