"""GoogLeNet [Szegedy et al. 2015]: nine Inception modules."""

from examples.zoo import data
from examples.zoo.builder import Network
from examples.zoo.entry import Entry

__all__ = ["ENTRY", "build"]

#: Maps of each module's branches: 1x1; 1x1 and 3x3; 1x1 and 5x5; 1x1 after pooling. None: pooling.
_MODULES = (
    (64, 96, 128, 16, 32, 32), (128, 128, 192, 32, 96, 64), None,
    (192, 96, 208, 16, 48, 64), (160, 112, 224, 24, 64, 64), (128, 128, 256, 24, 64, 64),
    (112, 144, 288, 32, 64, 64), (256, 160, 320, 32, 128, 128), None,
    (256, 160, 320, 32, 128, 128), (384, 192, 384, 48, 128, 128))


def _shrink(network, x):
    return network.pool(x, 3, stride=2, pad=(0, 0, 1, 1))


def _inception(network, x, maps):
    one, before3, three, before5, five, pooled = maps
    return network.concat(
        network.conv(x, one, 1),
        network.conv(network.conv(x, before3, 1), three, 3, pad=1),
        network.conv(network.conv(x, before5, 1), five, 5, pad=2),
        network.conv(network.pool(x, 3, stride=1, pad=1), pooled, 1))


def build(reduced=False):
    """Return the network; reduced, an eighth of the maps over 64x64 and three modules."""
    share, side = (8, 64) if reduced else (1, 224)
    network = Network("googlenet")
    x = network.input("image", 3, side, side)
    x = network.conv(x, 64 // share, 7, stride=2, pad=3, name="conv1")
    x = network.lrn(_shrink(network, x))
    x = network.conv(x, 64 // share, 1, name="conv2_reduce")
    x = network.lrn(network.conv(x, 192 // share, 3, pad=1, name="conv2"))
    x = _shrink(network, x)
    for maps in _MODULES[:4] if reduced else _MODULES:
        x = _inception(network, x, [count // share for count in maps]) if maps \
            else _shrink(network, x)
    x = network.dense(network.global_pool(x), 1000 // share, None, name="classifier")
    return network.model(network.softmax(x))


ENTRY = Entry("googlenet", "GoogLeNet", "Szegedy et al. 2015; slides",
              "1x1, 3x3 and 5x5 branches that are joined, a mean over whole maps", build,
              data.pictures)
