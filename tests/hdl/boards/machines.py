"""A machine that fits the chips of the boards."""

import dataclasses

from hdl.target import get_target

__all__ = ["small"]


def small(**changes):
    """Return the smallest machine, its memory on the chip, with some fields changed."""
    tiny = get_target("tiny")
    return dataclasses.replace(tiny, **{
        "name": "small", "clock_hz": 25_000_000,
        "memory": dataclasses.replace(tiny.memory, size=1 << 16), **changes})
