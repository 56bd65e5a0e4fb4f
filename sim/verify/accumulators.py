"""No accumulator can overflow: from the graph, and from the weights that stand in the image.

With the input that comes nearest to an overflow.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np

from compiler.fixed import Convolution
from sim.functional.convolver import weight_stream

from .ranges import split, sums, tensor_ranges
from .weights import Kernels, multisets

__all__ = ["LIMIT", "NearestSum", "image_faults", "nearest_input", "nearest_sums"]

#: Accumulators have 36 bits.
LIMIT = 1 << 35


@dataclass(frozen=True)
class NearestSum:
    """The sum of a convolution that comes nearest to an accumulator's limit.

    Parameters
    ----------
    node, layer : str
        The convolution, and the user's layer.
    map : int
        Output map.
    sum : int
        What an input can make of it; no sum of the layer is larger in magnitude.
    partial : int
        Bound of all partial sums, in whatever order products are added.
    range : tuple of int
        Samples that the input can hold.
    """

    node: str
    layer: str
    map: int
    sum: int
    partial: int
    range: tuple[int, int]

    @property
    def safe(self):
        """Whether no partial sum can leave the accumulator."""
        return self.partial < LIMIT


def _partial(bias, positive, negative, low, high):
    """Return the largest magnitude of a sum of some of the terms."""
    least, most = sums(0, positive, negative, low, high)
    return np.maximum(np.maximum(bias, 0) + most, -(np.minimum(bias, 0) + least))


def nearest_sums(graph):
    """Return a `NearestSum` for each convolution of a fixed-point graph."""
    ranges = tensor_ranges(graph)
    found = []
    for node in graph.nodes:
        if not isinstance(node, Convolution):
            continue
        bounds, bias = ranges[node.inputs[0]], np.asarray(node.bias, np.int64)
        positive, negative = split(node.weights)
        ends = np.stack(sums(bias, positive, negative, *bounds))
        place = np.unravel_index(np.abs(ends).argmax(), ends.shape)
        partial = _partial(bias, positive, negative, *bounds)
        found.append(NearestSum(node.name, node.layer, int(place[1]), int(ends[place]),
                                int(partial.max()), bounds))
    return found


def nearest_input(node, nearest):
    """Return the samples under a kernel that make a `NearestSum`: (input maps, rows, columns)."""
    low, high = min(nearest.range[0], 0), max(nearest.range[1], 0)
    weights = np.asarray(node.weights)[nearest.map]
    if nearest.sum < 0:
        weights = -weights.astype(np.int64)
    return np.where(weights > 0, high, np.where(weights < 0, low, 0)).astype(np.int16)


def image_faults(graph, target, prepared, memory, written):
    """Yield what is wrong with the image's weights, and with the sums that they make.

    Parameters
    ----------
    graph : compiler.fixed.FixedGraph
        The network in integers.
    target : Target
        The machine.
    prepared : sim.functional.machine.Prepared
        The program.
    memory : array of int16
        The image, by sample address.
    written : list of tuple
        For each step the convolutions whose maps it makes, and the range of their samples.
    """
    convolutions = {node.name: node for nodes, _ in written for node in nodes}
    kernels_of = cache(lambda name: Kernels(convolutions[name], graph))
    for (step, active), (nodes, bounds) in zip(prepared.steps, written, strict=True):
        maps = [kernels_of(node.name) for node in nodes]
        for tile in target.convolvers:
            registers = active[tile]["convolver"] if step.commit >> tile & 1 else None
            if not registers or not registers["enable"]:
                continue
            channel = active[target.tiles + target.port_of_tile(tile)]["weights"]
            stream = np.tile(memory[channel["base"]:channel["base"] + channel["length"]],
                             channel["repeat"])
            bias, shift, weights = weight_stream(registers, target, stream)
            kernels = weights.transpose(0, 2, 3, 1, 4).reshape(bias.size, -1)
            yield from _lane_faults(f"step {step.number}, tile {tile}", maps, bounds,
                                    bias.ravel(), shift.ravel(), kernels)


def _lane_faults(where, maps, bounds, bias, shift, kernels):
    partial = _partial(bias, *split(kernels), *bounds)
    if partial.max() >= LIMIT:
        yield f"{where}: a sum of {int(partial.max())} leaves the 36 bits of an accumulator"
    if not maps:
        yield f"{where}: a convolver works for a layer without a convolution"
    numbers = multisets(kernels)
    for place, slot in enumerate(zip(bias.tolist(), shift.tolist(), numbers.tolist(), kernels,
                                     strict=True)):
        # Lanes that make no map hold zeros.
        if (slot[0] or slot[2]) and not any(one.holds(*slot) for one in maps):
            yield (f"{where}: bias, shift and weights of slot {place} are those of no map of "
                   f"{', '.join(one.layer for one in maps)}")
            return
