"""A part of a fixed-point graph as a graph of its own."""

from .errors import CompileError
from .fixed import Constant, FixedGraph

__all__ = ["extract_layers"]


def extract_layers(graph, first, last):
    """Return the part of a graph from one of the user's layers to another, both included.

    Parameters
    ----------
    graph : FixedGraph
        The whole network.
    first, last : str or None
        Names of layers; None for the first and the last one.

    Returns
    -------
    FixedGraph
        Its inputs are the tensors that it reads and does not make, its outputs those that are read
        outside of it, or that the whole network gives.

    Raises
    ------
    CompileError
        If there is no such layer, or the last comes before the first.
    """
    places = {}
    for place, node in enumerate(graph.nodes):
        places.setdefault(node.layer, []).append(place)
    for name in (first, last):
        if name is not None and name not in places:
            raise CompileError(f"unknown layer {name!r}; layers are {', '.join(places)}")
    start = 0 if first is None else min(places[first])
    stop = len(graph.nodes) if last is None else max(places[last]) + 1
    if stop <= start:
        raise CompileError(f"layer {last!r} comes before layer {first!r}")
    chosen = graph.nodes[start:stop]
    outside = graph.nodes[:start] + graph.nodes[stop:]
    made = {node.output for node in chosen}
    # Constants are no inputs: whoever reads one takes it along.
    constants = {node.output: node for node in outside if isinstance(node, Constant)}
    read = list(dict.fromkeys(name for node in chosen for name in node.inputs))
    chosen = (*(constants[name] for name in read if name in constants), *chosen)
    inputs = tuple(name for name in read if name not in made and name not in constants)
    wanted = {name for node in outside for name in node.inputs} | set(graph.outputs)
    outputs = tuple(node.output for node in chosen
                    if node.output in wanted and node.output in made
                    and not isinstance(node, Constant))
    if not inputs or not outputs:
        missing = "outputs" if inputs else "inputs"
        raise CompileError(f"the layers {', '.join(dict.fromkeys(node.layer for node in chosen))} "
                           f"have no {missing} of their own; choose more of them")
    return FixedGraph(
        chosen, {name: graph.tensors[name] for name in (
            *inputs, *(node.output for node in chosen))}, inputs, outputs,
        {name: graph.input_shapes[name] for name in inputs if name in graph.input_shapes},
        {name: graph.output_shapes[name] for name in outputs if name in graph.output_shapes})
