"""C3D, video classification [Tran et al. 2015]: 3x3x3 convolutions over 16 frames of 112x112."""

from examples.zoo import data
from examples.zoo.builder import Network
from examples.zoo.entry import Entry

__all__ = ["ENTRY", "build"]

#: Maps of the convolutions before each pooling.
_STAGES = ((64,), (128,), (256, 256), (512, 512), (512, 512))


def build(reduced=False):
    """Return the network; reduced, 1/16 of the maps over 8 frames of 28x28, and four stages."""
    share, frames, side = (16, 8, 28) if reduced else (1, 16, 112)
    stages = _STAGES[:4] if reduced else _STAGES
    network = Network("c3d")
    x = network.input("frames", 3, frames, side, side)
    for stage, counts in enumerate(stages, 1):
        for maps in counts:
            x = network.conv(x, maps // share, 3, pad=1)
        pad = (0, 0, 0, 0, 1, 1) if stage == len(stages) else 0
        x = network.pool(x, (1 if stage == 1 else 2, 2, 2), pad=pad)
    for number, units in enumerate((4096, 4096), 6):
        x = network.dense(x, units // share, name=f"fc{number}")
    return network.model(network.softmax(network.dense(x, 487 // share, None, name="fc8")))


ENTRY = Entry("c3d", "C3D video classification", "Tran et al. 2015; slides",
              "3-D convolution and pooling", build, data.video)
