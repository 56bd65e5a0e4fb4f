import numpy as np
import pytest

from compiler.lower import lower
from compiler.lower.circuit import loops
from compiler.lower.placement import partners, port_pairs
from compiler.lower.predict import Traffic, read_traffic
from hdl.target import TARGETS, get_target
from tests.random_layers import lenet5, one_convolution

TINY = get_target("tiny")

def test_reports_add_up():
    for step in lower(lenet5().graph, TINY).steps:
        parts = step["convolvers"]
        assert step["macs"] == sum(part["macs"] for part in parts)
        for part in parts:
            assert part["active_macs"] <= TINY.macs
            assert part["active_cycles"] <= part["chain_cycles"] < step["predicted_cycles"]
            assert part["active_cycles"] * part["active_macs"] == pytest.approx(part["macs"], 0.001)


def test_same_convolutions_keep_the_machine_busy():
    target = get_target("virtex6-lx240t")
    (step,) = lower(one_convolution((256, 28, 28), 66, (3, 3), padding=(1, 1, 1, 1)).graph,
                    target).steps
    assert step["macs"] / step["predicted_cycles"] > 0.9 * len(target.convolvers) * target.macs


def _addresses(registers, table):
    return [base + sum(index[3 - level] * registers["stride"][level] for level in range(4))
            for base in table for index in np.ndindex(*registers["count"][::-1])]


@pytest.mark.parametrize(("order", "table"), [
    ([(64, 1)], [0]), ([(3, 1), (3, 17), (5, 2), (4, 34)], [5, 300]), ([(9, 5)], [1, 2, 3]),
    ([(7, 1), (7, 7)], [0, 49, 98, 147])])
def test_traffic_counts_beats_and_bursts(order, table):
    registers = loops(*order)
    beats = [address // 4 for address in _addresses(registers, table)]
    changes = [b - a for a, b in zip(beats, beats[1:], strict=False) if a != b]
    traffic = read_traffic(registers, table, 9, TINY)
    # One entry of the table is looked at apart from the next.
    assert abs(traffic.beats - 1 - len(changes)) <= len(table)
    assert abs(traffic.bursts - 1 - sum(change != 1 for change in changes)) <= len(table)
    assert traffic.written == 9


def test_memory_bounds_a_step():
    assert Traffic(1000, 10, 0).cycles(TINY) == 1000
    assert Traffic(10, 1000, 0).cycles(TINY) > 1000
    assert Traffic(0, 0, 4000).cycles(TINY) == 1000


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_partners_are_neighbours_that_nobody_shares(target):
    pairs = partners(target)
    assert list(pairs) == list(target.convolvers)
    others = [other for other, _ in pairs.values()]
    assert len(set(others)) == len(others)
    assert not set(others) & set(target.convolvers)
    for tile, (other, direction) in {**pairs, **port_pairs(target)}.items():
        assert target.neighbour(tile, direction) == other
        assert target.port_of_tile(other) is not None


def test_both_drain_streams_carry_what_is_bound_by_draining():
    layer = one_convolution((1, 16, 16), 8, (3, 3), padding=(1, 1, 1, 1))
    (part,) = lower(layer.graph, TINY).steps[0]["convolvers"]
    assert (part["lanes"], part["drain_streams"]) == (2, 2)
    narrow = one_convolution((1, 16, 16), 8, (5, 5))
    (part,) = lower(narrow.graph, TINY).steps[0]["convolvers"]
    assert part["drain_streams"] == 1 or part["lanes"] > 1
