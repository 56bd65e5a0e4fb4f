"""Predicted cycles against those of the RTL, step by step, for random layers or whole networks.

::

    python benchmarks/prediction.py [--target virtex6-lx240t] [--layers N] [--json]
    python benchmarks/prediction.py --networks [NAME ...] [--target virtex6-lx240t] [--json]

Every step from commit to end; then whole runs, from start to end with the cycles of control. The
networks are those of the zoo, at reduced size, and LeNet-5 and the scene network among them.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from examples.zoo.registry import NETWORKS
from hdl.target import TARGETS, get_target
from host import render
from tests.prediction import measure_layers, measure_networks, share_within

#: Steps named at the end, and characters of their names.
_WORST, _WIDTH = 8, 70


def main():
    """Print the shares of steps and of runs that are predicted well, and the worst steps."""
    parser = argparse.ArgumentParser(description="Compare predicted cycles with the RTL's.")
    parser.add_argument("--target", choices=TARGETS, default="tiny",
                        help="machine (default: tiny)")
    parser.add_argument("--layers", type=int, default=120, help="random layers (default: 120)")
    parser.add_argument("--networks", nargs="*", metavar="NAME", choices=NETWORKS,
                        help="networks of the zoo (default: all), not random layers")
    parser.add_argument("--json", action="store_true", help="print JSON and nothing else")
    arguments = parser.parse_args()
    target = get_target(arguments.target)
    if arguments.networks is None:
        steps, runs = measure_layers(target, range(arguments.layers))
    else:
        steps, runs = measure_networks(target, arguments.networks or NETWORKS)
    if arguments.json:
        print(json.dumps({"steps": [vars(step) for step in steps],
                          "runs": [vars(run) for run in runs]}))
        return
    tables = [_shares(steps, runs), _worst(steps)]
    if arguments.networks is not None:
        tables.insert(0, _networks(steps, runs))
    render.show(f"Predicted cycles on {arguments.target}", *tables)


def _networks(steps, runs):
    """Return the table of the networks: their run, their worst step."""
    rows = []
    for run in runs:
        own = [step for step in steps if step.network == run.network]
        worst = max(own, key=lambda step: abs(step.error))
        rows.append((run.network, f"{run.cycles:,}", f"{run.error:+.1%}", len(own),
                     f"{share_within(own, 0.05):.0%}", f"{share_within(own, 0.01):.0%}",
                     f"{worst.error:+.1%}", f"{worst.cycles:,}", worst.name[:_WIDTH // 2]))
    headers = ("network", "run's cycles", "run's error", "steps", "within 5 %", "within 1 %",
               "worst step", "its cycles", "")
    return render.table(headers, rows, numbers=headers[1:-1])


def _shares(steps, runs):
    """Return the table of the shares that are predicted well."""
    rows = []
    for name, group in (
            ("steps with convolvers", [step for step in steps if step.convolvers]),
            ("other steps", [step for step in steps if not step.convolvers]),
            ("steps below 2,000 cycles", [step for step in steps if step.cycles < 2000]),
            ("whole runs", runs)):
        if group:
            rows.append((name, len(group),
                         *(f"{share_within(group, error):.1%}" for error in (0.01, 0.02, 0.05)),
                         f"{np.mean([item.error for item in group]):+.1%}"))
    headers = ("", "number", "within 1 %", "within 2 %", "within 5 %", "mean error")
    return render.table(headers, rows, numbers=headers[1:])


def _worst(steps):
    """Return the table of the worst steps."""
    rows = [(f"{step.error:+.1%}", f"{step.cycles:,}", f"{step.predicted:,}",
             f"{step.network}, {step.name}"[:_WIDTH])
            for step in sorted(steps, key=lambda step: -abs(step.error))[:_WORST]]
    return render.table(("error", "cycles", "predicted", "worst steps"), rows,
                        numbers=("error", "cycles", "predicted"))


if __name__ == "__main__":
    main()
