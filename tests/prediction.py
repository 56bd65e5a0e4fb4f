"""Predicted cycles of random layers beside those of the RTL."""

from dataclasses import dataclass

import numpy as np

from compiler.lower.predict import run_cycles
from hdl.control.counters import counter_names
from host.device import open_device
from tests.graph_programs import graph_program
from tests.random_layers import lenet5, random_layer

__all__ = ["Prediction", "measure", "share_within"]

#: Largest rows, columns and maps of the layers for machines larger than `tiny`.
_LARGE = {"most_size": 40, "most_maps": 24}


@dataclass(frozen=True)
class Prediction:
    """Cycles of a step, or of a whole run, and how many were expected."""

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


def measure(target, seeds):
    """Return a `Prediction` of each step, and of each run, of LeNet-5 and of random layers."""
    counters = len(counter_names(target))
    sizes = _LARGE if target.name != "tiny" else {}
    steps, runs = [], []
    with open_device(target, "rtl") as device:
        for layer in [lenet5(), *(random_layer(seed, **sizes) for seed in seeds)]:
            program = graph_program(layer.graph, target)
            device.load(program)
            device.run_samples(layer.inputs)
            described = program.manifest["steps"]
            for step, record in zip(described, device.steps(), strict=True):
                steps.append(Prediction(f"{layer}, step {step['number']}", len(step["convolvers"]),
                                        step["predicted_cycles"], record.cycles))
            runs.append(Prediction(str(layer), 0, run_cycles(described, counters),
                                   device.counters()["cycles"]))
    return steps, runs
