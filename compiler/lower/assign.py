"""Which output map each pass, lane and interleaved group makes."""

from dataclasses import dataclass

from hdl.registers import PARAMETER_SLOTS

from .axis import split_evenly

__all__ = ["Assignment", "assign_maps", "cut_maps", "spread_maps"]


@dataclass(frozen=True)
class Assignment:
    """Output maps of one convolver: pass p, lane l, group j make one map of one block each.

    Parameters
    ----------
    first : int
        Map of pass 0, lane 0, group 0.
    lanes, interleave, passes : int
        Lanes the chain is cut into, groups that take turns, passes over all blocks.
    drained, last : int
        Lanes that make maps, in all passes and in the last one.
    steps : tuple of int
        Maps from pass to pass, from lane to lane, from group to group.
    blocks : int
        Blocks of which the same maps are made, one block after the other; all passes drain as
        many lanes if there are several.
    """

    first: int
    lanes: int
    interleave: int
    passes: int
    drained: int
    last: int
    steps: tuple[int, int, int]
    blocks: int = 1

    @property
    def block_passes(self):
        """Passes over one block."""
        return self.passes // self.blocks

    def used(self, number):
        """Return how many lanes make maps in a pass."""
        return self.last if number == self.passes - 1 else self.drained

    def map_of(self, number, lane, group):
        """Return the output map, or None for a lane that makes none."""
        if lane >= self.used(number):
            return None
        by_pass, by_lane, by_group = self.steps
        return (self.first + number % self.block_passes * by_pass + lane * by_lane
                + group * by_group)

    @property
    def halves(self):
        """Lanes that each of two drain streams takes in a pass, and in the last pass."""
        lanes = self.used(0)
        first = lanes - lanes // 2
        last = min(first, self.last)
        return (first, lanes - first), (last, self.last - last)

    @property
    def maps(self):
        """Number of maps made, those of each block counted."""
        return self.interleave * ((self.passes - 1) * self.drained + self.last)


def assign_maps(work, part, lanes, interleave, whole_rows, most_passes):
    """Return the assignments that make one part of a layer's maps.

    Parameters
    ----------
    work : Work
        The layer.
    part : tuple of int
        First group and number of groups; first map and number of maps when there is one group.
    lanes, interleave : int
        As asked for; what is left over when the maps do not divide takes fewer groups.
    whole_rows : bool
        Whether blocks are as wide as the maps.
    most_passes : int
        Passes of one step.

    Returns
    -------
    list of Assignment
        Empty if the maps do not fit these lanes.
    """
    if lanes * interleave > PARAMETER_SLOTS:
        return []
    if work.groups == 1:
        return _ordinary(*part, lanes, interleave, most_passes)
    per_group = work.maps_per_group
    if interleave > 1 and lanes == per_group and (per_group == 1 or whole_rows):
        return _across_groups(*part, per_group, interleave, most_passes)
    if per_group % (lanes * interleave):
        return []
    first, maps = part[0] * per_group, part[1] * per_group
    return _ordinary(first, maps, lanes, interleave, most_passes)


def _ordinary(first, maps, lanes, interleave, most_passes):
    """Count maps through the groups of a lane, then lanes, then passes."""
    jobs = []
    step = lanes * interleave
    while maps >= interleave:
        slots = min(maps // interleave, lanes * most_passes)
        passes = -(-slots // lanes)
        jobs.append(Assignment(first, lanes, interleave, passes, lanes,
                               slots - (passes - 1) * lanes, (step, interleave, 1)))
        first, maps = first + slots * interleave, maps - slots * interleave
    if maps:
        jobs.append(Assignment(first, lanes, maps, 1, lanes, 1, (step, maps, 1)))
    return jobs


def _across_groups(first, groups, per_group, interleave, most_passes):
    """Interleave groups of the convolution; lanes make the maps of each."""
    jobs = []
    while groups:
        turns = min(interleave, groups)
        passes = min(groups // turns, most_passes)
        jobs.append(Assignment(first * per_group, per_group, turns, passes, per_group, per_group,
                               (turns * per_group, 1, per_group)))
        first, groups = first + turns * passes, groups - turns * passes
    return jobs


def cut_maps(maps, lanes, interleave, parts):
    """Divide maps over convolvers that make equally many passes.

    Parameters
    ----------
    maps, lanes, interleave : int
        Maps to make, lanes of a chain and groups that take turns.
    parts : int
        Convolvers.

    Returns
    -------
    int
        Passes of each.
    list of int
        Maps of each, a multiple of ``interleave``; where possible a multiple of the passes too.
    None
        If fewer convolvers would need no more passes, or the maps do not divide.
    """
    if lanes * interleave > PARAMETER_SLOTS or maps % interleave:
        return None
    slots = maps // interleave
    passes = -(-slots // (lanes * parts))
    if -(-slots // (lanes * passes)) < parts:
        return None
    unit = passes if slots % passes == 0 else 1
    sizes = [count * unit for _, count in split_evenly(slots // unit, parts)]
    if min(sizes) < passes or any(
            _lanes_used(size, lanes, passes)[1] > lanes for size in sizes):
        return None
    return passes, [size * interleave for size in sizes]


def spread_maps(first, maps, lanes, interleave, passes, blocks):
    """Return the `Assignment` that makes consecutive maps in so many passes over each block."""
    slots = maps // interleave
    drained, last = ((slots // passes,) * 2 if blocks > 1 else
                     _lanes_used(slots, lanes, passes))
    return Assignment(first, lanes, interleave, passes * blocks, drained, last,
                      (drained * interleave, interleave, 1), blocks)


def _lanes_used(slots, lanes, passes):
    """Return how many lanes make maps in a pass, and in the last pass.

    Nothing hides the draining of the last pass: it gets what is left over.
    """
    if passes == 1:
        return slots, slots
    drained = min(lanes, (slots - 1) // (passes - 1))
    return drained, slots - (passes - 1) * drained
