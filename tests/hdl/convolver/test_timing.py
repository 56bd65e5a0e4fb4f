"""How many cycles the convolver takes: nothing but the samples themselves, once it runs."""

import numpy as np
import pytest

from hdl.target import get_target

from .golden import Step
from .harness import Bench

pytestmark = pytest.mark.rtl
TARGET = get_target("tiny")


def run(step, **options):
    with Bench(TARGET) as bench:
        result = bench.run(step, **options)
    result.check(step)
    return result


def same(rows, columns, width, height, lanes, **more):
    """Return a step with "same" padding and all outputs stored."""
    size = (width, height)
    return Step(TARGET, np.random.default_rng(4), rows, columns, (rows - 1) // 2,
                (columns - 1) // 2, size, size, size, lanes=lanes, **more)


@pytest.mark.parametrize(("rows", "columns", "lanes"), [(5, 5, 1), (3, 4, 2), (2, 3, 4),
                                                        (1, 25, 1)])
def test_same_convolution_takes_one_cycle_a_sample(rows, columns, lanes):
    width, height = (30, 20) if lanes == 1 else (16, 15)
    cycles = {}
    for maps in (1, 2, 5):
        counts = run(same(rows, columns, width, height, lanes, entries=maps)).counts
        assert counts.active == maps * width * height
        # Not one cycle between the first and the last output at the heads is lost.
        assert counts.last_active - counts.first_active + 1 == counts.active
        cycles[maps] = counts.cycles
    assert cycles[2] - cycles[1] == width * height
    assert cycles[5] - cycles[2] == 3 * width * height


def test_fixed_latency_is_as_documented():
    step = same(5, 5, 30, 20, 1)
    result = run(step)
    # From the head's last output (`active` is a register behind it) to its sum in the bank, then
    # through the drain stream.
    length, outputs = TARGET.lane_length(1), 600
    assert result.sinks[0].first - (result.counts.last_active - 1) == length + 7 + 16
    assert result.sinks[0].last - result.sinks[0].first == outputs - 1


def test_weights_of_next_passes_load_without_stall():
    # A pass of 3 entries takes 3 * 144 cycles, its weights and parameters 3 * 24 + 4 * 4.
    step = same(2, 3, 12, 12, 4, passes=6, entries=3, drain_first=(0, 2), drain_lanes=(2, 2))
    counts = run(step).counts
    assert counts.stall_weights <= 24 + 16 + 12  # the first context, before the first output
    assert counts.last_stall_weights < counts.first_active
    assert counts.last_active - counts.first_active + 1 == counts.active == 18 * 144
    assert counts.stall_input == counts.stall_output == 0


def test_draining_overlaps_computing():
    # Draining 2 lanes takes two thirds of the time of a pass.
    step = same(3, 3, 16, 16, 2, passes=8, entries=3)
    counts = run(step).counts
    assert counts.stall_output == 0
    assert counts.last_active - counts.first_active + 1 == 8 * 3 * 256
    assert counts.cycles < 100 + 8 * 3 * 256 + 2 * 256 + 100


@pytest.mark.parametrize(("lanes", "split"), [(1, False), (2, True)])
def test_draining_gives_a_sample_a_cycle_on_each_stream(lanes, split):
    # One entry a pass: computing and draining take the same time.
    first, count = ((0, 1), (1, 1)) if split else ((0, 0), (lanes, 0))
    step = same(3, 3, 16, 16, lanes, passes=8, drain_first=first, drain_lanes=count)
    result = run(step)
    for sink in result.sinks[:1 + split]:
        assert sink.count == 8 * 256
        assert sink.last - sink.first <= 8 * 256 + 8 * 8


def test_waits_for_a_half_that_is_not_drained():
    step = same(3, 3, 16, 16, 2, passes=6)
    counts = run(step, stalls=(0, 0, 0, 200, 0)).counts
    assert counts.stall_output > 1000
    assert counts.stall_input == 0


def test_waits_for_samples_and_weights():
    step = same(3, 3, 16, 16, 2, passes=3, entries=2)
    assert run(step, stalls=(128, 0, 0, 0, 0)).counts.stall_input > 500
    assert run(step, stalls=(0, 0, 250, 0, 0)).counts.stall_weights > 500


def test_reports_saturation():
    clipped = same(3, 3, 8, 8, 2, shifts=(0, 1))
    counts = run(clipped).counts
    words = clipped.outputs()[0]
    assert set(words) <= {-32768, 32767} and len(set(words)) == 2
    assert counts.saturated == len(words)

    fits = same(3, 3, 8, 8, 2, shifts=(25, 30))
    fits.biases[...] = 0
    assert run(fits).counts.saturated == 0
