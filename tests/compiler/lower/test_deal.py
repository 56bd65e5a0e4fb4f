import itertools

import numpy as np
import pytest

from compiler.lower import lower
from compiler.lower.assign import cut_maps, spread_maps
from compiler.lower.axis import split_evenly
from compiler.lower.blocks import alike_blocks, block_axis, block_grids
from compiler.lower.deal import Way, deal_batches
from compiler.lower.frames import Infeasible
from compiler.lower.job import walk_of
from compiler.lower.work import Work
from hdl.registers import PARAMETER_SLOTS
from hdl.target import get_target
from sim.reference import run
from tests.random_layers import one_convolution, pooled_convolution
from tests.run_functional import run_lowered

TINY, VIRTEX6 = get_target("tiny"), get_target("virtex6-lx240t")


@pytest.mark.parametrize("maps", [1, 5, 12, 33, 64, 96, 384])
@pytest.mark.parametrize(("lanes", "interleave"), [(1, 1), (4, 1), (11, 1), (1, 3), (4, 4)])
@pytest.mark.parametrize("parts", [1, 2, 3, 6])
def test_parts_make_every_map_once_in_equally_many_passes(maps, lanes, interleave, parts):
    cut = cut_maps(maps, lanes, interleave, parts)
    if cut is None:
        assert parts > 1 or maps % interleave or lanes * interleave > PARAMETER_SLOTS
        return
    passes, sizes = cut
    first, made = 0, []
    for size in sizes:
        blocks = 2 if all(item % (passes * interleave) == 0 for item in sizes) else 1
        part = spread_maps(first, size, lanes, interleave, passes, blocks)
        assert part.passes == passes * blocks
        assert part.maps == size * blocks
        assert max(part.drained, part.last) <= lanes
        for block in range(blocks):
            numbers = range(block * passes, (block + 1) * passes)
            maps_made = [part.map_of(*place) for place in itertools.product(
                numbers, range(lanes), range(interleave)) if part.map_of(*place) is not None]
            assert sorted(maps_made) == list(range(first, first + size))
        made.append(size)
        first += size
    assert len(made) == parts
    assert first == maps


def test_maps_that_need_no_more_passes_on_fewer_convolvers_are_not_cut_further():
    assert cut_maps(66, 11, 1, 6) == (1, [11] * 6)
    assert cut_maps(64, 11, 1, 4) is None
    assert cut_maps(512, 11, 1, 6) == (8, [80, 88, 88, 80, 88, 88])
    assert cut_maps(7, 2, 3, 1) is None


@pytest.mark.parametrize("size", [(40, 41), (224, 224), (7, 100)])
@pytest.mark.parametrize(("stride", "before", "window"), [(1, 1, 1), (2, 0, 1), (1, 1, 2),
                                                          (4, 2, 1)])
def test_alike_blocks_cover_the_outputs_and_read_the_same_frames(size, stride, before, window):
    outputs = tuple(((length + 2 * before - 3) // stride + 1) // window for length in size)
    work = Work("layer", 8, 1, 2, size, (3, 3), (stride, stride), (before, before), outputs,
                (window, window), (window, window))
    for grid in ((1, 1), (3, 4), (min(7, outputs[0]), 5)):
        alike = alike_blocks(work, (3, 3), grid)
        covered = np.zeros(outputs, int)
        for blocks in alike:
            frames = []
            for rows, columns in blocks:
                covered[rows[0]:rows[0] + rows[1], columns[0]:columns[0] + columns[1]] += 1
                axes = [block_axis(work, axis, place, 3)
                        for axis, place in enumerate((rows, columns))]
                frames.append([(axis.frame, axis.pad, axis.data, axis.count, axis.taps,
                                [(piece.lead, piece.extent, piece.first) for piece in axis.pieces])
                               for axis in axes])
            assert all(frame == frames[0] for frame in frames)
        assert (covered == 1).all()


def test_grids_fit_and_wide_maps_are_cut_into_columns_too():
    work = Work("layer", 64, 1, 64, (224, 224), (3, 3), (1, 1), (1, 1), (224, 224))
    grids = block_grids(work, (3, 3), 1000, 1024, VIRTEX6, [])
    for down, across in grids:
        rows, columns = (max(count for _, count in split_evenly(224, parts))
                         for parts in (down, across))
        assert rows * columns <= 1024
    assert (7, 7) in grids


def _jobs(work, way, target):
    for batches in deal_batches(work, way, target):
        assert all(len(batch) <= len(target.convolvers) for batch in batches)
        yield [job for batch in batches for job in batch]


@pytest.mark.parametrize(("maps", "groups", "interleave", "across"), [
    (12, 1, 1, 4), (64, 1, 1, 4), (24, 2, 1, 4), (24, 1, 3, 4), (60, 30, 2, 1), (13, 1, 2, 4)])
def test_every_deal_makes_every_output_once(maps, groups, interleave, across):
    work = Work("layer", maps, groups, 2, (30, 40), (3, 3), (1, 1), (1, 1), (30, 40))
    deals = list(_jobs(work, Way(2, (3, 3), interleave, (3, across)), VIRTEX6))
    assert deals
    for jobs in deals:
        made = np.zeros((maps, 30, 40), int)
        for job in jobs:
            part = job.assignment
            corners = [divmod(corner, 40) for corner in job.corners]
            for place in itertools.product(range(part.passes), range(part.lanes),
                                           range(part.interleave)):
                number = part.map_of(*place)
                if number is not None:
                    row, column = corners[place[0] // part.block_passes]
                    made[number, row:row + job.rows[1], column:column + job.columns[1]] += 1
        assert (made == 1).all()


def test_a_walk_visits_block_after_block():
    work = Work("layer", 22, 1, 3, (60, 60), (3, 3), (1, 1), (1, 1), (60, 60))
    way = Way(11, (3, 3), 1, (5, 5))
    several = next(job for jobs in _jobs(work, way, VIRTEX6) for job in jobs
                   if job.assignment.blocks > 1)
    walk = walk_of(several, VIRTEX6)
    bases = np.array(walk.table * walk.repeat)
    for count, stride in reversed(walk.inner):
        bases = (bases[:, None] + np.arange(count) * stride).ravel()
    start = several.frames.y.pieces[0].start * 60 + several.frames.x.pieces[0].start
    assert bases.tolist() == [start + origin + source * 3600 for origin in several.origins
                              for _ in range(several.assignment.block_passes)
                              for source in range(3)]


def test_runs_that_exceed_the_table_are_cut():
    work = Work("layer", 8, 1, 2, (100, 300), (1, 1), (1, 1), (0, 0), (100, 300))
    for jobs in _jobs(work, Way(4, (1, 1), 1, (50, 20)), TINY):
        assert sum(job.assignment.blocks for job in jobs) == 1000
        assert all(len(walk_of(job, TINY).table) <= TINY.table_depth for job in jobs)


def test_weights_beyond_a_channel_are_refused():
    work = Work("layer", 16, 1, 50000, (13, 13), (5, 5), (1, 1), (2, 2), (13, 13))
    with pytest.raises(Infeasible, match=r"^20000064 weights of one pass exceed a weight channel"):
        list(deal_batches(work, Way(4, (5, 5), 4, (1, 1)), VIRTEX6))


def test_passes_that_exceed_one_weight_stream_take_several_steps():
    work = Work("layer", 64, 1, 12000, (13, 13), (5, 5), (1, 1), (2, 2), (13, 13))
    for jobs in _jobs(work, Way(4, (5, 5), 1, (1, 1)), VIRTEX6):
        assert sum(job.assignment.maps for job in jobs) == 64
        assert all(job.assignment.passes * job.pass_weights < 1 << 24 for job in jobs)


@pytest.mark.parametrize("layer", [
    one_convolution((3, 50, 70), 24, (3, 3), (1, 1), (1, 1, 1, 1)),
    one_convolution((2, 70, 70), 25, (11, 11), (4, 4)),
    one_convolution((4, 40, 90), 46, (5, 5), (1, 1), (2, 2, 2, 2), 2),
    one_convolution((6, 13, 13), 66, (3, 3), (1, 1), (1, 1, 1, 1), 3),
    pooled_convolution((4, 96, 120), 23, (3, 3), (1, 1, 1, 1), (2, 2)),
    pooled_convolution((2, 100, 64), 8, (3, 3), (1, 1, 1, 1), (2, 2)),
], ids=str)
@pytest.mark.parametrize("target", [TINY, VIRTEX6], ids=lambda target: target.name)
def test_blocks_groups_and_parts_equal_the_reference(layer, target):
    lowered = lower(layer.graph, target)
    got = run_lowered(lowered, layer.graph, layer.inputs, target)
    wanted = run(layer.graph, layer.inputs)
    for name in layer.graph.outputs:
        np.testing.assert_array_equal(got[name], wanted[name])
