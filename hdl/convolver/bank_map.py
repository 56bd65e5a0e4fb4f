"""Which accumulator banks belong to which lane.

A lane's banks lie along the chain where the lane begins, whatever the count of lanes: the head of
a lane then mostly reads the same bank, and a bank is written from ends that lie close together.
"""

__all__ = ["first_bank", "owner"]


def first_bank(target, lanes, lane):
    """Return the first of the consecutive banks of a lane.

    Parameters
    ----------
    target : Target
        The machine.
    lanes : int
        Count of lanes.
    lane : int
        0 to ``lanes - 1``.
    """
    owned = target.lane_banks(lanes)
    start = 0
    for index in range(lane + 1):
        beside = -(-index * target.lane_length(lanes) * target.banks // target.macs)
        start = min(max(start + owned if index else 0, beside),
                    target.banks - (lanes - index) * owned)
    return start


def owner(target, lanes, bank):
    """Return the lane that a bank belongs to and the bank's place in it, or None."""
    for lane in range(lanes):
        place = bank - first_bank(target, lanes, lane)
        if 0 <= place < target.lane_banks(lanes):
            return lane, place
    return None
