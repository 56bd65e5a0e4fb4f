import time

import numpy as np
import pytest

from compiler.lower.predict import STEP_GAP, batch_cycles
from compiler.lower.search import plan_jobs
from compiler.lower.work import Work
from hdl.target import get_target

TARGET = get_target("virtex6-lx240t")

#: Maps made, input maps, rows, kernel, stride, padding, pooling, groups, times in the network.
VGG16 = (
    (64, 3, 224, 3, 1, 1, 1, 1, 1), (64, 64, 224, 3, 1, 1, 2, 1, 1),
    (128, 64, 112, 3, 1, 1, 1, 1, 1), (128, 128, 112, 3, 1, 1, 2, 1, 1),
    (256, 128, 56, 3, 1, 1, 1, 1, 1), (256, 256, 56, 3, 1, 1, 1, 1, 1),
    (256, 256, 56, 3, 1, 1, 2, 1, 1), (512, 256, 28, 3, 1, 1, 1, 1, 1),
    (512, 512, 28, 3, 1, 1, 1, 1, 1), (512, 512, 28, 3, 1, 1, 2, 1, 1),
    (512, 512, 14, 3, 1, 1, 1, 1, 2), (512, 512, 14, 3, 1, 1, 2, 1, 1))
ALEXNET = (
    (96, 3, 227, 11, 4, 0, 1, 1, 1), (256, 96, 27, 5, 1, 2, 1, 2, 1),
    (384, 256, 13, 3, 1, 1, 1, 1, 1), (384, 384, 13, 3, 1, 1, 1, 2, 1),
    (256, 384, 13, 3, 1, 1, 1, 2, 1))


def _plan(layer):
    """Return multiply-accumulates and predicted cycles of a layer."""
    maps, inputs, size, taps, stride, before, pool, groups, _ = layer
    made = (size + 2 * before - taps) // stride + 1
    weights = np.ones((maps, inputs // groups, taps, taps), np.int8)
    work = Work("layer", maps, groups, inputs // groups, (size, size), (taps, taps),
                (stride, stride), (before, before), (made // pool,) * 2, (pool,) * 2, (pool,) * 2)
    batches = plan_jobs(work, weights, TARGET)
    macs = weights.size * made * made
    assert sum(job.macs for jobs in batches for job in jobs) == macs
    return macs, sum(STEP_GAP + batch_cycles(jobs, TARGET) for jobs in batches)


@pytest.mark.parametrize(("network", "busy"), [(VGG16, 0.88), (ALEXNET, 0.72)],
                         ids=["vgg16", "alexnet"])
def test_networks_keep_the_multipliers_busy(network, busy):
    begun, macs, cycles = time.process_time(), 0, 0
    for layer in network:
        more, taken = _plan(layer)
        print(layer, taken, f"{more / taken / 600:.3f}")
        macs, cycles = macs + layer[-1] * more, cycles + layer[-1] * taken
    print(f"{macs / cycles / 600:.3f} of the multipliers busy")
    assert macs / cycles >= busy * len(TARGET.convolvers) * TARGET.macs
    assert time.process_time() - begun < 60
