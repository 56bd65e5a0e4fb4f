"""Boards: what stands around a machine on one, and the pins it has there."""

from .board import Board, BoardError
from .catalogue import BOARDS, get_board

__all__ = ["BOARDS", "Board", "BoardError", "get_board"]
