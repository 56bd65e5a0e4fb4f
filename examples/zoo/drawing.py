"""A convolutional encoder-decoder that draws [Kulkarni et al. 2015; Dosovitskiy et al. 2015].

Encoder of Kulkarni et al.: 5x5 convolutions to 96, 64 and 32 maps of a 150x150 face, each with 2x2
pooling, to a code of 200 numbers. Decoder by Dosovitskiy et al.: 1,024 units, 256@8x8, and four
layers that double the size, here transposed 4x4 convolutions, to 128x128.
"""

from examples.zoo import data
from examples.zoo.builder import Network
from examples.zoo.entry import Entry

__all__ = ["ENTRY", "build"]


def build(reduced=False):
    """Return the network; reduced, an eighth of the maps, 44x44 to 32x32."""
    share, side, doublings = (8, 44, 2) if reduced else (1, 150, 4)
    network = Network("drawing")
    x = network.input("image", 1, side, side)
    for maps in (96, 64, 32):
        x = network.pool(network.conv(x, maps // share, 5), 2)
    code = network.dense(x, 200 // share, None, name="code")
    x = network.dense(network.dense(code, 1024 // share), 256 // share * 64)
    x = network.reshape(x, 256 // share, 8, 8)
    for maps in (92, 92, 48)[3 - (doublings - 1):]:
        x = network.transposed(x, maps // share, 4, stride=2, pad=1)
    x = network.transposed(x, 1, 4, stride=2, pad=1, act="Tanh", name="picture")
    return network.model(code, x)


ENTRY = Entry("drawing", "Encoder-decoder that draws",
              "Kulkarni et al. 2015; Dosovitskiy et al. 2015; slides",
              "transposed convolution; a code that the host may change", build, data.ellipses)
