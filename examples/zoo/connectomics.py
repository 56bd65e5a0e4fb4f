"""Membranes in volumes of brain tissue [Jain et al. 2007]: 3-D ConvNet, 7x7x7 voxels seen.

The slide's neighbourhood of 7x7x7 voxels seen by 8 maps, as many as the paper's hidden layers have;
a hidden layer of 8, and one output that tells membrane from cell.
"""

from examples.zoo import data
from examples.zoo.builder import Network
from examples.zoo.entry import Entry

__all__ = ["ENTRY", "build"]


def build(reduced=False):
    """Return the network for 32 slices of 96x96; reduced, 4 maps and 9 slices of 16x14."""
    sizes, maps = ((9, 16, 14), 4) if reduced else ((32, 96, 96), 8)
    network = Network("connectomics")
    x = network.input("volume", 1, *sizes)
    x = network.conv(x, maps, 7, act="Sigmoid", name="neighbourhood")
    x = network.conv(x, maps, 1, act="Sigmoid", name="hidden")
    return network.model(network.conv(x, 1, 1, act="Sigmoid", name="membrane"))


ENTRY = Entry("connectomics", "Connectomics", "Jain et al. 2007; slides",
              "7x7x7 kernels over volumes", build, data.fields,
              host="cuts the volume into blocks; joins voxels to cells")
