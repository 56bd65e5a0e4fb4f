"""What the compiler claims to have proved about a program; `sim.verify` checks it by itself."""

import numpy as np

from .fixed import Convolution, Lookup
from .functions import FUNCTIONS, get_function
from .lower.sharing import share_memory
from .points import ACCUMULATOR_LIMIT
from .tables import table_error

__all__ = ["certificates"]


def certificates(graph, lowered, reach):
    """Return the certificates of a program, for its manifest.

    Parameters
    ----------
    graph : compiler.fixed.FixedGraph
        The network in integers.
    lowered : compiler.lower.Lowered
        What was made of it.
    reach : dict of str to tuple
        Lowest and highest sample of tensors, whatever the inputs; what is left out can be any.

    Returns
    -------
    dict
        ``accumulators``: for each convolution its ``node`` and ``layer``, the ``range`` of its
        input's samples, the ``bound`` of all partial sums of its products, in any order, and the
        ``limit`` of an accumulator. ``tables``: for each lookup of a known function its ``node``
        and ``layer``, and the largest ``error`` of its table over all samples, in steps of the
        result, next to the correctly rounded function. ``memory``: blocks, each with the
        ``tensor`` it is for, ``address`` and ``bytes``, and the ``first`` and ``last`` step of its
        life; inputs live from -1 on, inputs and outputs to the number of steps.
    """
    return {"accumulators": [_sums(node, reach) for node in graph.nodes
                             if isinstance(node, Convolution)],
            "tables": [_table(node, graph) for node in graph.nodes
                       if isinstance(node, Lookup) and node.function in FUNCTIONS],
            "memory": _blocks(lowered.graph, lowered)}


def _sums(node, reach):
    low, high = reach.get(node.inputs[0], (-(1 << 15), (1 << 15) - 1))
    weights = np.array([int(np.abs(kernels, dtype=np.int64).sum()) for kernels in node.weights])
    bound = np.abs(np.asarray(node.bias, np.int64)) + weights * max(-low, high, 0)
    return {"node": node.name, "layer": node.layer, "range": [low, high],
            "bound": int(bound.max()), "limit": ACCUMULATOR_LIMIT}


def _table(node, graph):
    error = table_error(node.table, get_function(node.function, node.parameters),
                        *(graph.tensors[name].fraction for name in (node.inputs[0], node.output)))
    return {"node": node.name, "layer": node.layer, "error": error}


def _blocks(graph, lowered):
    end, sharing, spans = len(lowered.steps), share_memory(graph), {}

    def live(name, step):
        span = spans.setdefault(sharing.home(name)[0], [step, step])
        span[0], span[1] = min(span[0], step), max(span[1], step)

    for name in graph.inputs:
        live(name, -1)
        live(name, end)
    for index, step in enumerate(lowered.steps):
        for name in (*step["reads"], *step["writes"]):
            live(name, index)
    for name in graph.outputs:
        live(name, end)
    return [{"tensor": name, "address": lowered.tensors[name],
             "bytes": 2 * graph.tensors[name].size, "first": first, "last": last}
            for name, (first, last) in spans.items()]
