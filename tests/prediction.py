"""Predicted cycles beside those of the RTL, of random layers and of whole networks."""

from dataclasses import dataclass

import numpy as np

from compiler.compile import compile_model
from compiler.lower.timing.runs import run_cycles
from examples.zoo.registry import NETWORKS
from host.device import open_device
from tests.graph_programs import graph_program
from tests.random_layers import lenet5, random_layer

__all__ = ["Prediction", "measure_layers", "measure_networks", "share_within"]

#: Largest rows, columns and maps of the layers for machines larger than `tiny`.
_LARGE = {"most_size": 40, "most_maps": 24}


@dataclass(frozen=True)
class Prediction:
    """Cycles of a step, or of a whole run, and how many were expected."""

    network: str
    name: str
    convolvers: int
    predicted: int
    cycles: int

    @property
    def error(self):
        """By how much the prediction was too high, as a share of the cycles."""
        return self.predicted / self.cycles - 1


def share_within(predictions, error):
    """Return the share of predictions that are off by at most ``error``."""
    return float(np.mean([abs(item.error) <= error for item in predictions]))


def _measure(device, network, program, run):
    """Return a `Prediction` of each step of a program, and one of its whole run."""
    device.load(program)
    run()
    described = program.manifest["steps"]
    steps = [Prediction(network, f"step {step['number']}, {step['name']}",
                        len(step["convolvers"]), step["predicted_cycles"], record.cycles)
             for step, record in zip(described, device.steps(), strict=True)]
    whole = Prediction(network, "whole run", 0, run_cycles(described, device.target),
                       device.counters()["cycles"])
    return steps, whole


def _warm_up(device):
    """Run a program: the first one after reset waits for the processor's instructions."""
    layer = random_layer(0)
    device.load(graph_program(layer.graph, device.target))
    device.run_samples(layer.inputs)


def measure_layers(target, seeds):
    """Return a `Prediction` of each step, and of each run, of LeNet-5 and of random layers."""
    sizes = _LARGE if target.name != "tiny" else {}
    steps, runs = [], []
    with open_device(target, "rtl") as device:
        _warm_up(device)
        for layer in [lenet5(), *(random_layer(seed, **sizes) for seed in seeds)]:
            found, run = _measure(device, str(layer), graph_program(layer.graph, target),
                                  lambda layer=layer: device.run_samples(layer.inputs))
            steps += found
            runs.append(run)
    return steps, runs


def measure_networks(target, names=NETWORKS):
    """Return a `Prediction` of each step, and of each run, of networks of the zoo, reduced."""
    steps, runs = [], []
    with open_device(target, "rtl") as device:
        _warm_up(device)
        for name in names:
            entry = NETWORKS[name]
            model = entry.build(reduced=True)
            program = compile_model(model, target, entry.inputs(model, 2))
            inputs = entry.inputs(model, 1, seed=1)
            found, run = _measure(device, name, program,
                                  lambda inputs=inputs: device.run(inputs))
            steps += found
            runs.append(run)
    return steps, runs
