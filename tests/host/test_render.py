import io

import numpy as np
import pytest
from rich.console import Console

from host import render


def test_picture_has_two_pixels_a_character():
    image = np.array([[1, 1, -1, -1], [-1, 1, -1, 1], [1, -1, 1, 1], [-1, -1, 1, 1]])
    assert render.picture(image, columns=4) == ["▀█ ▄", "▀ ██"]


def test_picture_averages_larger_images():
    image = np.kron(np.array([[1, -1], [-1, -1]]), np.ones((16, 16)))
    assert render.picture(image, columns=4) == ["██  ", "    "]


def test_cards_fill_the_width():
    pictures = [["ab", "cd"]] * 5
    rows = render.cards(pictures, list("12345"), width=10)
    assert rows == ["ab  ab  ab\ncd  cd  cd\n1   2   3", "ab  ab\ncd  cd\n4   5"]


def test_a_card_wider_than_the_terminal_stands_alone():
    assert render.cards([["abcd"]] * 2, ["1", "2"], width=3) == ["abcd\n 1", "abcd\n 2"]


def test_table_prints_plainly():
    file = io.StringIO()
    Console(file=file, width=40).print(
        render.table(["layer", "cycles"], [["conv1", 7], ["pool", 1234]], numbers=["cycles"]))
    lines = [line.rstrip() for line in file.getvalue().splitlines() if line.strip()]
    assert lines[0].split() == ["layer", "cycles"]
    assert lines[-1].split() == ["pool", "1234"]
    assert lines[-1].index("1234") == lines[0].index("cycles") + 2


@pytest.mark.parametrize(("value", "text"), [
    (6.4e9, "6.4 GHz"), (100e6, "100 MHz"), (1500, "1.5 kHz"), (2, "2 Hz"), (999.6e6, "1 GHz"),
])
def test_units(value, text):
    assert render.units(value, "Hz") == text


def test_binary_units():
    assert render.binary_units(1 << 29, "B") == "512 MiB"
    assert render.binary_units(3 << 9, "B") == "1.5 KiB"
    assert render.binary_units(100, "B") == "100 B"


def test_tables_and_texts_are_never_cut(monkeypatch):
    monkeypatch.setenv("COLUMNS", "20")
    file = io.StringIO()
    text = "a text [bold] that is longer than the terminal is wide"
    render.show(text, render.table([f"column{index}" for index in range(9)], [range(9)]), file=file)
    assert text in file.getvalue()
    assert "column8" in file.getvalue()
