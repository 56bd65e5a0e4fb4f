import pytest

from compiler.lower import lower
from compiler.lower.timing import steps as timing
from compiler.lower.timing.runs import run_cycles, step_starts
from hdl.target import TARGETS, get_target
from tests.random_layers import lenet5, one_convolution, random_layer

TINY = get_target("tiny")

#: Cycles from commit to end of LeNet-5's steps on the RTL of `tiny`.
MEASURED = (7343, 13090, 30688, 1315)


def _predicted(layer, target=TINY, **options):
    return [step["predicted_cycles"] for step in lower(layer.graph, target, **options).steps]


def test_lenet5_is_predicted_within_half_a_percent():
    assert _predicted(lenet5()) == pytest.approx(MEASURED, rel=0.005)


@pytest.mark.parametrize("layer", [
    one_convolution((40, 12, 12), 30, (3, 3), padding=(1, 1, 1, 1)),
    one_convolution((900, 6, 6), 3, (3, 3)),
    one_convolution((1, 20, 20), 130, (3, 3)),
    one_convolution((2, 30, 30), 8, (11, 11)),
], ids=("passes", "entries", "drains", "kinds"))
def test_a_part_of_a_step_tells_what_all_of_it_takes(layer, monkeypatch):
    part = _predicted(layer)
    monkeypatch.setattr(timing, "_WHOLE", 1 << 40)
    whole = _predicted(layer)
    assert max(whole) > 24_000
    assert part == pytest.approx(whole, rel=0.015)


def test_a_part_of_the_samples_tells_what_all_of_them_take(monkeypatch):
    layers = [random_layer(seed, most_size=60, most_maps=20) for seed in range(200)]
    layers = [layer for layer in layers if layer.shape in ("lookup", "add", "pool")]
    monkeypatch.setattr(timing, "_WHOLE_SAMPLES", 1 << 40)
    whole = {layer.seed: _predicted(layer) for layer in layers}
    monkeypatch.undo()
    compared = 0
    for layer in layers:
        if max(whole[layer.seed]) > 10_000:
            compared += 1
            assert _predicted(layer) == pytest.approx(whole[layer.seed], rel=0.03), str(layer)
    assert compared >= 3


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_every_step_ends_on_every_target(target):
    for seed in range(40):
        layer = random_layer(seed)
        steps = lower(layer.graph, target).steps
        assert all(step["predicted_cycles"] > 2 * target.memory.latency for step in steps)
        assert steps[-1]["control_cycles"] >= 0


def test_without_a_log_control_is_ready_earlier():
    plain, logged = (lower(lenet5().graph, TINY, log=log).steps for log in (False, True))
    assert plain[-1]["control_cycles"] == 0 < logged[-1]["control_cycles"]
    for one, other in zip(plain, logged, strict=True):
        assert one["control_cycles"] <= other["control_cycles"]


def test_a_model_that_does_not_end_leaves_the_plan(monkeypatch):
    monkeypatch.setattr(timing, "_LIMIT", 10)
    assert max(_predicted(lenet5())) == pytest.approx(max(MEASURED), rel=0.02)


def test_steps_follow_each_other():
    steps = [{"predicted_cycles": cycles, "load_cycles": 50, "control_cycles": control}
             for cycles, control in ((1000, 200), (100, 500), (300, 0))]
    first, second, third, end = step_starts(steps)
    assert second - first == end - third + 700
    assert third - second == 500
    assert run_cycles(steps, TINY) - run_cycles(steps, TINY, log_words=0) > 16 * 6
    assert run_cycles(steps, TINY, log_words=0) > end
