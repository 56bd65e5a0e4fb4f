"""Drop nodes that lead to no output."""

from dataclasses import replace

from compiler.graph import Graph

__all__ = ["drop_dead"]


def drop_dead(graph: Graph) -> Graph:
    """Return the graph without nodes whose result no output depends on. Idempotent."""
    needed, live = set(graph.outputs), []
    for node in reversed(graph.nodes):
        if node.output in needed:
            needed.update(node.inputs)
            live.append(node)
    made = {node.output for node in live} | set(graph.inputs)
    return replace(graph, nodes=tuple(reversed(live)),
                   shapes={name: shape for name, shape in graph.shapes.items() if name in made})
