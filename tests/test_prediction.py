"""Predicted cycles against the RTL's."""

import pytest

from hdl.target import get_target
from tests.prediction import measure_layers, measure_networks, share_within

pytestmark = pytest.mark.rtl

#: Networks of which each takes a second on the RTL of `tiny`.
SMALL = ("lenet5", "temporal", "binding")


def _worst(predictions):
    """Return the worst of them, and print some."""
    worst = sorted(predictions, key=lambda item: -abs(item.error))
    for item in worst[:5]:
        print(f"{item.error:+.1%} {item.cycles} {item.predicted} {item.network}, {item.name}")
    return worst[0]


def test_random_layers_take_as_long_as_predicted():
    steps, runs = measure_layers(get_target("tiny"), range(500, 560))
    assert abs(_worst([*steps, *runs]).error) <= 0.05
    assert share_within(steps, 0.01) >= 0.9


def test_small_networks_take_as_long_as_predicted():
    steps, runs = measure_networks(get_target("tiny"), SMALL)
    assert len(steps) > 10
    assert abs(_worst([*steps, *runs]).error) <= 0.05


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tiny", "virtex6-lx240t"])
def test_networks_take_as_long_as_predicted(name):
    steps, runs = measure_networks(get_target(name))
    assert len(runs) >= 10 and len(steps) > 300
    assert abs(_worst(runs).error) <= 0.05
    # Where readers are urgent in every other cycle, a cycle more or less decides whether a write
    # burst goes at once or a hundred cycles later.
    assert abs(_worst(steps).error) <= 0.10
    assert share_within(steps, 0.05) >= 0.99
    assert share_within(steps, 0.01) >= 0.90
