"""Write a network of the zoo as an ONNX file, and data for its inputs beside it.

::

    python -m examples.zoo.export siamese siamese.onnx --data siamese.npz
"""

import argparse

import numpy as np
import onnx

from examples.zoo.registry import NETWORKS

__all__ = ["main"]


def main(arguments=None):
    """Write what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("name", choices=NETWORKS)
    parser.add_argument("model", help="ONNX file to write")
    parser.add_argument("--data", metavar="FILE.npz", help="inputs to write, for calibration")
    parser.add_argument("--count", type=int, default=4, help="how many of them (default 4)")
    parser.add_argument("--reduced", action="store_true", help="the small version")
    chosen = parser.parse_args(arguments)
    if chosen.count < 1:
        parser.error(f"--count must be 1 or more, not {chosen.count}")
    entry = NETWORKS[chosen.name]
    model = entry.build(reduced=chosen.reduced)
    onnx.save(model, chosen.model)
    if chosen.data:
        np.savez(chosen.data, **entry.inputs(model, chosen.count))


if __name__ == "__main__":
    main()
