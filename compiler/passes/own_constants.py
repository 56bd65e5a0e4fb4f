"""Give every reader of a constant tensor one of its own."""

from dataclasses import replace

from compiler.graph import Constant, Graph

__all__ = ["own_constants"]


def own_constants(graph: Graph) -> Graph:
    """Return the graph with each Constant read by one node, and by none if it is an output.

    So each stands in the format that its reader wants; those that are equal in the end are stored
    once. Idempotent.
    """
    nodes, shapes = [], dict(graph.shapes)
    constants = {node.output: node for node in graph.nodes if isinstance(node, Constant)}
    taken = set(graph.outputs)
    for node in graph.nodes:
        for name in dict.fromkeys(node.inputs):
            if name not in constants:
                continue
            if name in taken:
                copy = _new(f"{name}.{node.output}", shapes)
                nodes.append(replace(constants[name], name=copy, output=copy))
                shapes[copy] = shapes[name]
                node = replace(node, inputs=tuple(
                    copy if other == name else other for other in node.inputs))
            taken.add(name)
        nodes.append(node)
    return replace(graph, nodes=tuple(nodes), shapes=shapes)


def _new(name, shapes):
    """Return a name like this one that no tensor has."""
    while name in shapes:
        name += "_"
    return name
