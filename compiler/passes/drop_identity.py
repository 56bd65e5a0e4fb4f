"""Drop nodes that compute nothing."""

from dataclasses import replace

from compiler.graph import Graph, Identity, Reshape

__all__ = ["drop_identity"]


def drop_identity(graph: Graph) -> Graph:
    """Return the graph without Identity nodes.

    An Identity that makes an output gives its name to the tensor before it; where that is an
    input or an output itself, a Reshape to the same shape copies it. Idempotent.
    """
    nodes = list(graph.nodes)
    for node in graph.nodes:
        if not isinstance(node, Identity):
            continue
        # Earlier steps may have renamed what this node reads.
        node = next(other for other in nodes if other.name == node.name)
        source, = node.inputs
        if node.output not in graph.outputs:
            nodes.remove(node)
            nodes = [_rename(other, node.output, source) for other in nodes]
        elif source in graph.inputs or source in graph.outputs:
            copy = Reshape(node.name, node.inputs, node.output, node.layer,
                           target=graph.shapes[source])
            nodes[nodes.index(node)] = copy
        else:
            nodes.remove(node)
            nodes = [_rename(other, source, node.output) for other in nodes]
    made = {node.output for node in nodes} | set(graph.inputs)
    return replace(graph, nodes=tuple(nodes),
                   shapes={name: shape for name, shape in graph.shapes.items() if name in made})


def _rename(node, old, new):
    if old not in node.inputs and old != node.output:
        return node
    return replace(node, inputs=tuple(new if name == old else name for name in node.inputs),
                   output=new if node.output == old else node.output)
