from dataclasses import replace

import pytest

from hdl.convolver.bank_map import first_bank, owner
from hdl.target import TARGETS, get_target

ALL = [*TARGETS.values(), *(
    replace(get_target("tiny"), macs=macs, banks=banks, kernel_rows=1)
    for macs, banks in ((1, 1), (3, 3), (9, 1), (20, 7), (16, 16), (128, 16)))]


@pytest.mark.parametrize("target", ALL, ids=lambda target: f"{target.macs}-{target.banks}")
def test_lanes_own_their_banks_alone(target):
    for lanes in range(1, target.banks + 1):
        owned = target.lane_banks(lanes)
        found = {}
        for lane in range(lanes):
            first = first_bank(target, lanes, lane)
            found |= {first + place: (lane, place) for place in range(owned)}
        assert len(found) == lanes * owned
        assert [owner(target, lanes, bank) for bank in range(target.banks)] == [
            found.get(bank) for bank in range(target.banks)]


def test_a_head_reads_one_bank_whatever_the_lanes():
    target = get_target("virtex6-lx240t")
    banks = {}
    for lanes in range(1, target.banks + 1):
        for lane in range(lanes):
            head = lane * target.lane_length(lanes)
            assert banks.setdefault(head, first_bank(target, lanes, lane)) == first_bank(
                target, lanes, lane)
    assert len(banks) == 40
