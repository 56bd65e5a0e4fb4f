"""Temporal ConvNet, a time-delay neural network [Waibel et al. 1989].

16 mel bands; 8 units that see 3 frames, 3 units that see 5 of those, and their mean over time, one
for each of the phonemes b, d and g. The paper's window of 15 frames slides over an utterance.
"""

from examples.zoo import data
from examples.zoo.builder import Network
from examples.zoo.entry import Entry

__all__ = ["ENTRY", "build"]


def build(reduced=False):
    """Return the network for 2 s of sound, 200 frames; reduced, the paper's 15 frames."""
    network = Network("temporal")
    x = network.input("frames", 16, 15 if reduced else 200)
    x = network.conv(x, 8, 3, act="Sigmoid")
    x = network.conv(x, 3, 5, act="Sigmoid")
    return network.model(network.pool(x, 9, stride=1, kind="Average"))


ENTRY = Entry("temporal", "Temporal ConvNet (TDNN)", "Waibel et al. 1989; slides",
              "1-D convolution and pooling over time", build, data.spectrograms)
