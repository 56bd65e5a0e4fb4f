"""The network's graph as a picture: what runs together is one box."""

import networkx as nx

from . import svg

__all__ = ["network_graph", "network_picture"]

_WIDTH, _HEIGHT, _GAP, _RISE = 170, 34, 16, 34


def network_graph(program):
    """Return a networkx.DiGraph: inputs and layers as they run, edges with the tensors' names."""
    graph, steps = program.graph, program.manifest["steps"]
    in_memory = {entry["name"] for entry in program.manifest["tensors"]
                 if entry["address"] is not None}
    makers = {node.output: node for node in graph.nodes}
    label = {node.name: node.layer for node in graph.nodes}
    for step in steps:
        pending = list(step["writes"])
        while pending:
            node = makers.get(pending.pop())
            if node is not None:
                label[node.name] = step["layer"]
                pending += [name for name in node.inputs if name not in in_memory]
    drawn = nx.DiGraph()
    for name in graph.inputs:
        drawn.add_node(name, kind="input")
    for node in graph.nodes:
        drawn.add_node(label[node.name], kind="layer")
        for name in node.inputs:
            source = label[makers[name].name] if name in makers else name
            if source != label[node.name]:
                shape = "x".join(map(str, graph.tensors[name].shape))
                drawn.add_edge(source, label[node.name], tensor=f"{name}, {shape}")
    return drawn


def network_picture(program):
    """Return the graph as SVG, one row for each distance from the inputs."""
    graph = network_graph(program)
    if not nx.is_directed_acyclic_graph(graph):
        # Layers of one name in several places: draw them as one.
        graph = nx.condensation(graph)
        graph = nx.relabel_nodes(graph, {node: ", ".join(sorted(members)) for node, members
                                         in graph.nodes(data="members")})
    rows, places = [], {}
    for generation in nx.topological_generations(graph):
        order = sorted(generation, key=lambda node: (
            sum(places[before] for before in graph.predecessors(node))
            / max(1, graph.in_degree(node)), str(node)))
        places.update({node: place - len(order) / 2 for place, node in enumerate(order)})
        rows.append(order)
    width = max(len(row) for row in rows) * (_WIDTH + _GAP) + _GAP
    corner = {node: (width / 2 + places[node] * (_WIDTH + _GAP) + _GAP / 2,
                     _GAP + index * (_HEIGHT + _RISE))
              for index, row in enumerate(rows) for node in row}
    parts = [svg.arrow([(corner[first][0] + _WIDTH / 2, corner[first][1] + _HEIGHT),
                        (corner[second][0] + _WIDTH / 2, corner[second][1])],
                       title=edge.get("tensor", ""))
             for first, second, edge in graph.edges(data=True)]
    for node, (x, y) in corner.items():
        name = str(node)
        parts.append(svg.rectangle(x, y, _WIDTH, _HEIGHT,
                                   graph.nodes[node].get("kind", "layer"), name))
        parts.append(svg.text(x + _WIDTH / 2, y + _HEIGHT / 2 + 4,
                              name if len(name) < 26 else name[:24] + "…", "label", "middle"))
    return svg.picture(width, len(rows) * (_HEIGHT + _RISE) + _GAP, parts, "network graph")
