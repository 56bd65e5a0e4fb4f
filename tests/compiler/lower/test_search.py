import time

import numpy as np
import pytest

from compiler.lower.predict import STEP_GAP, batch_cycles
from compiler.lower.search import plan_jobs
from compiler.lower.work import Work
from hdl.target import get_target
from host.conv_layers import NETWORKS, ConvLayer

TARGET = get_target("virtex6-lx240t")


def _plan(layer):
    """Return the batches of a layer and their predicted cycles."""
    window, step = layer.pool or (1, 1)
    inputs = layer.inputs // layer.groups
    work = Work("layer", layer.maps, layer.groups, inputs, (layer.size,) * 2, (layer.kernel,) * 2,
                (layer.stride,) * 2, (layer.padding,) * 2,
                ((layer.outputs - window) // step + 1,) * 2, (window,) * 2, (step,) * 2)
    weights = np.ones((layer.maps, inputs, layer.kernel, layer.kernel), np.int8)
    batches = plan_jobs(work, weights, TARGET)
    return batches, sum(STEP_GAP + batch_cycles(jobs, TARGET) for jobs in batches)


@pytest.mark.parametrize(("network", "busy"), [("vgg16", 0.89), ("alexnet", 0.86)])
def test_networks_keep_the_multipliers_busy(network, busy):
    begun, macs, cycles = time.process_time(), 0, 0
    for layer in NETWORKS[network]:
        batches, taken = _plan(layer)
        print(layer.name, taken, f"{layer.macs / taken / 600:.3f}")
        # Outputs that two blocks' windows need are made in both.
        assert sum(job.macs for jobs in batches for job in jobs) >= layer.macs
        macs, cycles = macs + layer.times * layer.macs, cycles + layer.times * taken
    print(f"{macs / cycles / 600:.3f} of the multipliers busy")
    assert macs / cycles >= busy * len(TARGET.convolvers) * TARGET.macs
    assert time.process_time() - begun < 60


def test_wide_maps_are_cut_into_rows_and_columns():
    batches, _ = _plan(ConvLayer("wide", 64, 224, 64))
    for job in (job for jobs in batches for job in jobs):
        rows, columns = job.computed
        assert max(rows, columns) <= 2 * min(rows, columns)


@pytest.mark.parametrize("maps", [128, 192])
def test_parts_of_a_group_s_maps_keep_all_convolvers_busy(maps):
    batches, _ = _plan(ConvLayer("grouped", 96, 13, 2 * maps, groups=2))
    assert [len(jobs) for jobs in batches] == [6]
    for job in batches[0]:
        assert (job.assignment.lanes, job.computed) == (11, (13, 13))


def test_phases_are_read_once_for_several_convolvers():
    batches, _ = _plan(NETWORKS["alexnet"][0])
    for jobs in batches:
        assert sum(job.read_streams for job in jobs) <= len(jobs) / 3


def test_layers_that_are_alike_are_planned_once():
    first, second, other = (
        Work(layer, maps, 1, 4, (9, 9), (3, 3), (1, 1), (1, 1), (9, 9))
        for layer, maps in (("one", 8), ("two", 8), ("two", 9)))
    target = get_target("tiny")
    batches = plan_jobs(first, np.ones((8, 4, 3, 3)), target)
    assert plan_jobs(second, np.ones((8, 4, 3, 3)), target) is batches
    assert plan_jobs(other, np.ones((9, 4, 3, 3)), target) is not batches
