"""LeNet-5, trained: 1@32x32, 6@28x28, 6@14x14, 12@10x10, 12@5x5, 100@1x1, 10.

The network of ``examples/lenet5``, as its training left it.
"""

import onnx

from examples.lenet5 import evaluate
from examples.zoo import data
from examples.zoo.entry import Entry

__all__ = ["ENTRY", "build"]


def build(reduced=False):
    """Return the trained network; it is small enough to be its own reduced one."""
    return onnx.load(evaluate.MODEL)


ENTRY = Entry("lenet5", "LeNet-5", "LeCun, Bottou, Bengio, Haffner 1998; slides",
              "convolution, tanh and pooling in one pass; trained", build, data.digits)
