"""Predicted cycles against the RTL's, for random layers on `tiny`."""

import pytest

from compiler.lower.predict import run_cycles
from hdl.target import get_target
from tests.prediction import measure, share_within

pytestmark = pytest.mark.rtl


def test_random_layers_take_as_long_as_predicted():
    steps, runs = measure(get_target("tiny"), range(500, 560))
    for step in sorted(steps, key=lambda step: -abs(step.error))[:5]:
        print(f"{step.error:+.1%} {step.cycles} {step.predicted} {step.name}")
    convolutions = [step for step in steps if step.convolvers]
    assert share_within(convolutions, 0.05) >= 0.75
    assert share_within(steps, 0.05) >= 0.75
    assert share_within(steps, 0.10) >= 0.9
    assert share_within(runs, 0.05) >= 0.9


def test_a_step_shorter_than_its_successors_packets_is_waited_for():
    short = {"predicted_cycles": 300, "load_cycles": 100}
    long = {"predicted_cycles": 300, "load_cycles": 5000}
    assert run_cycles([short, long], 13) - run_cycles([short, short], 13) > 4500
    assert run_cycles([long, short], 13) - run_cycles([short, short], 13) == 4900
