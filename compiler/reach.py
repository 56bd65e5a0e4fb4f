"""Which integers a sample can be, whatever the network's inputs: bounds that proofs rest on."""

from itertools import product

import numpy as np

from .points import HIGHEST, LOWEST

__all__ = ["elementwise_reach", "requantise"]


def requantise(value, shift):
    """Return integers rounded half up, shifted right and saturated; docs/arithmetic.md."""
    return np.clip((value + (1 << shift >> 1)) >> shift, LOWEST, HIGHEST)


def elementwise_reach(node, first, second):
    """Return the bounds of what an operator makes.

    Parameters
    ----------
    node : compiler.fixed.Elementwise
        The operation; ``inputs`` may name one tensor twice.
    first, second : tuple of int
        Lowest and highest sample of the operands; a constant's are the constant itself.

    Returns
    -------
    tuple of int
        Lowest and highest sample of the output.
    """
    square = len(node.inputs) == 2 and len({*node.inputs}) == 1 and len({*node.reads}) <= 1
    if node.operation == "mul" and square:
        ends = [value * value for value in _ends(first)]
        return tuple(int(requantise(value, node.shift)) for value in (min(ends), max(ends)))
    # Every operation is monotone in each operand, the quotient on each side of a divisor of 0.
    divisors = second
    if node.operation == "div":
        divisors = {value for value in (*second, -1, 0, 1) if second[0] <= value <= second[1]}
    values = [_apply(node, a, b) for a, b in product(_ends(first), divisors)]
    return min(values), max(values)


def _ends(bounds):
    """Return both bounds, and 0 if it lies between them."""
    return (*bounds, 0) if bounds[0] < 0 < bounds[1] else bounds


def _apply(node, a, b):
    """Return the result for two integers, as docs/arithmetic.md, "Operators", gives it."""
    if node.operation == "div":
        if b == 0:
            return HIGHEST if a > 0 else LOWEST if a < 0 else 0
        return min(max((2 * (a << node.shift) + b) // (2 * b), LOWEST), HIGHEST)
    if node.operation == "mul":
        value = a * b
    else:
        a, b = a << node.shift_a, b << node.shift_b
        value = {"add": a + b, "sub": a - b, "max": max(a, b), "min": min(a, b)}[node.operation]
    return int(requantise(value, node.shift))
