"""What the front end knows about one ONNX operator."""

from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Operator"]


@dataclass(frozen=True)
class Operator:
    """An operator that the front end takes.

    Parameters
    ----------
    handler : callable
        Called with a `Layer`; checks it and adds its nodes to the float graph.
    attributes : tuple of str
        Attributes that the handler knows.
    constants : tuple of int
        Inputs that must be constants: weights, shapes, axes.
    outputs : int
        Outputs that the handler makes; 0 for as many as there are.
    """

    handler: Callable
    attributes: tuple[str, ...] = ()
    constants: tuple[int, ...] = ()
    outputs: int = 1
