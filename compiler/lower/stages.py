"""Which nodes run as one circuit: a head, and what stands behind it on the way to memory."""

import math
from dataclasses import dataclass

from hdl.registers import LOOPS

from ..boxes import merge, split_inner
from ..errors import CompileError
from ..fixed import (
    ArgMax,
    Concat,
    Constant,
    Convolution,
    Elementwise,
    Lookup,
    Move,
    Node,
    Pool,
    Reduce,
    Reshape,
    Upsample,
)
from .sharing import share_memory

__all__ = ["Stage", "find_stages", "pool_outputs"]


@dataclass(frozen=True)
class Stage:
    """Nodes that run together: samples leave memory before the head and enter it after the last.

    Parameters
    ----------
    head : Node
        A Convolution, a node of samples or windows, or a Concat or Move of what must be copied.
    posts : tuple of Node
        At most one Lookup and, behind a convolution, at most one Pool or Upsample, in order;
        behind an Elementwise of two tensors a Reduce, then perhaps a Lookup.
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


_HEADS = (Convolution | Pool | Lookup | Elementwise | Upsample | ArgMax | Concat | Move
          | Reduce)


def find_stages(graph, target):
    """Return the graph's stages in an order in which each tensor is made before it is read.

    A node joins the stage before it when nothing else reads the tensor between them, and a pool
    when a convolver of ``target`` can hold one of its windows.

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
    sharing = share_memory(graph)
    stages, fused, copies = [], set(), sharing.copies
    # What others have put parts into cannot be taken further before it is whole.
    placed = {parent for parent, _ in sharing.parents.values()}
    for node in graph.nodes:
        if node.name in fused or isinstance(node, (Constant, Reshape)):
            continue
        if isinstance(node, (Concat, Move)) and node.output not in copies:
            continue
        if not isinstance(node, _HEADS):
            raise CompileError(f"{node.layer}: the machine has no circuit for "
                               f"{type(node).__name__} nodes")
        stage = Stage(node)
        while True:
            after = readers.get(stage.output, [])
            if stage.output in kept or stage.output in placed or len(after) != 1 \
                    or not _joins(graph, stage, after[0], target):
                break
            stage = Stage(stage.head, (*stage.posts, after[0]))
            fused.add(after[0].name)
        stages.append(stage)
    return stages


def _joins(graph, stage, node, target):
    """Whether ``node`` can stand behind ``stage``: a free unit, and whole windows for a pool.

    A convolution's outputs are drained in windows, or each of them several times.
    """
    if isinstance(node, Reduce) and isinstance(stage.head, Elementwise):
        return stage.head.constant is None and not stage.posts and _takes_rows(stage.head, node)
    if isinstance(node, Lookup):
        return not isinstance(stage.head, Lookup) and stage.post(Lookup) is None
    if isinstance(node, Upsample) and isinstance(stage.head, Convolution):
        return stage.post(Pool) is None and stage.post(Upsample) is None
    if isinstance(node, Pool) and isinstance(stage.head, Convolution):
        inside = pool_outputs(node, graph.tensors[node.inputs[0]].shape)
        return (stage.post(Pool) is None and stage.post(Upsample) is None
                and not any(node.padding) and _holds(target, stage.head, node)
                and inside == graph.tensors[node.output].shape[1:])
    return False


def _holds(target, conv, pool):
    """Whether a half of all accumulators, and the line buffers, hold one window's outputs."""
    columns = (pool.window[1] - 1) * conv.stride[1] + conv.weights.shape[3]
    return (math.prod(pool.window) <= target.banks * target.half_depth
            and columns <= target.line_width)


def _takes_rows(head, node):
    """Whether a Reduce takes what an Elementwise makes in order, inner loops of it at a time."""
    counts, strides = merge((*node.kept, *node.reduced), node.read.strides)
    in_order = node.read.start == 0 and (counts == () or strides == (1,))
    parts = split_inner(head.counts, [walk.strides for walk in head.reads],
                        math.prod(node.reduced)) if head.counts is not None else ((), ())
    return in_order and parts is not None and len(parts[1]) <= LOOPS
