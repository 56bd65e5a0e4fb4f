"""Nested loops that several DMA channels walk in step, cut to what their registers hold.

Each channel has four loops and a table of base addresses. Loops that one channel can merge need
not be ones that another can; the outermost loops that are too many become entries of the tables.
"""

import math
from dataclasses import dataclass, replace

from ..boxes import merge
from .axis import split_evenly
from .circuit import LOOPS

__all__ = ["MOST_COUNT", "Channel", "Job", "Nest", "channel_loops", "deal"]

#: Most iterations of a loop: what the register holds.
MOST_COUNT = (1 << 20) - 1

#: Samples of a slot below which more slots are not worth it.
_SMALL = 64

#: Cycles of a step besides its work.
_STEP_CYCLES = 200

#: How much larger than the least the largest share of a loop may be, for it to be an outer one.
_EVEN = 1.05


@dataclass(frozen=True)
class Channel:
    """How one DMA channel walks a nest.

    Parameters
    ----------
    base : int
        Sample address of the first sample.
    strides : tuple of int
        Samples that each loop of the nest steps, outermost first.
    inner : tuple of (int, int)
        (count, stride) of loops inside all of the nest's, innermost first: several samples for
        each of the other channels'.
    """

    base: int
    strides: tuple[int, ...]
    inner: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class Nest:
    """Loops, outermost first, and the channels that walk them."""

    counts: tuple[int, ...]
    channels: tuple[Channel, ...]

    @property
    def size(self):
        """Iterations."""
        return math.prod(self.counts)

    def merged(self):
        """Return the nest with the loops merged that all channels can merge."""
        counts, *strides = merge(self.counts, *(channel.strides for channel in self.channels))
        return Nest(counts, tuple(replace(channel, strides=steps) for channel, steps in zip(
            self.channels, strides, strict=True)))

    def part(self, axis, first, count):
        """Return the nest of some iterations of one loop."""
        return Nest((*self.counts[:axis], count, *self.counts[axis + 1:]), tuple(
            replace(channel, base=channel.base + first * channel.strides[axis])
            for channel in self.channels))

    def split(self, parts):
        """Return up to ``parts`` nests of nearly equal size that make this one."""
        if not self.counts:
            return [self]
        largest = [-(-count // parts) / count for count in self.counts]
        # The outermost loop that shares the work about as evenly as any.
        axis = next(axis for axis, share in enumerate(largest) if share <= _EVEN * min(largest))
        count = self.counts[axis]
        return [self.part(axis, first, share)
                for first, share in split_evenly(count, min(count, parts))]

    def unrolled(self, axis):
        """Return the nests of the iterations of the first ``axis`` loops."""
        nests = [self]
        for level in range(axis):
            nests = [nest.part(level, index, 1) for nest in nests
                     for index in range(self.counts[level])]
        return nests


@dataclass(frozen=True)
class Job:
    """What the channels do in one step.

    Parameters
    ----------
    loops : tuple
        For each channel its (count, stride) loops, innermost first.
    tables : tuple
        For each channel its base addresses.
    """

    loops: tuple
    tables: tuple

    @property
    def size(self):
        """Samples that the first channel moves."""
        return len(self.tables[0]) * math.prod(count for count, _ in self.loops[0])


def channel_loops(counts, channel):
    """Return a channel's (count, stride) loops, innermost first, merged as far as they can be."""
    loops = []
    for count, stride in (*channel.inner, *zip(counts[::-1], channel.strides[::-1], strict=True)):
        if count == 1:
            continue
        if loops and stride == loops[-1][0] * loops[-1][1] \
                and count * loops[-1][0] <= MOST_COUNT:
            loops[-1] = (count * loops[-1][0], loops[-1][1])
        else:
            loops.append((count, stride))
    return tuple(loops) or ((1, 0),)


def _limited(nest):
    """Return nests that make this one whose loops all have counts that a register holds."""
    for axis, count in enumerate(nest.counts):
        if count <= MOST_COUNT:
            continue
        chunk = (MOST_COUNT + 1) // 2
        whole = Nest(
            (*nest.counts[:axis], count // chunk, chunk, *nest.counts[axis + 1:]),
            tuple(replace(channel, strides=(
                *channel.strides[:axis], channel.strides[axis] * chunk, *channel.strides[axis:]))
                for channel in nest.channels))
        rest = count % chunk
        parts = [whole, *([nest.part(axis, count - rest, rest)] if rest else [])]
        return [found for part in parts for found in _limited(part)]
    return [nest]


def _jobs(nest, depth):
    """Return the jobs of a nest: as few loops as needed become entries of the tables."""
    for axis in range(len(nest.counts) + 1):
        inside = nest.counts[axis:]
        loops = tuple(channel_loops(inside, replace(channel, strides=channel.strides[axis:]))
                      for channel in nest.channels)
        if all(len(found) <= LOOPS for found in loops):
            break
    bases = [tuple(channel.base for channel in part.channels) for part in nest.unrolled(axis)]
    return _tabled({loops: bases}, depth)


def _tabled(groups, depth):
    """Return jobs of {loops: bases of every channel}, no table longer than ``depth``."""
    return [Job(loops, tuple(zip(*bases[first:first + depth], strict=True)))
            for loops, bases in groups.items() for first in range(0, len(bases), depth)]


def _gathered(nests, depth):
    """Return the jobs of nests: those with the same loops share tables."""
    groups = {}
    for nest in nests:
        for job in _jobs(nest, depth):
            groups.setdefault(job.loops, []).extend(zip(*job.tables, strict=True))
    return sorted(_tabled(groups, depth), key=lambda job: -job.size)


def _families(nests):
    """Return lists of nests that differ in their bases alone, the largest family first."""
    families = {}
    for nest in nests:
        key = nest.counts, tuple((channel.strides, channel.inner) for channel in nest.channels)
        families.setdefault(key, []).append(nest)
    return sorted(families.values(), key=lambda family: -_size(family))


def _size(family):
    return len(family) * family[0].size


def _shared(family, slots):
    """Return up to ``slots`` lists of nests of nearly equal size that make a family."""
    parts = max(1, slots // len(family))
    nests = [part for nest in family for part in nest.split(parts)]
    return [nests[first:first + count]
            for first, count in split_evenly(len(nests), min(slots, len(nests)))]


def _allotted(sizes, slots):
    """Return how many slots each of some families gets, and the largest work of a slot."""
    counts = [1] * len(sizes)
    for _ in range(slots - len(sizes)):
        busiest = max(range(len(sizes)), key=lambda index: sizes[index] / counts[index])
        if sizes[busiest] < _SMALL * (counts[busiest] + 1):
            break
        counts[busiest] += 1
    return counts, max(size / count for size, count in zip(sizes, counts, strict=True))


def _grouped(sizes, slots):
    """Return (first, slots of each) of families that run at the same time, fewest cycles in all."""
    best = [(0, None, None)]
    for end in range(1, len(sizes) + 1):
        choices = []
        for first in range(max(0, end - slots), end):
            counts, work = _allotted(sizes[first:end], slots)
            choices.append((best[first][0] + _STEP_CYCLES + work, first, counts))
        best.append(min(choices))
    groups, end = [], len(sizes)
    while end:
        _, first, counts = best[end]
        groups.append((first, counts))
        end = first
    return groups[::-1]


def deal(nests, slots, depth):
    """Deal nests over circuits that run at the same time.

    Parameters
    ----------
    nests : list of Nest
        What is to be done; all have the same number of channels.
    slots : int
        Circuits of one step.
    depth : int
        Entries of a channel's table.

    Returns
    -------
    list of list of (int, Job)
        For each step the slots in use and their jobs.
    """
    families = _families([part for nest in nests for part in _limited(nest.merged())])
    steps = []
    for first, counts in _grouped([_size(family) for family in families], slots):
        shares = [share for family, count in zip(families[first:], counts, strict=False)
                  for share in _shared(family, count)]
        jobs = [_gathered(share, depth) for share in shares]
        steps += [[(slot, found[step]) for slot, found in enumerate(jobs) if step < len(found)]
                  for step in range(max(map(len, jobs)))]
    return steps
