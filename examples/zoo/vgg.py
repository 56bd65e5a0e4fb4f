"""VGG-16, configuration D [Simonyan, Zisserman 2015]: 3x3 convolutions and 138 million weights."""

from examples.zoo import data
from examples.zoo.builder import Network
from examples.zoo.entry import Entry

__all__ = ["ENTRY", "build"]

#: Maps and number of the convolutions before each pooling.
_STAGES = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))


def build(reduced=False):
    """Return the network; reduced, 1/16 of the maps over 32x32."""
    share, side = (16, 32) if reduced else (1, 224)
    network = Network("vgg16")
    x = network.input("image", 3, side, side)
    for stage, (maps, count) in enumerate(_STAGES, 1):
        for number in range(1, count + 1):
            x = network.conv(x, maps // share, 3, pad=1, name=f"conv{stage}_{number}")
        x = network.pool(x, 2)
    for number, units in enumerate((4096, 4096), 6):
        x = network.dense(x, units // share, name=f"fc{number}")
    return network.model(network.softmax(network.dense(x, 1000 // share, None, name="fc8")))


ENTRY = Entry("vgg16", "VGG-16", "Simonyan, Zisserman 2015; slides",
              "many small kernels; weights that fill half of the memory", build, data.pictures)
