import re

import pytest

from hdl.link.parameters import Link


@pytest.mark.parametrize("clock_hz, baud, divisor", [
    (50_000_000, 115_200, 434), (50_000_000, 3_000_000, 17), (48_000_000, 12_000_000, 4),
    (12_000_000, 9600, 1250)])
def test_nearest_divisor(clock_hz, baud, divisor):
    assert Link.at(baud, clock_hz) == Link(divisor)


@pytest.mark.parametrize("clock_hz, baud, says", [
    (50_000_000, 20_000_000, "gives no line of 20,000,000 baud; the nearest is 12,500,000, "),
    (50_000_000, 11_000_000, "the nearest is 10,000,000"),
    (50_000_000, 0, "baud rate must be positive, not 0")])
def test_impossible_rates(clock_hz, baud, says):
    with pytest.raises(ValueError, match=re.escape(says)):
        Link.at(baud, clock_hz)


@pytest.mark.parametrize("fields, says", [
    ({"divisor": 3}, "divisor must be at least 4 cycles a bit, not 3"),
    ({"divisor": 4, "patience": 0}, "patience must be at least 1 cycle, not 0")])
def test_impossible_numbers(fields, says):
    with pytest.raises(ValueError, match=says):
        Link(**fields)
