"""DNA and RNA binding, DeepBind [Alipanahi et al. 2015].

101 bases, one of four maps each, padded by the 24 of a motif detector less one on both sides; 16
detectors, the largest and the mean response of each, 32 hidden units, a binding score.
"""

from examples.zoo import data
from examples.zoo.builder import Network
from examples.zoo.entry import Entry

__all__ = ["ENTRY", "build"]

MOTIF = 24


def build(reduced=False):
    """Return the network; reduced, 4 detectors over 30 bases."""
    bases, detectors, hidden = (30, 4, 8) if reduced else (101, 16, 32)
    network = Network("binding")
    x = network.input("bases", 4, bases)
    x = network.conv(x, detectors, MOTIF, pad=MOTIF - 1, gain=2.0, name="motifs")
    x = network.concat(network.global_pool(x, "Max"), network.global_pool(x))
    return network.model(network.dense(network.dense(x, hidden), 1, None, name="score"))


ENTRY = Entry("binding", "DNA/RNA binding", "Alipanahi et al. 2015; slides",
              "1-D kernels of 24 taps, pooling over whole sequences", build, data.sequences,
              host="bases to ones and zeros; tries both strands")
