"""Predicted cycles against the RTL's."""

import pytest

from hdl.target import get_target
from tests.prediction import measure_layers, measure_networks, share_within

pytestmark = pytest.mark.rtl

#: Networks of which each takes a second on the RTL of `tiny`.
SMALL = ("lenet5", "temporal", "binding")


def _check(steps, runs):
    """Every step and every run is predicted within 5 %."""
    worst = sorted([*steps, *runs], key=lambda item: -abs(item.error))
    for item in worst[:5]:
        print(f"{item.error:+.1%} {item.cycles} {item.predicted} {item.network}, {item.name}")
    assert abs(worst[0].error) <= 0.05, worst[0]


def test_random_layers_take_as_long_as_predicted():
    steps, runs = measure_layers(get_target("tiny"), range(500, 560))
    _check(steps, runs)
    assert share_within(steps, 0.01) >= 0.9


def test_small_networks_take_as_long_as_predicted():
    steps, runs = measure_networks(get_target("tiny"), SMALL)
    assert len(steps) > 10
    _check(steps, runs)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tiny", "virtex6-lx240t"])
def test_networks_take_as_long_as_predicted(name):
    steps, runs = measure_networks(get_target(name))
    assert len(runs) >= 10 and len(steps) > 300
    _check(steps, runs)
