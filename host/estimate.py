"""How long a network would take on a machine, layer by layer, and whether it fits: no hardware."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from compiler.compile import compile_graph
from compiler.frontend.onnx_import import import_onnx
from compiler.pipeline import simplify
from sim.functional import prepare
from sim.functional.demand import Demand, step_demands
from sim.functional.machine import channels_reach

from . import files, render
from .outcome import Result, named_target

__all__ = ["Estimate", "LayerEstimate", "bound_of", "estimate_file", "estimate_graph",
           "estimate_program"]

#: Parts of the machine that can bound a step, by their names in `Demand`.
_PARTS = ("chain", "weights", "drain", "stream", "memory")

#: More memory than any target has: the plan is made even if the network does not fit.
_ALL_ADDRESSES = 1 << 32

_HEADERS = ("layer", "MACs", "cycles", "ms", "busy", "bound by", "kB read", "kB written")


@dataclass(frozen=True)
class LayerEstimate:
    """What the steps of one layer are predicted to take.

    Parameters
    ----------
    layer : str
        The user's layer, several joined by ``+`` when they run as one.
    steps, macs, cycles : int
        Its steps, useful multiply-accumulates, and predicted cycles.
    utilisation : float
        Share of the machine's MACs that work on the result over these cycles.
    bound : str
        What bounds most of its cycles, see `bound_of`.
    demand : sim.functional.demand.Demand
        What it asks of each part, in cycles and bytes.
    """

    layer: str
    steps: int
    macs: int
    cycles: int
    utilisation: float
    bound: str
    demand: Demand

    @property
    def data(self):
        """Everything as a dict."""
        return {**vars(self), "demand": dataclasses.asdict(self.demand)}


@dataclass(frozen=True)
class Estimate:
    """The estimate of a network on a machine.

    Parameters
    ----------
    target : Target
        The machine.
    layers : list of LayerEstimate
        In the order in which they run.
    cycles : int
        Predicted cycles of a whole run, with those between steps.
    needed : int
        Bytes of memory for program, log and tensors.
    """

    target: object
    layers: list
    cycles: int
    needed: int

    @property
    def fits(self):
        """Whether the machine's memory suffices."""
        return self.needed <= self.target.memory.size

    @property
    def utilisation(self):
        """Share of the machine's MACs that work on the result over the whole run."""
        return _share(self.target, sum(layer.macs for layer in self.layers), self.cycles)

    @property
    def data(self):
        """Everything as a dict."""
        demand = sum((layer.demand for layer in self.layers), Demand())
        return {
            "target": self.target.name, "clock_hz": self.target.clock_hz,
            "predicted_cycles": self.cycles,
            "predicted_milliseconds": 1e3 * self.cycles / self.target.clock_hz,
            "predicted_frames_per_second": self.target.clock_hz / self.cycles,
            "macs": sum(layer.macs for layer in self.layers), "utilisation": self.utilisation,
            "bytes_read": demand.bytes_read, "bytes_written": demand.bytes_written,
            "memory_needed": self.needed, "memory_size": self.target.memory.size,
            "fits": self.fits, "layers": [layer.data for layer in self.layers]}

    def parts(self):
        """Return what is shown to people."""
        data, clock = self.data, self.target.clock_hz
        rows = [(layer.layer, f"{layer.macs:,}", f"{layer.cycles:,}",
                 f"{1e3 * layer.cycles / clock:.3f}", f"{layer.utilisation:.1%}", layer.bound,
                 f"{layer.demand.bytes_read / 1e3:,.1f}",
                 f"{layer.demand.bytes_written / 1e3:,.1f}") for layer in self.layers]
        rows.append(("whole run", f"{data['macs']:,}", f"{self.cycles:,}",
                     f"{data['predicted_milliseconds']:.3f}", f"{self.utilisation:.1%}", "",
                     f"{data['bytes_read'] / 1e3:,.1f}", f"{data['bytes_written'] / 1e3:,.1f}"))
        yield render.table(_HEADERS, rows, numbers=(*_HEADERS[1:5], *_HEADERS[6:]))
        yield (f"Predicted for {self.target.name}: {self.cycles:,} cycles, "
               f"{_figures(data['predicted_milliseconds'])} ms, "
               f"{_figures(data['predicted_frames_per_second'])} frames/s at "
               f"{render.units(clock, 'Hz')}.")
        yield (f"Memory: {self.needed:,} of {self.target.memory.size:,} bytes" + (
            "." if self.fits else ": it does NOT fit; choose a larger target or a smaller "
            "network."))


def _figures(value):
    """Return a number with three figures or more, without an exponent."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _share(target, macs, cycles):
    return macs / (len(target.convolvers) * target.macs * cycles) if cycles else 0.0


def _roomy(target):
    """Return the same machine with all the memory it can address."""
    return dataclasses.replace(target, memory=dataclasses.replace(
        target.memory, size=_ALL_ADDRESSES))


def bound_of(cycles, demand):
    """Return what bounds predicted cycles: a part of the machine, or "start".

    A part bounds a step when it is the one that is needed longest. When more than half of the
    cycles are needed by no part, they go to latencies: filling the chain, the memory's first
    answer, the last sums. Then the bound is "start".

    Parameters
    ----------
    cycles : int
        Predicted cycles.
    demand : sim.functional.demand.Demand
        What they are needed for.
    """
    part = max(_PARTS, key=lambda name: getattr(demand, name))
    return part if 2 * getattr(demand, part) >= cycles else "start"


def estimate_program(program, target):
    """Return the `Estimate` of a compiled program.

    Parameters
    ----------
    program : compiler.program.Program
        The program.
    target : Target
        The machine that it is for.
    """
    made_for = target if program.fingerprint == target.fingerprint else _roomy(target)
    prepared = prepare(np.frombuffer(program.image, np.uint8),
                       program.manifest["program_address"], made_for)
    steps, layers = program.manifest["steps"], {}
    for step, demand in zip(steps, step_demands(target, prepared), strict=True):
        layers.setdefault(step["layer"], []).append((step, demand))
    return Estimate(target, [_layer(target, name, pairs) for name, pairs in layers.items()],
                    program.predicted_cycles, _needed(program, target, prepared))


def _layer(target, name, pairs):
    macs = sum(step["macs"] for step, _ in pairs)
    cycles = sum(step["predicted_cycles"] for step, _ in pairs)
    bounds = {}
    for step, demand in pairs:
        bound = bound_of(step["predicted_cycles"], demand)
        bounds[bound] = bounds.get(bound, 0) + step["predicted_cycles"]
    return LayerEstimate(name, len(pairs), macs, cycles, _share(target, macs, cycles),
                         max(bounds, key=bounds.get), sum((one for _, one in pairs), Demand()))


def _needed(program, target, prepared):
    manifest = program.manifest
    tensors = [tensor["address"] + 2 * int(np.prod(tensor["maps"]))
               for tensor in manifest["tensors"] if tensor["address"] is not None]
    log = manifest["log"]
    return max(len(program.image), 2 * channels_reach(target, prepared), *tensors,
               log["address"] + 4 * log["words"] * len(manifest["steps"]))


def estimate_graph(graph, target, calibration=None, progress=None):
    """Return the `Estimate` of a network.

    Parameters
    ----------
    graph : compiler.graph.Graph
        A simplified graph.
    target : Target
        The machine.
    calibration : dict of str to array, optional
        As `compiler.compile.compile_model` takes it; one random sample without. Cycles hardly
        depend on it: binary points do not change them.
    progress : callable, optional
        Called with a text as each stage begins.

    Raises
    ------
    CompileError
        If the network cannot be compiled.
    """
    if calibration is None:
        random = np.random.default_rng(0)
        calibration = {name: random.uniform(-1, 1, (1, *graph.input_shapes[name][1:]))
                       for name in graph.inputs}
    return estimate_program(compile_graph(graph, _roomy(target), calibration, progress), target)


def estimate_file(model, *, target="tiny", calibration=None, progress=None):
    """Estimate a model file; what is wrong with it is one of `host.outcome.user_errors`.

    Parameters
    ----------
    model : path-like
        ONNX file.
    target : str
        Name of the machine.
    calibration : path-like or None
        ``.npz`` file of inputs by name.
    progress : callable or None
        Called with a text as each stage begins.

    Returns
    -------
    host.outcome.Result
    """
    target = named_target(target)
    arrays = files.read_arrays(calibration) if calibration else None
    if progress:
        progress("Reading the model")
    estimate = estimate_graph(simplify(import_onnx(Path(model))), target, arrays, progress)
    return Result(estimate.data, tuple(estimate.parts()))
