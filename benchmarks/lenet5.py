"""Cycles and utilisation of LeNet-5 on the RTL, layer by layer.

::

    python benchmarks/lenet5.py [--json] [-o TABLE.txt]
"""

import argparse
import json
import sys
from pathlib import Path

from compiler.compile import compile_model
from examples.lenet5 import data, evaluate
from hdl.target import get_target
from host import files, render
from host.console import ProgressDisplay
from host.device import open_device
from host.utilisation import layer_use, total_use, use_table

TARGET = "tiny"


def measure(digits, progress=None):
    """Return what a run takes.

    Parameters
    ----------
    digits : int
        Test digits to run; the last one is reported, the first has to fill the caches.
    progress : callable or None
        Told how far the work is.

    Returns
    -------
    layers : list of host.utilisation.LayerUse
        Each layer.
    total : host.utilisation.LayerUse
        The whole run.
    """
    program = compile_model(evaluate.MODEL, TARGET, data.calibration(), progress)
    images, _ = data.load_test()
    with open_device(program, "rtl", progress=progress) as device:
        device.run({data.INPUT_NAME: images[:digits]}, raw=True)
        records, cycles = device.steps(), device.counters()["cycles"]
    return layer_use(program, records), total_use(program, records, cycles)


def main():
    """Print the table, and write it to a file."""
    parser = argparse.ArgumentParser(description="Measure LeNet-5 on the RTL.")
    parser.add_argument("--digits", type=int, default=3, help="digits to run (default: 3)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("-o", "--output", type=Path, default=Path("build/benchmarks/lenet5.txt"),
                        help="file for the table (default: build/benchmarks/lenet5.txt)")
    arguments = parser.parse_args()
    with ProgressDisplay() as progress:
        layers, total = measure(arguments.digits, progress)
    clock = get_target(TARGET).clock_hz
    heading = (f"LeNet-5 on {TARGET}: {total.cycles:,} cycles a digit, "
               f"{1e3 * total.cycles / clock:.3f} ms at {render.units(clock, 'Hz')}")
    files.check_output(arguments.output, make_folder=True)
    with files.replacing(arguments.output) as path, path.open("w") as file:
        render.show(heading, use_table(layers, total), file=file)
    if arguments.json:
        json.dump({"target": TARGET, "layers": [use.data for use in layers], "total": total.data,
                   "milliseconds": 1e3 * total.cycles / clock}, sys.stdout, indent=2)
        print()
    else:
        print(arguments.output.read_text(), end="")


if __name__ == "__main__":
    main()
