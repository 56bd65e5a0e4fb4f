"""How fast the RTL runs in simulation, in cycles a second.

::

    python benchmarks/simulation_speed.py [--json]
"""

import argparse
import json
import os
import platform
import time

from compiler.compile import compile_model
from examples.lenet5 import data, evaluate
from hdl.target import get_target
from host import render
from host.console import ProgressDisplay
from host.device import open_device

TARGET = "tiny"


def measure(seconds, progress=None):
    """Run LeNet-5 again and again on the RTL.

    Parameters
    ----------
    seconds : float
        How long, at least.
    progress : callable or None
        Told how far the work is.

    Returns
    -------
    dict
        Cycles simulated, runs, seconds, and processor seconds of this process.
    """
    program = compile_model(evaluate.MODEL, TARGET, data.calibration(), progress)
    images, _ = data.load_test()
    with open_device(program, "rtl", progress=progress) as device:
        device.run({data.INPUT_NAME: images[:1]}, raw=True)
        device.driver.progress = None
        before, runs = device.machine.cycle, 0
        started, busy = time.monotonic(), time.process_time()
        while time.monotonic() - started < seconds:
            device.run({data.INPUT_NAME: images[runs % len(images)][None]}, raw=True)
            runs += 1
        return {"target": TARGET, "runs": runs, "cycles": device.machine.cycle - before,
                "seconds": time.monotonic() - started,
                "processor_seconds": time.process_time() - busy}


def main():
    """Print the speed."""
    parser = argparse.ArgumentParser(description="Measure the speed of the RTL simulation.")
    parser.add_argument("--seconds", type=float, default=10, help="how long (default: 10)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()
    with ProgressDisplay() as progress:
        found = measure(arguments.seconds, progress)
    found |= {"cycles_per_second": found["cycles"] / found["seconds"],
              "cycles_per_processor_second": found["cycles"] / found["processor_seconds"],
              "cores": os.cpu_count(), "machine": platform.machine()}
    if arguments.json:
        print(json.dumps(found, indent=2))
        return
    clock = get_target(TARGET).clock_hz
    print(f"{TARGET}: {found['cycles_per_second']:,.0f} cycles a second "
          f"({found['cycles_per_processor_second']:,.0f} a second of one core): "
          f"{found['cycles']:,} cycles, {found['runs']} runs of LeNet-5 in "
          f"{found['seconds']:.1f} s; 1 s of the machine at {render.units(clock, 'Hz')} takes "
          f"{clock / found['cycles_per_second']:,.0f} s")


if __name__ == "__main__":
    main()
