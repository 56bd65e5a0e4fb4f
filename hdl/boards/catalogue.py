"""All boards by name."""

from .ecp5 import ECP5_BOARDS
from .ml605 import ML605_BOARDS

__all__ = ["BOARDS", "get_board"]

#: Every board by name.
BOARDS = {board.name: board for board in ECP5_BOARDS + ML605_BOARDS}


def get_board(name):
    """Return the board called ``name``.

    Raises
    ------
    ValueError
        If there is none; the message lists those that exist.
    """
    try:
        return BOARDS[name]
    except KeyError:
        raise ValueError(f"unknown board {name!r}; boards are {', '.join(BOARDS)}") from None
