"""ResNet-50 [He et al. 2016]: bottlenecks with batch normalisation, added to their inputs."""

from examples.zoo import data
from examples.zoo.builder import Network
from examples.zoo.entry import Entry

__all__ = ["ENTRY", "build"]

#: Maps inside the bottlenecks of each stage, and how many there are.
_STAGES = ((64, 3), (128, 4), (256, 6), (512, 3))

#: Of the last convolution of a bottleneck, so that sums over sixteen of them stay in range.
_GAIN = 0.5


def _normalised(network, x, maps, kernel, act="Relu", gain=1.0, **sizes):
    x = network.batch_norm(network.conv(x, maps, kernel, act=None, gain=gain, **sizes))
    return network.activate(x, act)


def _bottleneck(network, x, maps, stride):
    y = _normalised(network, x, maps, 1, gain=1.4)
    y = _normalised(network, y, maps, 3, gain=1.4, stride=stride, pad=1)
    y = _normalised(network, y, 4 * maps, 1, None, _GAIN)
    if network.shapes[x][1] != 4 * maps or stride > 1:
        x = _normalised(network, x, 4 * maps, 1, None, stride=stride)
    return network.activate(network.merge("Add", y, x))


def build(reduced=False):
    """Return the network; reduced, an eighth of the maps over 32x32, a bottleneck a stage."""
    share, side = (8, 32) if reduced else (1, 224)
    network = Network("resnet50")
    x = network.input("image", 3, side, side)
    x = _normalised(network, x, 64 // share, 7, gain=1.4, stride=2, pad=3)
    x = network.pool(x, 3, stride=2, pad=1)
    for stage, (maps, count) in enumerate(_STAGES):
        for number in range(1 if reduced else count):
            x = _bottleneck(network, x, maps // share, 2 if stage and not number else 1)
    x = network.dense(network.global_pool(x), 1000 // share, None, name="classifier")
    return network.model(network.softmax(x))


ENTRY = Entry("resnet50", "ResNet-50", "He et al. 2016; slides",
              "sums of branches, 1x1 kernels, batch normalisation folded", build, data.pictures)
