"""Multi-scale scene labelling [Farabet et al. 2013], as examples.scene_labelling trained it.

Three scales, each normalised locally, then 7x7 convolutions to 16, 64 and 256 maps with connection
tables and 2x2 pooling between them; 768 features and one of 8 classes for each pixel.
"""

from examples.scene_labelling import data as scenes
from examples.scene_labelling import export
from examples.scene_labelling import network as scene
from examples.zoo import data
from examples.zoo.entry import Entry

__all__ = ["ENTRY", "build", "frames"]


def build(reduced=False):
    """Return the trained network for 240x320; reduced, a random one of few maps for 32x48."""
    return export.build(32, 48, (6, 8, 8)) if reduced else export.to_onnx(scene.load())


def frames(shape, count, seed=0):
    """Return parts of photographs as Y, U and V."""
    rgb = data.pictures(shape, count, seed).transpose(0, 2, 3, 1)
    return scenes.to_yuv(((rgb + 1) * 127.5).round().astype("uint8"))


ENTRY = Entry("scene", "Scene labelling", "Farabet et al. 2013; slides",
              "local normalisation, sparse connection tables, three scales, arg max; trained",
              build, frames, host="majority over superpixels (Farabet's method 1)")
