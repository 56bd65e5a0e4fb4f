"""Blocks of a layer's outputs: grids worth trying, and blocks whose frames are alike."""

from .axis import plan_axis, split_evenly

__all__ = ["alike_blocks", "block_axis", "block_grids"]


def block_axis(work, axis, place, taps):
    """Return the `Axis` of a block.

    Parameters
    ----------
    work : Work
        The layer.
    axis : int
        0 for rows, 1 for columns.
    place : tuple of int
        First output and number of outputs (after pooling).
    taps : int
        Longest piece of the kernel.
    """
    first, count = place
    return plan_axis(work.size[axis], work.kernel[axis], work.stride[axis], work.before[axis],
                     first * work.step[axis], work.computed(axis, count), taps)


def block_grids(work, kernel, widest_frame, capacity, target, reasons):
    """Return numbers of blocks (down, across) whose outputs fit an accumulator half.

    Parameters
    ----------
    work : Work
        The layer.
    kernel : tuple of int
        Longest pieces.
    widest_frame : int
        Most samples of a frame's row.
    capacity : int
        Words for the outputs of one map of a block.
    target : Target
        The machine.
    reasons : list of str
        Gets why blocks of some width do not fit.
    """
    found = []
    for across in _counts(work.outputs[1]):
        widest = max(split_evenly(work.outputs[1], across), key=lambda item: item[1])
        columns = work.computed(1, widest[1])
        tallest = (capacity // columns - work.window[0]) // work.step[0] + 1
        if tallest < 1:
            reasons.append(f"outputs of one row exceed the {capacity} words of a half bank")
            continue
        frame = block_axis(work, 1, widest, kernel[1]).frame
        if frame > widest_frame:
            reasons.append(f"rows of {frame} samples exceed the {widest_frame} that the line "
                           f"buffers hold")
            continue
        down = -(-work.outputs[0] // min(tallest, work.outputs[0]))
        most = min(down + len(target.convolvers), work.outputs[0] + 1)
        found += [(count, across) for count in range(down, most)]
    return found


def _counts(total):
    """Return the smallest number of parts for each width that the widest part can have."""
    counts = [1]
    while counts[-1] < total:
        widest = -(-total // counts[-1])
        counts.append(-(-total // (widest - 1)))
    return counts


def alike_blocks(work, kernel, grid):
    """Return the blocks of a grid, those together whose frames differ only in where they begin.

    Returns
    -------
    list of list
        Of (rows, columns), each (first output, number of outputs); most blocks first.
    """
    kinds = [_kinds(work, axis, kernel[axis], split_evenly(work.outputs[axis], grid[axis]))
             for axis in (0, 1)]
    alike = [[(row, column) for row in rows for column in columns]
             for rows in kinds[0] for columns in kinds[1]]
    return sorted(alike, key=len, reverse=True)


def _kinds(work, axis, taps, places):
    """Return ranges of outputs along an axis, those together that have the same pieces."""
    kinds = {}
    step = work.step[axis] * work.stride[axis]
    for place in places:
        made = block_axis(work, axis, place, taps)
        pieces = tuple((piece.first, piece.taps, piece.start - place[0] * step, piece.lead,
                        piece.extent) for piece in made.pieces)
        key = pieces, made.pad, made.frame, made.data, made.count
        kinds.setdefault(key, []).append(place)
    return list(kinds.values())
