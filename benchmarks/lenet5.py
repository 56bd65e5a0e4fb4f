"""LeNet-5 on the RTL: whether every bit is right, and where the cycles of a digit go.

::

    python benchmarks/lenet5.py [--target virtex6-lx240t] [--json] [-o TABLE.txt]
"""

import argparse
import functools
import json
import sys
from pathlib import Path

from compiler.compile import compile_model
from examples.lenet5 import data, evaluate
from hdl.target import TARGETS
from host import files, render
from host.compare import first_difference
from host.console import ProgressDisplay
from host.device import open_device
from host.profile import profile_run


def measure(target, digits, progress=None):
    """Return what a run takes, and whether it is right.

    Parameters
    ----------
    target : str
        Name of the machine.
    digits : int
        Test digits to run; the last one is reported.
    progress : callable or None
        Told how far the work is.

    Returns
    -------
    profile : host.profile.Profile
        Of the last digit.
    difference : host.compare.Difference or None
        Where the RTL's outputs differ from the reference's first.
    """
    program = compile_model(evaluate.MODEL, target, data.calibration(), progress)
    images = {data.INPUT_NAME: data.load_test()[0][:digits]}
    with open_device(program, "reference") as device:
        expected = device.run(images, raw=True)
    if progress:
        progress = functools.partial(progress, unit="cycles")
    with open_device(program, "rtl", progress=progress) as device:
        found = device.run(images, raw=True)
        profile = profile_run(program, device.steps(), device.counters()["cycles"])
    return profile, first_difference(expected, found)


def main():
    """Print the tables, and write them to a file."""
    parser = argparse.ArgumentParser(description="Measure LeNet-5 on the RTL.")
    parser.add_argument("--target", choices=TARGETS, default="tiny",
                        help="machine (default: tiny)")
    parser.add_argument("--digits", type=int, default=3, help="digits to run (default: 3)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("-o", "--output", type=Path,
                        help="file for the tables (default: build/benchmarks/lenet5_TARGET.txt)")
    arguments = parser.parse_args()
    output = arguments.output or Path(f"build/benchmarks/lenet5_{arguments.target}.txt")
    files.check_output(output, make_folder=True)
    with ProgressDisplay() as progress:
        profile, difference = measure(arguments.target, arguments.digits, progress)
    verdict = (f"RTL and reference DIFFER: {difference}" if difference else
               f"RTL and reference agree on every bit of the outputs of {arguments.digits} digits.")
    with files.replacing(output) as path, path.open("w") as file:
        render.show("LeNet-5, a digit:", *profile.parts(), verdict, file=file)
    if arguments.json:
        json.dump({**profile.data, "agrees": difference is None}, sys.stdout, indent=2)
        print()
    else:
        print(output.read_text(), end="")
    sys.exit(1 if difference else 0)


if __name__ == "__main__":
    main()
