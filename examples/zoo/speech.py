"""Speech recognition, an acoustic model of NYU and IBM as in the slides.

40 mel bands by 40 frames, 64 kernels of 9x9 first, 7 layers, 54.4 million parameters, 3,000
subphones. What the slides leave open is ours: a second convolution of 256 kernels of 5x5, pooling
of 2x2 after each, and four hidden layers of 2,670 units, which make the number of parameters.
"""

from examples.zoo import data
from examples.zoo.builder import Network
from examples.zoo.entry import Entry

__all__ = ["ENTRY", "build"]


def build(reduced=False):
    """Return the network; reduced, an eighth of the maps and 1/30 of the units."""
    share, units = (8, 89) if reduced else (1, 2670)
    network = Network("speech")
    x = network.input("bands", 1, 40, 40)
    x = network.pool(network.conv(x, 64 // share, 9, name="conv1"), 2)
    x = network.pool(network.conv(x, 256 // share, 5, name="conv2"), 2)
    for number in range(3, 7):
        x = network.dense(x, units, name=f"fc{number}")
    x = network.dense(x, 100 if reduced else 3000, None, name="fc7")
    return network.model(network.op("LogSoftmax", [x], network.shapes[x], axis=1))


ENTRY = Entry("speech", "Speech recognition", "NYU/IBM acoustic model; slides",
              "mostly fully connected: bound by reading weights; log softmax", build,
              data.spectrograms, host="mel bands from sound; search among word sequences")
