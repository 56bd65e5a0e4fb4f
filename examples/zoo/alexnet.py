"""AlexNet [Krizhevsky, Sutskever, Hinton 2012]: 227x227, groups of two, response normalisation."""

from examples.zoo import data
from examples.zoo.builder import Network
from examples.zoo.entry import Entry

__all__ = ["ENTRY", "build"]


def build(reduced=False):
    """Return the network; reduced, an eighth of the maps over 67x67."""
    share, side = (8, 67) if reduced else (1, 227)
    network = Network("alexnet")
    x = network.input("image", 3, side, side)
    x = network.conv(x, 96 // share, 11, stride=4, name="conv1")
    x = network.pool(network.lrn(x), 3, stride=2)
    x = network.conv(x, 256 // share, 5, pad=2, groups=2, name="conv2")
    x = network.pool(network.lrn(x), 3, stride=2)
    x = network.conv(x, 384 // share, 3, pad=1, name="conv3")
    x = network.conv(x, 384 // share, 3, pad=1, groups=2, name="conv4")
    x = network.conv(x, 256 // share, 3, pad=1, groups=2, name="conv5")
    x = network.pool(x, 3, stride=2)
    for number, units in enumerate((4096, 4096), 6):
        x = network.dense(x, units // share, name=f"fc{number}")
    return network.model(network.softmax(network.dense(x, 1000 // share, None, name="fc8")))


ENTRY = Entry("alexnet", "AlexNet", "Krizhevsky et al. 2012; slides",
              "11x11 kernels with stride 4, groups, local response normalisation, softmax", build,
              data.pictures)
