"""Body pose: heat maps of joints [Tompson, Jain, LeCun, Bregler 2014].

Two resolutions of 320x240, each 5x5 convolutions to 128 maps with 2x2 pooling after the first two;
9x9 to 512 maps; the coarse bank enlarged and added, then 1x1 to 256 maps and one heat map a joint.
"""

from examples.zoo import data
from examples.zoo.builder import Network
from examples.zoo.entry import Entry

__all__ = ["ENTRY", "JOINTS", "build"]

#: Face, shoulder, elbow, wrist.
JOINTS = 4


def _bank(network, x, share, name):
    for number in range(1, 4):
        x = network.conv(x, 128 // share, 5, pad=2, name=f"conv{number}_{name}")
        if number < 3:
            x = network.pool(x, 2, name=f"pool{number}_{name}")
    return network.conv(x, 512 // share, 9, pad=4, act=None, name=f"conv4_{name}")


def build(reduced=False):
    """Return the network for 240x320; reduced, 1/16 of the maps for 48x64."""
    share, rows, columns = (16, 48, 64) if reduced else (1, 240, 320)
    network = Network("pose")
    fine = network.input("image", 3, rows, columns)
    coarse = network.pool(fine, 2, kind="Average", name="half")
    low = network.enlarge(_bank(network, coarse, share, "half"), 2, name="enlarge")
    x = network.merge("Add", _bank(network, fine, share, "full"), low, name="sum")
    x = network.conv(network.activate(x), 256 // share, 1, name="conv5")
    return network.model(network.conv(x, JOINTS, 1, act=None, name="heat"))


ENTRY = Entry("pose", "Body pose", "Tompson et al. 2014; slides",
              "9x9 kernels over many maps, two resolutions added", build, data.pictures,
              host="local contrast normalisation; the spatial model of where joints can be")
