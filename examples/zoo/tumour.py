"""Brain-tumour segmentation, InputCascadeCNN [Havaei et al. 2015].

Two networks of two paths each, maxout units of two: 7x7 to 64 maps, 4x4 pooling, 3x3 to 64, 2x2
pooling (strides 1) beside 13x13 to 160; joined, 21x21 to five classes. The first sees 4@65x65 and
names the classes of 33x33 pixels, which the second reads as five more maps beside 4@33x33. Read
so, the first network has 809,637 parameters (the paper states 802,368).
"""

from examples.zoo import data
from examples.zoo.builder import Network
from examples.zoo.entry import Entry

__all__ = ["ENTRY", "build"]

CLASSES = 5


def _two_paths(network, x, share, last, name):
    near = network.maxout(network.conv(x, 128 // share, 7, act=None, name=f"{name}_near1"))
    near = network.pool(near, 4, stride=1)
    near = network.maxout(network.conv(near, 128 // share, 3, act=None, name=f"{name}_near2"))
    near = network.pool(near, 2, stride=1)
    far = network.maxout(network.conv(x, 320 // share, 13, act=None, name=f"{name}_far"))
    scores = network.conv(network.concat(near, far), CLASSES, last, act=None,
                          name=f"{name}_scores")
    return network.softmax(scores, f"{name}_classes")


def build(reduced=False):
    """Return the network; reduced, 1/16 of the maps, 33x33 and 5x5 in place of 21x21."""
    share, side, last = (16, 33, 5) if reduced else (1, 65, 21)
    network = Network("tumour")
    x = network.input("modalities", 4, side, side)
    first = _two_paths(network, x, share, last, "first")
    margin = (side - network.shapes[first][2]) // 2
    joined = network.concat(network.crop(x, margin), first)
    return network.model(_two_paths(network, joined, share, last, "second"))


ENTRY = Entry("tumour", "Brain-tumour cascade", "Havaei et al. 2015; slides",
              "21x21 kernels, maxout, one network's output read by another", build, data.fields,
              host="slides the window over the slices")
