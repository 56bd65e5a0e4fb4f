import itertools

import pytest

from compiler.lower.assign import assign_maps
from compiler.lower.work import Work


def _work(maps, groups):
    return Work("layer", maps, groups, 1, (9, 9), (3, 3), (1, 1), (0, 0), (7, 7))


def _made(jobs):
    return [job.map_of(number, lane, group) for job in jobs for number, lane, group
            in itertools.product(range(job.passes), range(job.lanes), range(job.interleave))
            if job.map_of(number, lane, group) is not None]


@pytest.mark.parametrize("maps", [1, 2, 5, 7, 12, 33])
@pytest.mark.parametrize(("lanes", "interleave"), [(1, 1), (4, 1), (1, 3), (2, 5), (4, 4)])
@pytest.mark.parametrize("most_passes", [1, 3, 1000])
def test_every_map_is_made_once(maps, lanes, interleave, most_passes):
    jobs = assign_maps(_work(maps, 1), (2, maps), lanes, interleave, True, most_passes)
    assert sorted(_made(jobs)) == list(range(2, 2 + maps))
    assert sum(job.maps for job in jobs) == maps
    assert all(job.passes <= most_passes for job in jobs)


@pytest.mark.parametrize(("maps", "groups", "lanes", "interleave"), [
    (12, 12, 1, 5), (12, 4, 3, 4), (24, 3, 2, 4), (24, 3, 2, 1), (14, 7, 2, 3)])
def test_a_pass_reads_one_group_or_one_for_each_turn(maps, groups, lanes, interleave):
    work = _work(maps, groups)
    jobs = assign_maps(work, (0, groups), lanes, interleave, True, 5)
    assert sorted(_made(jobs)) == list(range(maps))
    for job in jobs:
        for number, turn in itertools.product(range(job.passes), range(job.interleave)):
            used = {job.map_of(number, lane, turn) // work.maps_per_group
                    for lane in range(job.lanes)}
            assert len(used) == 1


def test_maps_that_do_not_divide_are_refused():
    assert assign_maps(_work(9, 3), (0, 3), 2, 1, True, 9) == []
    assert assign_maps(_work(64, 1), (0, 64), 4, 5, True, 9) == []


def test_lanes_of_interleaved_groups_need_whole_rows():
    assert assign_maps(_work(12, 4), (0, 4), 3, 4, False, 9) == []
