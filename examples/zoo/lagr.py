"""Long-range vision of the LAGR robot [Hadsell et al. 2009].

A band of the distance-normalised pyramid, 3@36x484, by the slides: 7x6 convolution to 20@30x484,
1x4 max pooling, 6x5 convolution to 100@25x121. Columns are padded, rows are not. (The slide writes
125 columns after pooling; 484 / 4 is 121, which its last layer has.)
"""

from examples.zoo import data
from examples.zoo.builder import Network
from examples.zoo.entry import Entry

__all__ = ["ENTRY", "build"]


def build(reduced=False):
    """Return the network; reduced, a quarter of the maps over 60 columns."""
    share, columns = (4, 60) if reduced else (1, 484)
    network = Network("lagr")
    x = network.input("band", 3, 36, columns)
    x = network.conv(x, 20 // share, (7, 6), pad=(0, 2, 0, 3), act="Tanh", name="conv1")
    x = network.pool(x, (1, 4), name="pool")
    x = network.conv(x, 100 // share, (6, 5), pad=(0, 2), act="Tanh", name="conv2")
    return network.model(x)


ENTRY = Entry("lagr", "LAGR long-range vision", "Hadsell et al. 2009; slides",
              "kernels and windows that are not square", build, data.pictures,
              host="ground plane, pyramid of bands; a logistic classifier that learns on the way")
