from random import Random

import pytest

from hdl.boards.board import BoardError
from hdl.boards.pll import dividers


def check(source, wanted):
    found = dividers(source, wanted)
    phase = source / found.reference
    oscillator = phase * found.feedback * found.loop
    assert all(1 <= value <= 128 for value in
               (found.reference, found.feedback, found.loop, found.output))
    # The loop is closed over output P: what it divides to is what the phase detector sees.
    assert oscillator / found.loop / found.feedback == phase >= 3_125_000
    assert 400e6 <= oscillator <= 800e6
    assert found.oscillator(source) == oscillator
    assert oscillator / found.output == wanted


@pytest.mark.parametrize("source", [12_000_000, 25_000_000, 100_000_000])
@pytest.mark.parametrize("wanted", [25_000_000, 48_000_000, 50_000_000, 60_000_000, 100_000_000])
def test_clocks_of_the_boards(source, wanted):
    check(source, wanted)


def test_random_clocks_are_exact_or_refused():
    rng = Random(1)
    made = 0
    for _ in range(60):
        source, wanted = 1_000_000 * rng.randint(10, 200), 1_000_000 * rng.randint(10, 150)
        try:
            check(source, wanted)
            made += 1
        except BoardError as error:
            assert str(error) == f"no setting of the PLL makes {wanted:,} Hz of {source:,} Hz"
    assert made > 30


@pytest.mark.parametrize("wanted", [1_000_000, 900_000_000, 49_999_999])
def test_clock_that_cannot_be(wanted):
    with pytest.raises(BoardError, match="no setting of the PLL"):
        dividers(25_000_000, wanted)
