"""OverFeat, the fast model [Sermanet et al. 2014]: classify and localise in a sliding window.

Layers of the paper's table 1 over its second scale, 281x317: the network's window is 231x231, the
fully connected layers are convolutions, and scores and boxes come for 2x3 windows. The classifier's
second layer has 1,024 units in place of 4,096, and so has the regressor's first: a kernel of 1x1
takes the place of one of 3x3 in memory, and 512 MB hold no more.
"""

from examples.zoo import data
from examples.zoo.builder import Network
from examples.zoo.entry import Entry

__all__ = ["ENTRY", "build"]

#: Maps, kernel, stride, padding, and whether 2x2 pooling follows.
_LAYERS = ((96, 11, 4, 0, True), (256, 5, 1, 0, True), (512, 3, 1, 1, False),
           (1024, 3, 1, 1, False), (1024, 3, 1, 1, True))


def build(reduced=False):
    """Return the network; reduced, 1/16 of the maps over 131x167 and a first window of 3x3."""
    share, rows, columns, last = (16, 131, 167, 2) if reduced else (1, 281, 317, 6)
    network = Network("overfeat")
    x = network.input("image", 3, rows, columns)
    for number, (maps, kernel, stride, pad, pooled) in enumerate(_LAYERS, 1):
        x = network.conv(x, maps // share, kernel, stride=stride, pad=pad, name=f"conv{number}")
        if pooled:
            x = network.pool(x, 2)
    scores = network.conv(x, 3072 // share, last, name="class1")
    scores = network.conv(scores, 1024 // share, 1, name="class2")
    scores = network.conv(scores, 1000 // share, 1, act=None, name="scores")
    boxes = network.conv(x, 1024 // share, last, name="box1")
    boxes = network.conv(boxes, 1024 // share, 1, name="box2")
    boxes = network.conv(boxes, 4, 1, act=None, name="boxes")
    return network.model(scores, boxes)


ENTRY = Entry("overfeat", "OverFeat", "Sermanet et al. 2014; slides",
              "fully connected layers slid over a larger picture, two heads", build, data.pictures,
              host="softmax; accumulates the boxes of all windows and scales")
