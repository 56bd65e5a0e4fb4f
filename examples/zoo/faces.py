"""Face detection: heat maps at several scales [Vaillant, Monrocq, LeCun 1994].

The layers are those of Osadchy, LeCun and Miller 2007 (8@5x5, 2x2, 20@5x5, 2x2, 120@5x5), which see
32x32 pixels, with the one output of Vaillant et al. They slide over the picture at the scales 1,
1/2 and 1/4 with the same kernels. The weights are random: `find` shows what the host does.
"""

from examples.zoo import data
from examples.zoo.builder import Network
from examples.zoo.entry import Entry
from examples.zoo.suppress import best_of, detections

__all__ = ["ENTRY", "SCALES", "STRIDE", "WINDOW", "build", "find"]

WINDOW, STRIDE, SCALES = 32, 4, (1, 2, 4)

#: A window in the middle of one twice as large shares 0.25 with it.
MOST_OVERLAP = 0.2

#: Output maps and kernel of each convolution, and whether pooling follows.
_LAYERS = ((8, 5, True), (20, 5, True), (120, 5, False), (1, 1, False))


def build(reduced=False):
    """Return the network for 256x256 pixels; reduced, 64x64, two scales and fewer maps."""
    side, scales, share = (64, SCALES[:2], 4) if reduced else (256, SCALES, 1)
    network = Network("faces")
    picture = network.input("image", 1, side, side)
    shared, channels = [], 1
    for maps, kernel, _ in _LAYERS:
        maps = max(1, maps // share)
        shared.append([network.weights((maps, channels, kernel, kernel), channels * kernel**2,
                                       "Tanh"), network.bias(maps)])
        channels = maps
    heats = []
    for scale in scales:
        if scale > 1:
            picture = network.pool(picture, 2, kind="Average", name=f"picture_{scale}")
        x = picture
        for number, ((maps, kernel, pooled), constants) in enumerate(
                zip(_LAYERS, shared, strict=True), 1):
            act = "Tanh" if number < len(_LAYERS) else "Sigmoid"
            x = network.conv(x, max(1, maps // share), kernel, act=act, shared=constants,
                             name=f"conv{number}_{scale}")
            if pooled:
                x = network.pool(x, 2, kind="Average", name=f"pool{number}_{scale}")
        heats.append(x)
    return network.model(*heats)


def find(heats, threshold=0.8):
    """Return the faces in the heat maps of a picture.

    Parameters
    ----------
    heats : list of numpy.ndarray
        1 x rows x columns for each scale, finest first.
    threshold : float
        Score below which a window shows no face.

    Returns
    -------
    list of examples.zoo.suppress.Detection
        Best first, boxes in pixels of the picture; none overlaps a better one by more
        than `MOST_OVERLAP`, so that a face is found at one scale.
    """
    return best_of([one for heat, scale in zip(heats, SCALES, strict=False)
                    for one in detections(heat[0], threshold, window=WINDOW, stride=STRIDE,
                                          scale=scale)], MOST_OVERLAP)


ENTRY = Entry("faces", "Face detection", "Vaillant et al. 1994; Osadchy et al. 2007; slides",
              "shared kernels at three scales, three outputs", build, data.pictures,
              host="non-maximum suppression over the scales")
