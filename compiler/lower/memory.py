"""Where tensors stand in the device's memory, and an independent check of it."""

from ..errors import CompileError
from .sharing import share_memory

__all__ = ["allocate", "lifetimes", "round_up", "verify_allocation"]


def round_up(value, unit):
    """Return the smallest multiple of ``unit`` that is not below ``value``."""
    return -(-value // unit) * unit


def lifetimes(stages, sharing, inputs, outputs):
    """Return (first, last) stage in which each tensor's memory is in use, by tensor.

    A tensor that stands in another one's memory counts as that one; constants stand in the
    program.

    Inputs live from before the first stage, and inputs and outputs to the end, so that the host
    can read both after a run.
    """
    uses = [(*stage.head.inputs, stage.output) for stage in stages]
    return {name: tuple(span) for name, span in _spans(uses, sharing, inputs, outputs).items()}


def _spans(uses, sharing, inputs, outputs):
    """Return [first, last] use of each tensor's memory; ``uses`` lists the tensors of each one."""
    end = len(uses)
    spans = {sharing.home(name)[0]: [-1, end] for name in inputs}
    for index, names in enumerate(uses):
        for name in names:
            span = spans.setdefault(sharing.home(name)[0], [index, index])
            span[1] = max(span[1], index)
    for name in outputs:
        spans.setdefault(sharing.home(name)[0], [-1, end])[1] = end
    return {name: span for name, span in spans.items() if name not in sharing.constants}


def allocate(sizes, spans, unit):
    """Place blocks by first fit, earliest first; those never live together may share memory.

    Parameters
    ----------
    sizes : dict of str to int
        Bytes of each block.
    spans : dict of str to tuple
        First and last stage in which it lives.
    unit : int
        Alignment in bytes.

    Returns
    -------
    dict of str to int
        Byte offset of each block.
    int
        Bytes in use.
    """
    placed, offsets = [], {}
    for name in sorted(sizes, key=lambda name: (spans[name][0], -sizes[name])):
        size, (first, last) = round_up(sizes[name], unit), spans[name]
        taken = sorted((low, high) for low, high, start, stop in placed
                       if start <= last and first <= stop)
        offset = 0
        for low, high in taken:
            if low - offset >= size:
                break
            offset = max(offset, high)
        offsets[name] = offset
        placed.append((offset, offset + size, first, last))
    return offsets, max((high for _, high, _, _ in placed), default=0)


def verify_allocation(lowered, graph):
    """Check that no two tensors share memory while both are live.

    Works from the finished steps alone: a tensor lives from the first step that writes it (an
    input: from the start) to the last step that reads it (an input or output: to the end). A
    tensor that another one reshapes, or is concatenated from, is the same memory by intent.

    Parameters
    ----------
    lowered : Lowered
        What `lower` returned.
    graph : FixedGraph
        What it was made from.

    Raises
    ------
    CompileError
        If two live tensors overlap, or one overlaps the program or the log.
    """
    uses = [(*step["reads"], *step["writes"]) for step in lowered.steps]
    spans = _spans(uses, share_memory(graph), graph.inputs, graph.outputs)
    blocks = sorted((lowered.tensors[name], 2 * graph.tensors[name].size, name, *span)
                    for name, span in spans.items())
    _check_pairs(blocks)
    _check_fixed(lowered, blocks)


def _check_pairs(blocks):
    for position, (address, size, name, first, last) in enumerate(blocks):
        for other, _, rival, start, stop in blocks[position + 1:]:
            if other < address + size and start <= last and first <= stop:
                raise CompileError(
                    f"tensors {name} at {address:#x} and {rival} at {other:#x} overlap while "
                    f"both are live")


def _check_fixed(lowered, blocks):
    fixed = [("the program", 0, len(lowered.image))]
    if lowered.log["address"]:
        fixed.append(("the log", lowered.log["address"],
                      4 * lowered.log["words"] * len(lowered.steps)))
    for what, low, length in fixed:
        for address, size, name, _, _ in blocks:
            if address < low + length and low < address + size:
                raise CompileError(f"tensor {name} at {address:#x} overlaps {what} at {low:#x}")
