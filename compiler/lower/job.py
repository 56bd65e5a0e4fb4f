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
    """One block of some output maps, or several that are alike, one after the other.

    Parameters
    ----------
    work : Work
        The layer.
    rows, columns : tuple of int
        First output and number of outputs along each axis (after pooling) of the first block.
    frames : Frames
        Geometry of the frames.
    assignment : Assignment
        Which output maps.
    lane_length : int
        MACs of a lane.
    streams : int
        Drain streams in use; the second one goes through the partner tile.
    others : tuple of tuple of int
        First row and column of the blocks behind the first.
    shared : bool
        Whether the frames are those of the job before it in the batch, and come with them.
    """

    work: Work
    rows: tuple[int, int]
    columns: tuple[int, int]
    frames: Frames
    assignment: Assignment
    lane_length: int
    streams: int = 1
    others: tuple[tuple[int, int], ...] = ()
    shared: bool = False

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
    def entry_count(self):
        """Number of entries."""
        return self.work.inputs * len(self.frames.sequence)

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
        return self.written[0] * self.written[1] * window[0] * window[1]

    @property
    def written(self):
        """Rows and columns that one map of the block writes."""
        repeat = self.work.repeat
        return self.rows[1] * repeat[0], self.columns[1] * repeat[1]

    @property
    def corners(self):
        """Sample of an output map at which each block begins."""
        repeat, row = self.work.repeat, self.work.written[1]
        return [first * repeat[0] * row + column * repeat[1] for first, column in self._places]

    @property
    def origins(self):
        """Samples of an input map from where the first block's frames begin to each block's."""
        work = self.work
        down, right = (step * stride for step, stride in zip(work.step, work.stride, strict=True))
        return [(row - self.rows[0]) * down * work.size[1] + (column - self.columns[0]) * right
                for row, column in self._places]

    @property
    def _places(self):
        return ((self.rows[0], self.columns[0]), *self.others)

    @property
    def drain_lanes(self):
        """Lanes that the first drain stream takes in a pass, and in the last pass."""
        assignment = self.assignment
        if self.streams == 2:
            lanes, last = assignment.halves
            return lanes[0], last[0]
        return assignment.drained, assignment.last

    @property
    def pass_cycles(self):
        """Chain cycles of one pass."""
        return self.entry_count * self.assignment.interleave * self.frames.cycles

    @property
    def pass_weights(self):
        """Samples of the weight stream for one pass."""
        turns = self.assignment.interleave * self.assignment.lanes
        return turns * (4 + self.entry_count * self.lane_length)

    @property
    def row_length(self):
        """MACs from one kernel row to the next in a lane."""
        return self.lane_length // self.frames.y.taps

    def in_chain(self, pieces):
        """Return the weights of lanes for kernel pieces of the chain's size, (..., rows, columns).

        A lane holds rows and columns from last to first, each row at a multiple of `row_length`;
        zeros fill the rest.
        """
        rows, columns = self.frames.kernel
        made = np.zeros((*pieces.shape[:-2], self.lane_length), "<i2")
        taken = made[..., :rows * self.row_length].reshape(
            *pieces.shape[:-2], rows, self.row_length)
        taken[..., :columns] = pieces[..., ::-1, ::-1]
        made[..., :rows * self.row_length] = taken.reshape(*pieces.shape[:-2], -1)
        return made

    @property
    def macs(self):
        """Useful multiply-accumulates."""
        rows, columns = self.computed
        kernel = self.work.kernel[0] * self.work.kernel[1]
        return self.assignment.maps * self.work.inputs * kernel * rows * columns

    @property
    def input_streams(self):
        """Input streams in use; the second one comes through the partner tile."""
        return 1

    @property
    def read_streams(self):
        """Input streams that the job reads itself."""
        return 0 if self.shared else self.input_streams

    def drain_registers(self):
        """Return the convolver's registers that say which lanes each drain stream takes."""
        if self.streams == 1:
            lanes, last = self.drain_lanes
            return {"drain_lanes": (lanes, 0), "drain_last_lanes": (last, 0)}
        lanes, last = self.assignment.halves
        return {"drain_first": (0, lanes[0]), "drain_lanes": lanes, "drain_last_lanes": last}

    def walks(self, target):
        """Return the `Walk` of each input stream.

        Raises
        ------
        Infeasible
            If a table is too short.
        """
        return [walk_of(self, target)]

    def kernels(self, weights, index):
        """Return the weights of each frame, zeros where there is no tap.

        Parameters
        ----------
        weights : array
            All kernels of the layer.
        index : array of (passes, groups, lanes)
            Output maps; the number of maps stands for none.

        Returns
        -------
        array of (passes, entries, groups, lanes, MACs of a lane)
        """
        work, (rows, columns) = self.work, self.frames.kernel
        weights = weights.reshape(work.maps, work.inputs, *work.kernel)
        made = np.zeros((work.maps + 1, len(self.entries), self.lane_length), "<i2")
        for entry, (source, y, x) in enumerate(self.entries):
            if y is None:
                continue
            piece = np.zeros((work.maps, rows, columns), "<i2")
            piece[:, :y.taps, :x.taps] = weights[
                :, source, y.kernel_slice(work.stride[0]), x.kernel_slice(work.stride[1])]
            made[:-1, entry] = self.in_chain(piece)
        return made[index].transpose(0, 3, 1, 2, 4)


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
    inner : tuple of tuple
        Count and stride of each loop around the groups, innermost first.
    """

    repeat: int
    table: tuple[int, ...]
    group_stride: int
    inner: tuple[tuple[int, int], ...]


def walk_of(job, target):
    """Return the `Walk` that brings a job its frames.

    Raises
    ------
    Infeasible
        If the table is too short.
    """
    work, assignment = job.work, job.assignment
    group_size = work.inputs * work.map_size

    origins = job.origins

    def base(number, group):
        return (assignment.map_of(number, 0, group) // work.maps_per_group * group_size
                + origins[number // assignment.block_passes])

    passes = np.array([base(number, 0) for number in range(assignment.passes)])
    repeat = 1
    if (passes == passes[0]).all():
        repeat, passes = assignment.passes, passes[:1]
    levels = [passes, *_levels(job)]
    start = sum(int(level[0]) for level in levels)
    # The innermost loops are rows and columns; groups have one when they take turns.
    inner = _take_loops(levels, 1 if assignment.interleave > 1 else 2)
    table = np.array([start])
    for level in levels:
        table = (table[:, None] + level - level[0]).ravel()
    if len(table) > target.table_depth:
        raise Infeasible(f"{len(table)} frames of different addresses exceed the "
                         f"{target.table_depth} entries of a DMA port's table")
    step = base(0, 1) - base(0, 0) if assignment.interleave > 1 else 0
    return Walk(repeat, tuple(table.tolist()), step, inner)


def _levels(job):
    """Return the addresses of a pass's entries as sums over levels, outermost first."""
    work, frames = job.work, job.frames
    maps = np.arange(work.inputs) * work.map_size
    rows = np.array([piece.start * work.size[1] for piece in frames.y.pieces])
    columns = np.array([piece.start for piece in frames.x.pieces])
    if len(frames.kinds) == 1:
        return [rows, columns, maps]
    if len(frames.sequence) == len(frames.kinds):
        return [maps, rows, columns]
    dealt = [0 if item is None else item[0].start * work.size[1] + item[1].start
             for item in frames.sequence]
    return [maps, np.array(dealt)]


def _take_loops(levels, most):
    """Take up to ``most`` loops (count, stride) off the end of ``levels``, innermost first."""
    loops = []
    while levels:
        steps = np.diff(levels[-1])
        if len(steps) and (steps != steps[0]).any():
            break
        if len(steps):
            count, stride = len(steps) + 1, int(steps[0])
            if loops and stride == loops[-1][0] * loops[-1][1]:
                loops[-1] = (loops[-1][0] * count, loops[-1][1])
            elif len(loops) < most:
                loops.append((count, stride))
            else:
                break
        levels.pop()
    return tuple(loops)
