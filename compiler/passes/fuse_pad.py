"""Make zeros around a map the padding of the convolution that reads it."""

from dataclasses import replace

from compiler.errors import UnsupportedError
from compiler.graph import Conv, Graph, Pad, Pool

__all__ = ["fuse_pad"]


def fuse_pad(graph: Graph) -> Graph:
    """Return the graph without Pad nodes.

    Convolutions, and average pools that count their padding, take them over. Idempotent.

    Raises
    ------
    UnsupportedError
        If anything else reads a Pad node's output, or it is an output of the network.
    """
    nodes, faults, gone = list(graph.nodes), [], set()
    for pad in graph.nodes:
        if not isinstance(pad, Pad):
            continue
        pad = next(node for node in nodes if node.name == pad.name)
        readers = [node for node in nodes if pad.output in node.inputs]
        bad = [reader for reader in readers if not _can_pad(reader, pad)]
        if bad or pad.output in graph.outputs:
            what = f"{bad[0].layer!r} reads it" if bad else "it is an output of the network"
            faults.append(f"{pad.layer} (Pad): {what}; supported are zeros that only convolutions, "
                          "and average pools which count them, read")
            continue
        nodes.remove(pad)
        nodes = [_take_over(node, pad) if node in readers else node for node in nodes]
        gone.add(pad.output)
    if faults:
        raise UnsupportedError(faults)
    shapes = {name: shape for name, shape in graph.shapes.items() if name not in gone}
    return replace(graph, nodes=tuple(nodes), shapes=shapes)


def _can_pad(reader, pad):
    if isinstance(reader, (Conv, Pad)):
        return True
    if not isinstance(reader, Pool) or reader.kind != "average":
        return False
    counted = reader.count_include_pad or not any(reader.padding)
    total = [own + more for own, more in zip(reader.padding, pad.padding, strict=True)]
    return counted and all(size < reader.window[index % 2] for index, size in enumerate(total))


def _take_over(reader, pad):
    padding = tuple(own + more for own, more in zip(reader.padding, pad.padding, strict=True))
    changes = {"count_include_pad": True} if isinstance(reader, Pool) else {}
    return replace(reader, inputs=pad.inputs, padding=padding, **changes)
