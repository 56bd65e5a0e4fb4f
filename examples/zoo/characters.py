"""Multiple-character recognition: LeNet-5 slid over a wide picture [Matan et al. 1992].

Every layer is a convolution, so the trained network of ``examples/lenet5`` reads a strip of digits
as it is: its last two layers become convolutions, and there are ten scores for every fourth column.
The host reads the digits off them.
"""

import numpy as np
import onnx
from onnx import numpy_helper

from examples.lenet5 import evaluate
from examples.zoo import data
from examples.zoo.builder import Network
from examples.zoo.entry import Entry
from examples.zoo.suppress import best_of, detections

__all__ = ["ENTRY", "STRIDE", "WINDOW", "build", "read"]

#: Columns that one place of the output sees, and columns between places.
WINDOW, STRIDE = 32, 4


def build(reduced=False):
    """Return the network over 32x256 pixels, eight digits; reduced, two digits."""
    trained = [numpy_helper.to_array(tensor)
               for tensor in onnx.load(evaluate.MODEL).graph.initializer]
    kernels = [tensor for tensor in trained if tensor.ndim > 1]
    biases = [tensor for tensor in trained if tensor.ndim == 1]
    network = Network("characters")
    x = network.input("image", 1, WINDOW, WINDOW * (2 if reduced else 8))
    for number, (kernel, bias) in enumerate(zip(kernels, biases, strict=True), 1):
        kernel = kernel.reshape(*kernel.shape, *[1] * (4 - kernel.ndim))
        shared = [network.constant(values) for values in (kernel, bias)]
        x = network.conv(x, len(kernel), kernel.shape[2:], act="Tanh" if number < 4 else None,
                         name=f"conv{number}", shared=shared)
        if number < 3:
            x = network.pool(x, 2)
    return network.model(x)


def read(scores, confidence=0.9):
    """Return the digits of a strip, from left to right.

    Parameters
    ----------
    scores : numpy.ndarray
        10 x 1 x places, the network's output.
    confidence : float
        Probability below which a place shows no digit.

    Returns
    -------
    str
        The digits.
    """
    scores = scores[:, 0] - scores[:, 0].max(0)
    chances = np.exp(scores) / np.exp(scores).sum(0)
    found = best_of(detections(chances.max(0)[None], confidence, window=WINDOW, stride=STRIDE))
    places = sorted(int(one.box[1]) // STRIDE for one in found)
    return "".join(str(chances[:, place].argmax()) for place in places)


ENTRY = Entry("characters", "Multiple-character recognition", "Matan et al. 1992; slides",
              "LeNet-5 as convolutions over a wide picture; trained", build, data.digits,
              host="keeps the best of overlapping windows and reads the digits")
