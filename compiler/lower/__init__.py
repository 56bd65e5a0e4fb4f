"""Lowering of the fixed-point graph to a program image; see `lower`."""

from .lower import Lowered, lower
from .memory import verify_allocation

__all__ = ["Lowered", "lower", "verify_allocation"]
