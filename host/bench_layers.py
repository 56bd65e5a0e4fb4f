"""The benchmark of convolution layers: those of VGG-16 and AlexNet, one by one, on the RTL."""

import time
from dataclasses import dataclass

from compiler.compile import compile_model
from compiler.lower.predict import STEP_GAP

from . import render
from .bench import Use, step_uses, total
from .compare import first_difference
from .conv_layers import NETWORKS, ConvLayer
from .device import open_device
from .outcome import UsageError, named_target

__all__ = ["LayersBench", "LayersResult", "Measured"]

#: Predicted cycles of a layer beyond which it runs with fewer input maps.
MOST_CYCLES = 1_000_000

_HEADERS = ("layer", "maps", "kernel", "ran", "steps", "cycles", "predicted", "error", "busy",
            "border", "waiting", "ends", "whole layer", "busy ")

_TOTALS = ("network", "MMACs", "cycles", "ms", "predicted", "busy")


@dataclass(frozen=True)
class Measured:
    """A layer that ran on the RTL, perhaps with fewer input maps.

    Parameters
    ----------
    layer, ran : ConvLayer
        The whole layer, and what ran of it.
    use : host.bench.Use
        Where the cycles of the run went; control only from one step to the next.
    steps, values : int
        Steps of the run, and output values compared.
    whole : int
        Cycles predicted for the whole layer.
    difference : str or None
        Where outputs and reference differ first.
    """

    layer: ConvLayer
    ran: ConvLayer
    use: Use
    steps: int
    values: int
    whole: int
    difference: str | None

    @property
    def predicted(self):
        """Cycles predicted for the run, those between steps included."""
        return self.use.predicted + STEP_GAP * (self.steps - 1)

    @property
    def expected(self):
        """Cycles of the whole layer: the prediction, corrected by its error for what ran."""
        return self.whole * self.use.whole / self.predicted

    def data(self, multipliers):
        """Return everything as a dict."""
        return {
            "layer": vars(self.layer), "ran_inputs": self.ran.inputs, "steps": self.steps,
            "macs": self.ran.macs, "cycles": self.use.whole, "predicted": self.predicted,
            "utilisation": self.ran.macs / (multipliers * self.use.whole),
            "use": vars(self.use), "values": self.values, "difference": self.difference,
            "whole_layer": {
                "macs": self.layer.macs, "predicted": self.whole, "expected": self.expected,
                "utilisation": self.layer.macs / (multipliers * self.expected)}}

    def row(self, multipliers):
        """Return its cells of the table."""
        ran, use = self.ran, self.use
        waiting = use.stall_input + use.stall_weights + use.stall_output
        shares = (use.border, waiting, use.idle + use.control)
        return (self.layer.name, f"{self.layer.inputs} x {ran.size}² → {ran.maps}",
                f"{ran.kernel}x{ran.kernel}" + f" /{ran.stride}" * (ran.stride > 1)
                + f" {ran.groups} groups" * (ran.groups > 1)
                + (f" pool {ran.pool[0]}x{ran.pool[0]}" if ran.pool else ""),
                "whole" if ran == self.layer else f"{ran.inputs} inputs", self.steps,
                f"{use.whole:,}", f"{self.predicted:,}", f"{self.predicted / use.whole - 1:+.1%}",
                f"{ran.macs / (multipliers * use.whole):.1%}",
                *(f"{share / use.whole:.1%}" for share in shares), f"{self.expected:,.0f}",
                f"{self.layer.macs / (multipliers * self.expected):.1%}")


@dataclass(frozen=True)
class LayersResult:
    """What the benchmark measured.

    Parameters
    ----------
    target : Target
        The machine.
    networks : dict of str to list of Measured
        Layers by network.
    seconds : float
        Processor time of the simulation.
    """

    target: object
    networks: dict
    seconds: float

    @property
    def multipliers(self):
        """Multiply-accumulate units of all convolvers."""
        return len(self.target.convolvers) * self.target.macs

    @property
    def difference(self):
        """Where a layer and its reference differ first, or None."""
        return next((f"{layer.layer.name} of {name}: {layer.difference}"
                     for name, layers in self.networks.items() for layer in layers
                     if layer.difference), None)

    @property
    def agrees(self):
        """Whether every bit equals the reference's."""
        return self.difference is None

    def totals(self, name):
        """Return multiply-accumulates, expected and predicted cycles of all layers of a network."""
        layers = self.networks[name]
        return tuple(sum(item.layer.times * amount for item, amount in zip(
            layers, amounts, strict=True)) for amounts in (
                [item.layer.macs for item in layers], [item.expected for item in layers],
                [item.whole for item in layers]))

    @property
    def data(self):
        """Everything, for programs."""
        networks = {}
        for name, layers in self.networks.items():
            macs, cycles, predicted = self.totals(name)
            networks[name] = {
                "layers": [item.data(self.multipliers) for item in layers], "macs": macs,
                "cycles": cycles, "predicted": predicted,
                "utilisation": macs / (self.multipliers * cycles)}
        return {"target": self.target.name, "clock_hz": self.target.clock_hz,
                "multipliers": self.multipliers, "agrees": self.agrees,
                "difference": self.difference, "networks": networks,
                "processor_seconds": self.seconds}

    def show(self):
        """Print the tables."""
        target = self.target
        tables = [render.table(_HEADERS, [item.row(self.multipliers) for item in layers],
                               title=name, numbers=_HEADERS[4:])
                  for name, layers in self.networks.items()]
        rows = []
        for name in self.networks:
            macs, cycles, predicted = self.totals(name)
            rows.append((name, f"{macs / 1e6:,.0f}", f"{cycles:,.0f}",
                         f"{1e3 * cycles / target.clock_hz:.2f}", f"{predicted:,}",
                         f"{macs / (self.multipliers * cycles):.1%}"))
        values = sum(item.values for layers in self.networks.values() for item in layers)
        render.show(
            f"Convolution layers on {target.name}: {self.multipliers} MACs, "
            f"{render.units(target.clock_hz, 'Hz')}",
            *tables, render.table(_TOTALS, rows, numbers=_TOTALS[1:]),
            f"Simulated in {self.seconds:,.0f} s of one core.",
            f"RTL and reference DIFFER: {self.difference}" if self.difference else
            f"RTL and reference agree on every bit of every output: {values:,} values.")


class LayersBench:
    """Compiles layers, runs them on the RTL and compares every bit.

    Parameters
    ----------
    target : str
        Name of the machine.
    network : str or None
        One of `NETWORKS`; all without.
    full : bool
        Whether long layers run whole too, and not with fewer input maps.
    progress : callable
        Told how far the work is.

    Raises
    ------
    UsageError
        If there is no such target or network.
    """

    def __init__(self, target, network, full, progress):
        self.target, self.full, self.progress = named_target(target), full, progress
        if network is not None and network not in NETWORKS:
            raise UsageError(f"unknown network {network!r}; networks are {', '.join(NETWORKS)}")
        self.names = list(NETWORKS) if network is None else [network]

    def run(self):
        """Run it.

        Returns
        -------
        LayersResult
            Everything measured.

        Raises
        ------
        Exception
            One of `host.outcome.user_errors`.
        """
        networks, seconds = {}, 0.0
        for name in self.names:
            networks[name] = []
            for layer in NETWORKS[name]:
                measured, spent = self._measure(layer)
                networks[name].append(measured)
                seconds += spent
        return LayersResult(self.target, networks, seconds)

    def _measure(self, layer):
        """Return what a layer took, and the processor time of its simulation."""
        program, whole = self._compile(layer)
        ran, predicted = layer, whole
        for factor in [] if self.full else layer.factors:
            if predicted > MOST_CYCLES and factor * MOST_CYCLES >= whole:
                ran = layer.reduced(factor)
                program, predicted = self._compile(ran)
        inputs = {"x": ran.image()}
        self.progress(f"{layer.name}: running the reference")
        with open_device(program, "reference") as device:
            expected = device.run(inputs, raw=True)
        with open_device(program, "rtl", progress=self._rtl_progress(layer.name)) as device:
            started = time.process_time()
            outputs = device.run(inputs, raw=True)
            seconds = time.process_time() - started
            uses = step_uses(program, device.steps())
        # Control before the first step starts the program, whatever its layers are.
        between = sum(use.control for use in uses[1:])
        use = Use(**{**vars(total(layer.name, uses)), "control": between})
        difference = first_difference(expected, outputs)
        return Measured(layer, ran, use, len(uses), sum(array.size for array in expected.values()),
                        whole, difference and str(difference)), seconds

    def _compile(self, layer):
        """Return the program of a layer and its predicted cycles."""
        self.progress(f"{layer.name}: compiling it with {layer.inputs} input maps")
        program = compile_model(layer.model(), self.target, {"x": layer.image(seed=3)})
        steps = program.manifest["steps"]
        cycles = sum(step["predicted_cycles"] for step in steps) + STEP_GAP * (len(steps) - 1)
        return program, cycles

    def _rtl_progress(self, name):
        def told(what, done=None, total=None):
            if total is None:
                self.progress(f"{name}: {what}", done)
            else:
                self.progress(f"{name}: {what}", done, total, "cycles")
        return told
