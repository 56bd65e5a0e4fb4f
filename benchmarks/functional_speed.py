"""Speed of the functional machine on one core: digits a second, seconds a scene frame.

::

    python benchmarks/functional_speed.py
"""

import time

from threadpoolctl import threadpool_limits

from compiler.compile import compile_model
from examples.lenet5 import data as digits
from examples.lenet5 import evaluate
from examples.scene_labelling import data as scenes
from examples.scene_labelling import export, network
from host.device import open_device

DIGITS = 320


def seconds(program, inputs):
    """Return the processor seconds of a run, after a first one that reads the program."""
    with open_device(program, "functional") as device:
        device.run(inputs[:1])
        started = time.process_time()
        device.run(inputs)
        return time.process_time() - started


def main():
    """Print both figures."""
    with threadpool_limits(1):
        program = compile_model(evaluate.MODEL, "tiny", digits.calibration())
        images, _ = digits.load_test()
        taken = seconds(program, images[:DIGITS])
        print(f"LeNet-5 on tiny: {DIGITS / taken:,.0f} digits a second")
        program = compile_model(export.to_onnx(network.load()), "virtex6-lx240t",
                                scenes.calibration(2))
        frame = scenes.to_yuv(scenes.photograph(next(iter(scenes.PHOTOGRAPHS))))
        print(f"Scene labelling on virtex6-lx240t: {seconds(program, frame[None]):.1f} s a frame "
              f"of {frame.shape[1]}x{frame.shape[2]}")


if __name__ == "__main__":
    main()
