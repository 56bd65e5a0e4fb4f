"""Functional simulator: the program image executed on arrays; see `FunctionalMachine`."""

from .errors import FunctionalError
from .machine import FunctionalMachine, prepare

__all__ = ["FunctionalError", "FunctionalMachine", "prepare"]
