"""DeepMask [Pinheiro, Collobert, Dollar 2015]: a mask and a score for the object in the middle.

VGG-A's eight 3x3 convolutions without the last pooling, 512@14x14. Mask: 1x1 convolution, 512
linear units, 56x56 outputs, enlarged to 224x224. Score: 2x2 pooling, 512 and 1,024 units, one.
"""

from examples.zoo import data
from examples.zoo.builder import Network
from examples.zoo.entry import Entry

__all__ = ["ENTRY", "build"]

#: Maps of the convolutions between poolings.
_STAGES = ((64,), (128,), (256, 256), (512, 512), (512, 512))


def build(reduced=False):
    """Return the network; reduced, 1/16 of the maps over 64x64 and a mask of 16x16."""
    share, side = (16, 64) if reduced else (1, 224)
    network = Network("deepmask")
    x = network.input("image", 3, side, side)
    for stage, counts in enumerate(_STAGES, 1):
        for maps in counts:
            x = network.conv(x, maps // share, 3, pad=1)
        if stage < len(_STAGES):
            x = network.pool(x, 2)
    mask = network.dense(network.conv(x, 512 // share, 1), 512 // share, None, name="mask1")
    mask = network.dense(mask, (side // 4) ** 2, None, name="mask2")
    mask = network.enlarge(network.reshape(mask, 1, side // 4, side // 4), 4, "linear", "mask")
    score = network.dense(network.pool(x, 2), 512 // share, name="score1")
    score = network.dense(score, 1024 // share, name="score2")
    return network.model(mask, network.dense(score, 1, None, name="score"))


ENTRY = Entry("deepmask", "DeepMask", "Pinheiro et al. 2015; slides",
              "two heads of unlike shapes, linear interpolation", build, data.pictures,
              host="thresholds the mask; ranks windows and scales by score")
