import numpy as np
import pytest

from compiler.lower.timing import state
from compiler.lower.timing.addresses import next_place


def _walk(count, stride, *, entries=0, lanes=4, span=64, origin=0):
    walk = np.zeros(1, state.WALK)
    walk["count"], walk["stride"] = count, stride
    walk["index"] = np.array(count) - 1
    walk["origin"], walk["entries"] = origin, entries
    walk["lanes"], walk["page"], walk["span"], walk["limit"] = lanes, 2048 // lanes, span, 15
    return walk[0]


def _places(walk, samples, table=(0,)):
    """Return the samples that begin a beat, and the beats of the bursts that end."""
    starts, bursts, table = [], [], np.array(table, np.int64)
    for sample in range(samples):
        next_place(walk, table)
        if walk["advance"]:
            starts.append(sample)
        if walk["closed"]:
            bursts.append(int(walk["closed"]))
    return starts, [*bursts, int(walk["length"]) + 1]


def test_bursts_grow_until_they_cover_the_span():
    starts, bursts = _places(_walk((400, 1, 1, 1), (1, 0, 0, 0)), 400)
    assert starts == list(range(0, 400, 4))
    assert bursts == [4, 8, 16, 16, 16, 16, 16, 8]


def test_writes_have_the_longest_bursts_at_once():
    _, bursts = _places(_walk((400, 1, 1, 1), (1, 0, 0, 0), span=0), 400)
    assert bursts == [16] * 6 + [4]


def test_no_burst_leaves_its_page():
    _, bursts = _places(_walk((100, 1, 1, 1), (1, 0, 0, 0), span=0, origin=2048 - 20), 100)
    assert bursts == [5, 16, 4]


@pytest.mark.parametrize(("stride", "beats"), [(0, 2), (1, 8), (2, 15), (4, 30), (8, 30)])
def test_samples_of_a_beat_share_it(stride, beats):
    starts, bursts = _places(_walk((30, 1, 1, 1), (stride, 0, 0, 0), span=0), 30)
    assert len(starts) == sum(bursts) == (beats if stride else 1)
    assert len(bursts) == (30 if stride == 8 else -(-len(starts) // 16))


def test_loops_and_table_give_every_address_in_order():
    count, stride, table = (3, 2, 2, 1), (8, 100, 1000, 0), (16, 5000)
    walk = _walk(count, stride, entries=2)
    wanted = [base + a * 8 + b * 100 + c * 1000
              for base in table for c in range(2) for b in range(2) for a in range(3)]
    for address in wanted * 2:
        next_place(walk, np.array(table, np.int64))
        assert walk["beat"] == address // 4
