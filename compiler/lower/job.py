"""A job: what one convolver does in one step, and the numbers that follow from it."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .assign import Assignment
from .frames import Frames, Infeasible
from .work import Work

__all__ = ["Job", "Walk", "walk_of"]


@dataclass(frozen=True)
class Job:
    """One block of some output maps.

    Parameters
    ----------
    work : Work
        The layer.
    rows, columns : tuple of int
        First output and number of outputs along each axis (after pooling).
    frames : Frames
        Geometry of the frames.
    assignment : Assignment
        Which output maps.
    lane_length : int
        MACs of a lane.
    """

    work: Work
    rows: tuple[int, int]
    columns: tuple[int, int]
    frames: Frames
    assignment: Assignment
    lane_length: int

    @cached_property
    def entries(self):
        """(input map of the group, row piece, column piece) of each frame of a group's pass.

        Pieces are None in an entry without weights.
        """
        items = [item or (None, None) for item in self.frames.sequence]
        maps = range(self.work.inputs)
        if len(self.frames.kinds) == 1:
            return [(source, *item) for item in items for source in maps]
        return [(source, *item) for source in maps for item in items]

    @property
    def computed(self):
        """Rows and columns of convolution outputs that each map of the block stores."""
        return self.frames.y.count, self.frames.x.count

    @property
    def words(self):
        """Words of one map of the block in an accumulator bank."""
        return self.frames.y.count * self.frames.x.count

    @property
    def drain_words(self):
        """Words drained for one map of the block."""
        window = self.work.window
        return self.rows[1] * self.columns[1] * window[0] * window[1]

    @property
    def pass_cycles(self):
        """Chain cycles of one pass."""
        return len(self.entries) * self.assignment.interleave * self.frames.cycles

    @property
    def pass_weights(self):
        """Samples of the weight stream for one pass."""
        turns = self.assignment.interleave * self.assignment.lanes
        return turns * (4 + len(self.entries) * self.lane_length)

    @property
    def macs(self):
        """Useful multiply-accumulates."""
        rows, columns = self.computed
        kernel = self.work.kernel[0] * self.work.kernel[1]
        return self.assignment.maps * self.work.inputs * kernel * rows * columns


@dataclass(frozen=True)
class Walk:
    """A read channel's walk through one input tensor, in samples from its start.

    Parameters
    ----------
    repeat : int
        Times the table is walked.
    table : tuple of int
        Base of each entry.
    group_stride : int
        From interleaved group to group.
    inner : tuple of int
        Count and stride of the loop around the groups.
    """

    repeat: int
    table: tuple[int, ...]
    group_stride: int
    inner: tuple[int, int]


def walk_of(job, target):
    """Return the `Walk` that brings a job its frames.

    Raises
    ------
    Infeasible
        If the table is too short.
    """
    work, assignment = job.work, job.assignment
    per_group = work.maps_per_group
    group_size = work.inputs * work.map_size

    def base(number, group):
        return assignment.map_of(number, 0, group) // per_group * group_size

    offsets = np.array([
        0 if y is None else source * work.map_size + y.start * work.size[1] + x.start
        for source, y, x in job.entries])
    bases = np.array([base(number, 0) for number in range(assignment.passes)])
    repeat = 1
    if (bases == bases[0]).all():
        repeat, bases = assignment.passes, bases[:1]
    table, inner = _compress((bases[:, None] + offsets).ravel())
    if len(table) > target.table_depth:
        raise Infeasible(f"{len(table)} frames of different addresses exceed the "
                         f"{target.table_depth} entries of a DMA port's table")
    step = base(0, 1) - base(0, 0) if assignment.interleave > 1 else 0
    return Walk(repeat, table, step, inner)


def _compress(addresses):
    """Return a shorter table and a loop (count, stride) that together make ``addresses``."""
    total = len(addresses)
    for count in range(total, 1, -1):
        if total % count:
            continue
        runs = addresses.reshape(-1, count)
        steps = np.diff(runs, axis=1)
        if (steps == steps.flat[0]).all():
            return tuple(runs[:, 0].tolist()), (count, int(steps.flat[0]))
    return tuple(addresses.tolist()), (1, 0)
