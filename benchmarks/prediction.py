"""Predicted cycles against those of the RTL, step by step, for random layers.

::

    python benchmarks/prediction.py [--target virtex6-lx240t] [--layers N] [--json]

Every step from commit to end; then whole runs, from start to end with the cycles of control.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from hdl.target import TARGETS, get_target
from host import render
from tests.prediction import measure, share_within

#: Steps named at the end, and characters of their names.
_WORST, _WIDTH = 8, 70


def main():
    """Print the shares of steps and of runs that are predicted well, and the worst steps."""
    parser = argparse.ArgumentParser(description="Compare predicted cycles with the RTL's.")
    parser.add_argument("--target", choices=TARGETS, default="tiny",
                        help="machine (default: tiny)")
    parser.add_argument("--layers", type=int, default=120, help="random layers (default: 120)")
    parser.add_argument("--json", action="store_true", help="print JSON and nothing else")
    arguments = parser.parse_args()
    steps, runs = measure(get_target(arguments.target), range(arguments.layers))
    if arguments.json:
        print(json.dumps({"steps": [vars(step) for step in steps],
                          "runs": [vars(run) for run in runs]}))
        return
    rows = []
    for name, group in (
            ("steps with convolvers", [step for step in steps if step.convolvers]),
            ("other steps", [step for step in steps if not step.convolvers]),
            ("steps of 2,000 cycles or more", [step for step in steps if step.cycles >= 2000]),
            ("whole runs", runs)):
        if group:
            rows.append((name, len(group), f"{share_within(group, 0.05):.0%}",
                         f"{share_within(group, 0.10):.0%}",
                         f"{np.mean([item.error for item in group]):+.1%}"))
    headers = ("", "number", "within 5 %", "within 10 %", "mean error")
    worst = [(f"{step.error:+.1%}", f"{step.cycles:,}", f"{step.predicted:,}", step.name[:_WIDTH])
             for step in sorted(steps, key=lambda step: -abs(step.error))[:_WORST]]
    render.show(f"Predicted cycles on {arguments.target}",
                render.table(headers, rows, numbers=headers[1:]),
                render.table(("error", "cycles", "predicted", "worst steps"), worst,
                             numbers=("error", "cycles", "predicted")))


if __name__ == "__main__":
    main()
