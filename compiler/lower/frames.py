"""Frames of a block: both axes together, the kinds of frame and their order in a pass."""

from collections import Counter
from dataclasses import dataclass
from functools import lru_cache

from hdl.registers import KINDS

from .axis import Axis, plan_axis

__all__ = ["Frames", "Infeasible", "least_frame", "plan_frames", "widest_frame"]

#: Frames that a chain may have to hold weights for besides those it is in the middle of.
SPARE_CONTEXTS = 4

#: Cycles from the last MAC of a lane to the accumulator that the head may read again.
SUM_LATENCY = 12


class Infeasible(Exception):
    """One way to cut a layer does not fit the machine; the message says which limit."""


@dataclass(frozen=True)
class Frames:
    """Geometry of the frames of one block.

    Parameters
    ----------
    y, x : Axis
        Rows and columns.
    height, width : int
        Size of a frame.
    kinds : tuple of tuple
        (lead_x, lead_y, width, height) of each kind: leading zeros and unmasked samples.
    sequence : tuple
        (row piece, column piece) of each entry of one input map, in order; None is an entry of
        zero weights that only keeps the cycle of kinds.
    """

    y: Axis
    x: Axis
    height: int
    width: int
    kinds: tuple[tuple[int, int, int, int], ...]
    sequence: tuple

    @property
    def cycles(self):
        """Chain cycles of one frame."""
        return self.height * self.width

    @property
    def kernel(self):
        """Rows and columns of the chain's kernel."""
        return self.y.taps, self.x.taps


@lru_cache(maxsize=1 << 14)
def plan_frames(work, rows, columns, kernel, interleave, lane_length, target):
    """Return the `Frames` of one block.

    Parameters
    ----------
    work : Work
        The layer.
    rows, columns : tuple of int
        First output and number of outputs along each axis (after pooling).
    kernel : tuple of int
        Longest pieces.
    interleave, lane_length : int
        Groups that take turns, and MACs of a lane.
    target : Target
        The machine.

    Raises
    ------
    Infeasible
        If a frame is wider than the line buffers, or there are too many kinds.
    """
    axes = [plan_axis(work.size[axis], work.kernel[axis], work.stride[axis], work.before[axis],
                      first * work.step[axis], work.computed(axis, count), kernel[axis])
            for axis, (first, count) in enumerate((rows, columns))]
    y, x = axes
    width, widest = x.frame, widest_frame(y.taps, lane_length, target)
    if width > widest:
        raise Infeasible(f"rows of {width} samples exceed the {widest} that the line buffers hold")
    kinds, sequence = _order_kinds([(row, column) for row in y.pieces for column in x.pieces])
    height = max(y.frame, -(-least_frame(lane_length, interleave, target) // width))
    return Frames(y, x, height, width, kinds, sequence)


def widest_frame(rows, lane_length, target):
    """Return the most samples of a frame's row under kernels of ``rows`` rows.

    The line buffers delay by a row of the frame and one of the lane.
    """
    return target.line_width - (lane_length // rows if rows > 1 else 0)


def least_frame(lane_length, interleave, target):
    """Return the fewest chain cycles of a frame.

    A sum is written before it is read again, and a pass has left the chain before the next but
    one waits for its accumulators.
    """
    return max(-(-lane_length // (target.contexts - SPARE_CONTEXTS)),
               -(-(lane_length + SUM_LATENCY) // interleave))


def _order_kinds(pieces):
    """Return the kinds, and the pieces in an order in which kinds take turns."""
    places = Counter((x.lead, y.lead, x.extent, y.extent) for y, x in pieces)
    if len(places) == 1:
        return tuple(places), tuple(pieces)
    if len(pieces) <= KINDS:
        return tuple((x.lead, y.lead, x.extent, y.extent) for y, x in pieces), tuple(pieces)
    for rounds in range(2, len(pieces) + 1):
        slots = {kind: -(-count // rounds) for kind, count in places.items()}
        if sum(slots.values()) <= KINDS:
            return _deal(pieces, slots, rounds)
    raise Infeasible(f"{len(places)} kinds of frame exceed the convolver's {KINDS}")


def _deal(pieces, slots, rounds):
    """Deal the pieces of each kind over the rounds, filling up with None."""
    waiting = {kind: [] for kind in slots}
    for y, x in pieces:
        waiting[(x.lead, y.lead, x.extent, y.extent)].append((y, x))
    kinds = tuple(kind for kind, count in slots.items() for _ in range(count))
    sequence = []
    for _ in range(rounds):
        for kind in kinds:
            sequence.append(waiting[kind].pop(0) if waiting[kind] else None)
    return kinds, tuple(sequence)
