"""What the functional machine refuses."""

__all__ = ["FunctionalError"]


class FunctionalError(RuntimeError):
    """A program that the hardware would refuse, or that would hang or leave the contract."""
