"""Siamese network for faces [Chopra, Hadsell, LeCun 2005]: two pictures, one set of kernels.

15@50x40 (7x7), 15@25x20 (2x2), 45@20x15 (6x6), 45@5x5 (4x3), 250@1x1 (5x5), 50; then the sum of
the absolute differences of the two embeddings, small for two pictures of one person.
"""

from examples.zoo import data
from examples.zoo.builder import Network
from examples.zoo.entry import Entry

__all__ = ["ENTRY", "build"]


def build(reduced=False):
    """Return the network; reduced, a fifth of the maps."""
    share = 5 if reduced else 1
    network = Network("siamese")
    maps = [count // share for count in (15, 45, 250, 50)]
    shapes = ((maps[0], 1, 7, 7), (maps[1], maps[0], 6, 6), (maps[2], maps[1], 5, 5),
              (maps[3], maps[2], 1, 1))
    shared = [[network.weights(shape, shape[1] * shape[2] * shape[3], "Tanh"),
               network.bias(shape[0])] for shape in shapes]
    embeddings = []
    for side in ("left", "right"):
        x = network.input(side, 1, 56, 46)
        for number, (shape, constants, window) in enumerate(
                zip(shapes, shared, ((2, 2), (4, 3), None, None), strict=True), 1):
            x = network.conv(x, shape[0], shape[2:], act="Tanh", shared=constants,
                             name=f"conv{number}_{side}")
            if window:
                x = network.pool(x, window, kind="Average", name=f"pool{number}_{side}")
        embeddings.append(x)
    apart = network.activate(network.merge("Sub", *embeddings), "Abs")
    energy = network.op("ReduceSum", [apart, network.integers(1)], (1, 1, 1, 1), "energy")
    return network.model(*embeddings, energy)


ENTRY = Entry("siamese", "Siamese embedding", "Chopra et al. 2005; slides",
              "two inputs, shared kernels, a distance computed on the machine", build,
              data.ellipses)
