"""The order of the passes over the float graph."""

from .graph import verify
from .passes.drop_dead import drop_dead
from .passes.drop_identity import drop_identity
from .passes.fold_affine import fold_affine
from .passes.fuse_pad import fuse_pad
from .passes.hoist_activations import hoist_activations
from .passes.merge_moves import merge_moves
from .passes.nest_concats import nest_concats
from .passes.own_constants import own_constants
from .passes.split_depth import split_depth
from .passes.split_reduce import split_reduce
from .passes.split_resample import split_resample
from .passes.split_transpose import split_transpose
from .passes.stream_reduce import stream_reduce
from .passes.to_conv import to_conv

__all__ = ["PASSES", "simplify"]

PASSES = (drop_identity, drop_dead, fuse_pad, fold_affine, split_transpose, split_depth,
          split_resample, nest_concats, hoist_activations, merge_moves, to_conv, stream_reduce,
          split_reduce, drop_dead, own_constants)


def simplify(graph, *, dump=None):
    """Run all passes in order, verifying each result.

    Parameters
    ----------
    graph : Graph
        The graph from the front end.
    dump : callable, optional
        Called with each pass's name and its graph.

    Returns
    -------
    Graph
        A graph of Conv, Activation, Pool, Elementwise, Concat, Upsample, ArgMax, Reshape,
        Constant, Move and Reduce nodes.
    """
    for step in PASSES:
        graph = step(graph)
        verify(graph)
        if dump:
            dump(step.__name__, graph)
    return graph
