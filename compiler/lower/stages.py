"""Which nodes run as one circuit: a head, and what stands behind it on the way to memory."""

from dataclasses import dataclass

from ..errors import CompileError
from ..fixed import Convolution, Elementwise, Lookup, Node, Pool, Reshape

__all__ = ["Stage", "aliases", "find_stages", "pool_outputs"]


@dataclass(frozen=True)
class Stage:
    """Nodes that run together: samples leave memory before the head and enter it after the last.

    Parameters
    ----------
    head : Node
        Convolution, Pool, Lookup or Elementwise.
    posts : tuple of Node
        At most one Lookup and, behind a convolution, at most one Pool, in order.
    """

    head: Node
    posts: tuple[Node, ...] = ()

    @property
    def nodes(self):
        """All nodes in order."""
        return (self.head, *self.posts)

    @property
    def output(self):
        """Name of the tensor written."""
        return self.nodes[-1].output

    @property
    def name(self):
        """Names of all nodes."""
        return "+".join(node.name for node in self.nodes)

    @property
    def layer(self):
        """User's layers, each once."""
        return "+".join(dict.fromkeys(node.layer for node in self.nodes))

    def post(self, kind):
        """Return the node of class ``kind`` behind the head, or None."""
        return next((node for node in self.posts if isinstance(node, kind)), None)


def pool_outputs(pool, shape):
    """Return (rows, columns) of the windows of ``pool`` that lie inside a map of ``shape``."""
    return tuple((size - window) // stride + 1
                 for size, window, stride in zip(shape[1:], pool.window, pool.stride, strict=True))


def aliases(graph):
    """Return, for each tensor, the tensor whose memory it shares: itself, but for a Reshape."""
    root = {name: name for name in graph.tensors}
    for node in graph.nodes:
        if isinstance(node, Reshape):
            root[node.output] = root[node.inputs[0]]
    return root


def find_stages(graph):
    """Return the graph's stages in an order in which each tensor is made before it is read.

    A node joins the stage before it when nothing else reads the tensor between them.

    Raises
    ------
    CompileError
        If a node is of no class that the machine runs.
    """
    readers = {}
    for node in graph.nodes:
        for name in node.inputs:
            readers.setdefault(name, []).append(node)
    kept = set(graph.outputs)
    stages, fused = [], set()
    for node in graph.nodes:
        if node.name in fused or isinstance(node, Reshape):
            continue
        if not isinstance(node, Convolution | Pool | Lookup | Elementwise):
            raise CompileError(f"{node.layer}: the machine has no circuit for "
                               f"{type(node).__name__} nodes")
        stage = Stage(node)
        while True:
            after = readers.get(stage.output, [])
            if stage.output in kept or len(after) != 1 or not _joins(graph, stage, after[0]):
                break
            stage = Stage(stage.head, (*stage.posts, after[0]))
            fused.add(after[0].name)
        stages.append(stage)
    return stages


def _joins(graph, stage, node):
    """Whether ``node`` can stand behind ``stage``: a free unit, and whole windows for a pool."""
    if isinstance(node, Lookup):
        return not isinstance(stage.head, Lookup) and stage.post(Lookup) is None
    if isinstance(node, Pool) and isinstance(stage.head, Convolution):
        inside = pool_outputs(node, graph.tensors[node.inputs[0]].shape)
        return (stage.post(Pool) is None and not any(node.padding)
                and inside == graph.tensors[node.output].shape[1:])
    return False
