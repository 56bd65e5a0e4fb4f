"""What the command draws: pictures in half-block characters, cards side by side, tables."""

import numpy as np
from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

__all__ = ["binary_units", "cards", "cards_in_a_row", "picture", "show", "table", "units"]

#: Character of a cell by (upper pixel inked, lower pixel inked).
_BLOCKS = {(False, False): " ", (True, False): "▀", (False, True): "▄", (True, True): "█"}

_GAP = "  "


def picture(image, columns=16):
    """Draw an image with two pixels a character, one above the other.

    Parameters
    ----------
    image : numpy.ndarray
        Square values, above 0 for ink; the side is a multiple of `columns`.
    columns : int
        Characters of a line, an even number; half as many lines.

    Returns
    -------
    list of str
        The lines, `columns` characters each.
    """
    side = len(image) // columns
    pixels = np.asarray(image).reshape(columns, side, columns, side).mean(axis=(1, 3)) > 0
    return ["".join(_BLOCKS[bool(upper), bool(lower)] for upper, lower in zip(*pair, strict=True))
            for pair in pixels.reshape(columns // 2, 2, columns)]


def cards_in_a_row(width, columns=16):
    """Return how many pictures of `columns` characters fit into `width`, at least 1."""
    return max(1, (width + len(_GAP)) // (columns + len(_GAP)))


def cards(pictures, captions, width):
    """Set pictures side by side, each with its caption below, in rows of at most `width`.

    Parameters
    ----------
    pictures : list of list of str
        Lines of each picture; all of one size.
    captions : list of str
        A line below each picture, not longer than the picture is wide.
    width : int
        Characters of a row.

    Returns
    -------
    list of str
        One text of several lines for each row of cards.
    """
    columns = len(pictures[0][0])
    in_a_row = cards_in_a_row(width, columns)
    rows = []
    for first in range(0, len(pictures), in_a_row):
        chosen = [[*lines, caption.center(columns)] for lines, caption in zip(
            pictures[first:first + in_a_row], captions[first:first + in_a_row], strict=True)]
        rows.append("\n".join(_GAP.join(parts).rstrip() for parts in zip(*chosen, strict=True)))
    return rows


def table(headers, rows, *, title=None, numbers=()):
    """Return a table for the terminal.

    Parameters
    ----------
    headers : sequence of str
        A name for each column.
    rows : iterable of sequence of str
        The cells.
    title : str or None
        A line above.
    numbers : collection of str
        Columns to align on the right.

    Returns
    -------
    rich.table.Table
        To be printed by a console.
    """
    result = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD,
                   pad_edge=False)
    for header in headers:
        result.add_column(header, justify="right" if header in numbers else "left")
    for row in rows:
        result.add_row(*map(str, row))
    return result


def show(*parts, file=None):
    """Print texts and tables whole, however narrow the terminal or the log is.

    Parameters
    ----------
    *parts : str or rich.table.Table
        What to print.
    file : file or None
        Where to (default: stdout).
    """
    console = Console(file=file, highlight=False, markup=False)
    width = console.width
    for part in parts:
        options = console.options.update(max_width=1000)
        console.width = max(width, Measurement.get(console, options, part).maximum)
        console.print(part)


def binary_units(value, unit):
    """Write a whole quantity with a binary prefix, as in ``"512 MiB"``."""
    for prefix, factor in (("Gi", 1 << 30), ("Mi", 1 << 20), ("Ki", 1 << 10)):
        if value >= factor:
            return f"{value / factor:g} {prefix}{unit}"
    return f"{value} {unit}"


def units(value, unit):
    """Write a quantity with the prefix that suits it, as in ``"6.4 GB/s"``.

    Parameters
    ----------
    value : float
        The quantity, at least 0.
    unit : str
        Its unit.

    Returns
    -------
    str
        Three significant digits, prefix and unit.
    """
    value = float(f"{value:.3g}")
    for prefix, factor in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if value >= factor:
            return f"{value / factor:.3g} {prefix}{unit}"
    return f"{value:.3g} {unit}"
